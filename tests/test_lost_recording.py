"""The file of a recording disappears: people are told, the auditor still has a way, and a backup brings it back."""

from pathlib import Path

import pytest

from breakglass.demo.people import ApiRefused
from tests.deployment import deployed
from tests.servers.sshd import make_account, running_sshd
from tests.web.browser import PHONE, Somebody, chromium

pytestmark = pytest.mark.server


async def test_a_lost_recording(tmp_path: Path) -> None:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account) as world, chromium() as browser:
                request, grant = await world.granted()
                assert (await world.ssh("true")).code == 0
                await world.alice.call("POST", f"/api/grants/{grant}/close")
                await world.settled()
                [session] = await world.ivy.call("GET", "/api/sessions")
                path = world.home.recordings / f"{session['recording']['id']}.screen"
                data = path.read_bytes()

                path.unlink()
                with pytest.raises(ApiRefused, match="file is missing"):
                    await world.replay(session["id"])
                [shown] = await world.ivy.call("GET", "/api/sessions")
                assert shown["recording"]["lost"] == "The file is missing."
                review = await world.part(request, "review")
                ivy = await Somebody.sit_down(browser, world, "ivy", screen=PHONE)
                for where, words in (
                    ("/sessions", "Lost The file is missing."),
                    (f"/reviews/{review['id']}", "You can sign without it"),
                    (f"/requests/{request}", "Recording lost"),
                    (f"/sessions/{session['id']}/replay", "This recording is lost"),
                ):
                    await ivy.go(where)
                    assert words in await ivy.text(), where
                    assert await ivy.faults() == [], where
                await ivy.leave()

                path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
                with pytest.raises(ApiRefused):
                    await world.replay(session["id"])
                path.write_bytes(data)
                assert await world.replay(session["id"])
                [shown] = await world.ivy.call("GET", "/api/sessions")
                assert shown["recording"]["lost"] == ""

                path.unlink()
                with pytest.raises(ApiRefused):
                    await world.replay(session["id"])
                body = {"classification": "drill", "summary": "Its file is gone; the disk was replaced."}
                drawn = await world.ivy.call("POST", f"/api/reviews/{review['id']}/statement", body)
                assert f"recordings: lost:{shown['recording']['head']}\n" in drawn["text"]
                signature = await world.ivy.sign(drawn["text"])
                await world.ivy.call("POST", f"/api/reviews/{review['id']}/sign", {"signature": signature})
                ran = await world.cli("audit", "verify", "--recordings")
                assert ran.code == 0, ran.out
                assert "1 recordings are lost" in ran.out
