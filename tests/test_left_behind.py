"""A session that leaves a process, a key and a cron line behind: it is ended, the rest is in the review."""

from pathlib import Path

import asyncssh
import pytest

from tests.deployment import deployed
from tests.servers.sshd import Account, make_account, processes_of, running_sshd

pytestmark = pytest.mark.server


async def ended(account: Account) -> bool:
    return not processes_of(account.uid)


async def test_what_a_session_leaves_behind(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    line = " ".join(key.export_public_key().decode().split()[:2])
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account) as world:
                await world.settled()  # the deposit's rotation: this is the look of before
                request, grant = await world.granted()
                ran = await world.ssh(
                    "setsid nohup sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' >/dev/null 2>&1 </dev/null & "
                    f"umask 077; mkdir -p ~/.ssh && echo {line} left-by-alice >> ~/.ssh/authorized_keys && "
                    "echo '17 3 * * * /bin/true left-in-cron' | crontab - && echo ready"
                )
                assert "ready" in ran.out, ran.err
                assert processes_of(account.uid), "nothing is left to be ended"
                await world.alice.call("POST", f"/api/grants/{grant}/close")
                await world.settled()
                await world.until(lambda: ended(account), 5)
                review = await world.part(request, "review")
                page = await world.ivy.call("GET", f"/api/reviews/{review['id']}")
                left = [text for one in page["rotations"] for text in one["remains"].splitlines()]
                assert any(text.startswith(f"+ key {account.name}: {key.get_fingerprint()}") for text in left), left
                assert any(text.startswith(f"+ cron {account.name}: 17 3 * * *") for text in left), left
                assert not any(text.startswith("process") for text in left), left
                await world.review(request)
