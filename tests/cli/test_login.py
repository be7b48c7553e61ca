"""`breakglass login`: confirmed on a page, kept for its owner only, ended on either side; and `--ca`."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from breakglass.app.api_server import ApiServer
from breakglass.app.site import make as make_site
from breakglass.cli.server import Server
from tests.app.test_api_server import certificate
from tests.cli.conftest import Shell
from tests.kit import Town
from tests.web.visitor import Visitor, words

Begun = asyncio.Queue[dict[str, Any]]


class Page(Visitor):
    """Somebody's browser at the running node."""

    def __init__(self, town: Town, login: str, where: str) -> None:
        self.town, self.login, self.csrf = town, login, ""
        self.http = httpx.AsyncClient(base_url=where, headers={"Origin": where}, trust_env=False)


def where(run: Shell) -> str:
    return str(json.loads((run.home / "run" / "node.json").read_text())["api"])


@pytest.fixture
async def alice(town: Town, run: Shell) -> AsyncIterator[Visitor]:
    page = Page(town, "alice", where(run))
    yield await page.sign_in()
    await page.http.aclose()


@pytest.fixture
async def begun(monkeypatch: pytest.MonkeyPatch) -> Begun:
    """What a running `breakglass login` shows, as soon as it does; it asks for its token a second later."""
    seen: Begun = asyncio.Queue()
    loop, ask = asyncio.get_running_loop(), Server.begin_login

    def begin(node: Server, device: str) -> dict[str, Any]:
        found = {**ask(node, device), "interval": 1.0}
        loop.call_soon_threadsafe(seen.put_nowait, found)
        return found

    monkeypatch.setattr(Server, "begin_login", begin)
    return seen


def tokens(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache" / "breakglass" / "tokens").glob("*"))


async def test_a_browser_signs_a_terminal_in(run: Shell, alice: Visitor, begun: Begun, tmp_path: Path) -> None:
    here = ["--home", str(run.home)]
    waiting = asyncio.create_task(run.bare(*here, "--json", "login"))
    shown = await begun.get()
    assert shown["verification_uri"].endswith("/terminal-login")
    page = await alice.post("/terminal-login", {"code": shown["user_code"].lower()}, 200)
    assert shown["user_code"] in words(page)
    assert "127.0.0.1" in words(page)
    assert "is signed in" in words(await alice.post("/terminal-login/confirm", {"code": shown["user_code"]}, 200))
    ran = await waiting
    assert ran.json == {"login": "alice"}
    assert shown["user_code"] in ran.err
    assert shown["device_code"] not in ran.err + ran.out

    [kept] = tokens(tmp_path)
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.read_text().encode() not in await run.town.stored()
    for _ in range(4):  # it lasts with use
        assert (await run.bare(*here, "--json", "status")).json["person"]["id"] == "usr_alice"
        run.town.clock.go(minutes=20)

    await alice.sign_in()
    found = re.search(r"A terminal of.*?/me/sign-ins/(sgn_\w+)/revoke", await alice.get("/me"), re.DOTALL)
    assert found
    await alice.post(f"/me/sign-ins/{found[1]}/revoke")
    assert "breakglass login" in (await run.bare(*here, "request", "list", expect=4)).err
    assert tokens(tmp_path) == []
    assert (await run.bare(*here, "--json", "logout")).json == {"ended": False}


async def test_no_is_an_answer_and_somebody_else_is_none(
    run: Shell, alice: Visitor, begun: Begun, tmp_path: Path
) -> None:
    here = ["--home", str(run.home)]
    denied = asyncio.create_task(run.bare(*here, "login", expect=4))
    await alice.post("/terminal-login/deny", {"code": (await begun.get())["user_code"]}, 200)
    assert "said no" in (await denied).err
    other = asyncio.create_task(run.bare(*here, "--login", "bo", "login", expect=4))
    await alice.post("/terminal-login/confirm", {"code": (await begun.get())["user_code"]}, 200)
    assert "signed in as alice, not as bo" in (await other).err
    assert tokens(tmp_path) == []
    assert "A terminal of" not in await alice.get("/me")


async def test_a_lent_sign_in_is_as_old_as_its_signature(run: Shell, alice: Visitor, begun: Begun) -> None:
    """A token that lasts for hours does not do for hours what takes a signature of the last 15 minutes."""
    here = ["--home", str(run.home)]
    alice.login = "carol"
    await alice.sign_in()
    waiting = asyncio.create_task(run.bare(*here, "login"))
    await alice.post("/terminal-login/confirm", {"code": (await begun.get())["user_code"]}, 200)
    await waiting
    await run.bare(*here, "enrol", "bo")
    run.town.clock.go(minutes=16)
    await run.bare(*here, "status")
    assert "breakglass login" in (await run.bare(*here, "enrol", "bo", expect=4)).err
    await run("carol", "enrol", "bo")
    run.town.clock.go(minutes=16)
    await run("carol", "enrol", "bo")  # with a key at hand, it signs anew by itself


async def test_logout_ends_it(run: Shell, tmp_path: Path) -> None:
    await run("alice", "request", "list")
    [kept] = tokens(tmp_path)
    token = kept.read_text()
    assert (await run("alice", "--json", "logout")).json == {"ended": True}
    assert tokens(tmp_path) == []
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{where(run)}/api/requests", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


async def test_guessing_codes_and_old_signatures(run: Shell, alice: Visitor) -> None:
    for wanted in [404] * 10 + [429]:
        await alice.post("/terminal-login", {"code": "BCDF-GHJK"}, wanted)
    run.town.clock.go(minutes=16)
    for path in ("/terminal-login", "/terminal-login/confirm", "/terminal-login/deny"):
        assert "/sign-again" in await alice.post(path, {"code": "BCDF-GHJK"}, 403)


async def test_a_private_authority(town: Town, run: Shell, tmp_path: Path) -> None:
    ours, other = certificate(tmp_path, "gate"), certificate(tmp_path, "other")
    tls = ApiServer(make_site(town.services()), ours)
    await tls.start("127.0.0.1", 0)
    try:
        there = ["--server", f"https://localhost:{tls.port}"]
        await run.bare(*there, "--ca", ours.certificate, "status")
        for wrong in ([], ["--ca", other.certificate]):
            assert "does not answer" in (await run.bare(*there, *wrong, "status", expect=5)).err
    finally:
        await tls.stop()
    for wrong_file in (ours.key, str(tmp_path / "none")):
        said = (await run.bare("--server", "https://localhost:1", "--ca", wrong_file, "status", expect=2)).err
        assert "is no file with certificates" in said
