"""What people do on pages, with the node killed around each commit of it: signing in, step-up, a link to enrol with and
the passkey that is made with it, a password, its codes, a terminal that is signed in, ending sign-ins. Whoever lost an
answer does it again: then it is done once, or they read that it was.
"""

import asyncio
import html
import re
import struct
from base64 import b32decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from breakglass.codec import base64url, webauthn
from breakglass.http.asking import COOKIE, csrf_of
from breakglass.identity import password as passwords
from breakglass.identity.sign_in import NAMESPACE
from tests.authenticator import UP, UV, Passkey
from tests.deployment import Deployment
from tests.emergency import LEASES, struck
from tests.servers.sshd import make_account, running_sshd
from tests.template import Template, nothing_owed, rows

pytestmark = pytest.mark.server
GOOD = "four herons eat soup"
STEPS = (
    "sign_in.sign_in", "sign_in.prove", "enrol.invite", "enrol.enrol", "password.put", "password.sign_in",
    "sign_in.lend", "sign_in.revoke", "sign_in.revoke_others", "password.remove", "sign_in.sign_out",
)  # fmt: skip
POINTS = [f"step:{step}:{moment}" for step in STEPS for moment in ("before-commit", "after-commit")]


class Browser:
    """Somebody without scripts, who reloads and tries again while the server comes back."""

    def __init__(self, world: Deployment, login: str) -> None:
        self.world, self.login, self.token = world, login, ""
        self.where = world.where()["api"].replace("127.0.0.1", "localhost")

    async def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> httpx.Response | None:
        """None when the answer was lost."""
        headers = {"Origin": self.where} | ({"Cookie": f"{COOKIE}={self.token}"} if self.token else {})
        sent = {"csrf": csrf_of(self.token), **(form or {})} if method == "POST" else None
        try:
            async with httpx.AsyncClient(base_url=self.where, trust_env=False, timeout=20) as http:
                answer = await http.request(method, path, data=sent, headers=headers)
        except httpx.TransportError:
            return None
        assert answer.status_code < 500 or answer.status_code == 503, answer.text[-800:]
        return None if answer.status_code == 503 else answer

    async def get(self, path: str) -> str:
        return (await until(lambda: self.ask("GET", path))).text

    async def sign_in(self, where: str = "/sign-in") -> None:
        self.came(await until(lambda: self._sign(where if self.token else "/sign-in")))

    async def _sign(self, where: str) -> httpx.Response | None:
        page = await self.ask("GET", where)
        if page is not None and page.status_code == 303:
            self.token = ""  # the new cookie was lost with its answer, and the old one is worth nothing
        if page is None or page.status_code == 303:
            return None
        text = field(page.text, "text")
        signature = await self.world.people[self.login].sign(text, NAMESPACE)
        answer = await self.ask("POST", where, {"login": self.login, "text": text, "to": "/me", "signature": signature})
        forgotten = answer is not None and answer.status_code in (410, 303) and COOKIE not in str(answer.headers)
        return None if forgotten else answer

    def came(self, answer: httpx.Response) -> None:
        found = re.search(rf"{COOKIE}=([\w-]+);", answer.headers.get("set-cookie", ""))
        if found:
            self.token = found[1]
        assert answer.status_code in (200, 303), answer.text[-800:]


async def until(act: Callable[[], Awaitable[httpx.Response | None]]) -> httpx.Response:
    async with asyncio.timeout(LEASES):
        while (found := await act()) is None:  # noqa: ASYNC110 (another process rings no event here)
            await asyncio.sleep(0.1)
    return found


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


def made(passkey: Passkey, text: str) -> dict[str, str]:
    """What a browser brings of a new passkey (W3C Web Authentication, 7.1)."""
    client = {"type": "webauthn.create", "challenge": webauthn.challenge(text.encode()), "origin": passkey.origin}
    seen = sha256(passkey.rp.encode()).digest() + struct.pack(">BI", UP | UV | webauthn.ATTESTED_DATA, 0)
    seen += bytes(16) + struct.pack(">H", len(passkey.credential)) + passkey.credential + passkey.cose
    written = httpx.Request("POST", "http://x", json=client).content
    return {"authenticator_data": base64url.write(seen), "client_data": base64url.write(written), "label": "Phone"}


async def enrolled(carol: Browser) -> None:
    async def invited() -> httpx.Response | None:
        answer = await carol.ask("POST", "/people/usr_bo/invite")
        return answer if answer is None or answer.status_code == 200 else None

    page = (await until(invited)).text
    found = re.search(r"/enrol#([\w-]+)", page)
    assert found
    bo, passkey = Browser(carol.world, "bo"), Passkey("bo", rp="localhost", origin=carol.where)

    async def once() -> httpx.Response | None:
        told = await bo.ask("POST", "/enrol/text", {"token": found[1]})
        if told is None or told.status_code == 410:
            return told  # used: the answer was lost after it was done
        text = told.json()["text"]
        answer = await bo.ask("POST", "/enrol", {"token": found[1], "text": text, **made(passkey, text)})
        return None if answer is not None and "was not given out" in answer.text else answer

    assert (await until(once)).status_code in (200, 410)


async def password_set(alice: Browser) -> bytes:
    async def once() -> httpx.Response | None:
        page = await alice.get("/me/password")
        key = re.search(r'aria-label="The key">([A-Z2-7 ]+)<', page)
        assert key, page[-800:]
        seed.append(b32decode(key[1].replace(" ", "")))
        code = passwords.code_at(seed[-1], datetime.now(UTC))
        answer = await alice.ask("POST", "/me/password", {"password": GOOD, "again": GOOD, "code": code})
        return answer if answer is None or answer.status_code == 200 else None

    seed: list[bytes] = []
    page = (await until(once)).text
    codes.extend(re.findall(r"<li>([0-9A-Z-]{19})</li>", page))
    return seed[-1]


async def terminal_lent(alice: Browser) -> str:
    """The token that a terminal got; whoever types a code that a killed node forgot begins again."""

    async def once() -> httpx.Response | None:
        async with httpx.AsyncClient(base_url=alice.where, trust_env=False, timeout=20) as http:
            try:
                begun = (await http.post("/api/login", json={"device": "Laptop"})).json()
                said = await alice.ask("POST", "/terminal-login/confirm", {"code": begun["user_code"]})
                given = await http.post("/api/login/token", json={"device_code": begun["device_code"]})
            except httpx.TransportError:
                return None
        return given if said is not None and given.status_code == 200 and given.json()["token"] else None

    return str((await until(once)).json()["token"])


codes: list[str] = []


@pytest.mark.parametrize(
    ("where", "points"),
    [
        pytest.param("embedded", POINTS[1::2], id="answers lost"),
        pytest.param("embedded", POINTS, marks=pytest.mark.nightly, id="embedded"),
        pytest.param("shared", POINTS, marks=pytest.mark.nightly, id="shared"),
    ],
)
async def test_pages(tmp_path: Path, where: str, points: list[str], request: pytest.FixtureRequest) -> None:
    reached = tmp_path / "reached"
    reached.mkdir()
    more: dict[str, Any] = {}
    if where == "shared":
        more = {"server": request.getfixturevalue("postgres"), "like": request.getfixturevalue("migrated")}
    async with copied(tmp_path, **more) as world, struck(world, points, reached):
        await told(world)
        verified = await world.cli("--json", "audit", "verify")
        assert verified.code == 0, verified.out + verified.err
    missed = set(points) - {one.name for one in reached.iterdir()}
    assert not missed, f"the story never reached {missed}"


@asynccontextmanager
async def copied(folder: Path, **more: Any) -> AsyncIterator[Deployment]:
    async with running_sshd(folder / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with (
                Template.made(folder / "made", sshd, account, **more) as template,
                template.copy(folder) as world,
            ):
                yield world


async def told(world: Deployment) -> None:
    async with asyncio.timeout(LEASES):
        while not world.home.node_file.exists():  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.05)
    carol, alice = Browser(world, "carol"), Browser(world, "alice")
    for one in (carol, alice):
        await one.sign_in()
        await one.sign_in("/sign-again")
    await enrolled(carol)
    [(proposals,)] = rows(world, "SELECT count(*) FROM roster_proposal")
    assert proposals == 1
    assert rows(world, "SELECT count(*) FROM invitation") in ([(0,)], [(1,)])  # one whose link nobody ever saw

    codes.clear()
    await password_set(alice)
    assert len(codes) == 10
    abroad = Browser(world, "alice")

    async def by_paper() -> httpx.Response | None:
        form = {"login": "alice", "password": GOOD, "code": codes[-1], "to": "/me"}
        answer = await abroad.ask("POST", "/sign-in/password", form)
        if answer is not None and answer.status_code == 403:
            codes.pop()  # used by a sign-in whose cookie was lost: the next one
            return None
        return answer

    abroad.came(await until(by_paper))
    assert rows(world, "SELECT count(*) FROM recovery_code") == [(len(codes) - 1,)]

    token = await terminal_lent(alice)
    async with httpx.AsyncClient(base_url=alice.where, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {token}"}
        [lent] = [one["id"] for one in (await http.get("/api/sign-ins", headers=headers)).json() if one["here"]]

    async def revoked() -> httpx.Response | None:
        return await alice.ask("POST", f"/me/sign-ins/{lent}/revoke")

    assert (await until(revoked)).status_code in (303, 404)
    assert rows(world, f"SELECT count(*) FROM sign_in WHERE id = '{lent}'") == [(0,)]
    await until(lambda: alice.ask("POST", "/me/sign-ins/revoke-others"))
    assert rows(world, "SELECT count(*) FROM sign_in WHERE person = 'usr_alice'") == [(1,)]
    await until(lambda: alice.ask("POST", "/me/password/remove"))
    assert rows(world, "SELECT count(*) FROM password") == rows(world, "SELECT count(*) FROM recovery_code") == [(0,)]
    count = "SELECT count(*) FROM sign_in WHERE person = 'usr_carol'"
    [(before,)] = rows(world, count)
    await until(lambda: carol.ask("POST", "/sign-out"))
    assert "Sign in to Breakglass" in (await until(lambda: carol.ask("GET", "/sign-in"))).text
    assert rows(world, count) == [(before - 1,)]
    await world.until(lambda: nothing_owed(world), LEASES)
