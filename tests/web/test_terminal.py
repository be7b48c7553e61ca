"""A terminal in Chromium on a real sshd: typing, pasting, resizing, a kill; then its playback; and hostile sockets."""

import asyncio
import json
import time
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from breakglass.http.asking import COOKIE, csrf_of
from tests.deployment import Deployment
from tests.web.browser import DESKTOP, PHONE, Somebody

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]


async def test_a_terminal_and_its_playback(world: Deployment, browser: Browser, tmp_path: Path) -> None:
    request, _ = await world.granted()
    alice = await Somebody.sit_down(browser, world, "alice")
    await alice.go(f"/requests/{request}")
    await alice.page.get_by_role("link", name="Open the terminal").click()
    page = alice.page
    screen = page.locator(".xterm-rows")
    await expect(page.locator("[data-state]")).to_have_text("Connected. Everything is recorded.", timeout=20_000)
    await expect(screen).to_contain_text("recorded, until", timeout=20_000)
    await page.keyboard.type("echo $((6*7))-typed; stty size\n")
    await expect(screen).to_contain_text("42-typed", timeout=20_000)
    assert await alice.faults() == []
    await page.screenshot(path=tmp_path / "terminal.png")

    # A larger window is a larger terminal on the target.
    await page.set_viewport_size({"width": 1000, "height": 500})
    await asyncio.sleep(0.5)
    await page.keyboard.type("echo $(stty size | tr ' ' x)-size\n")
    size = await page.evaluate("document.querySelectorAll('.xterm-rows > div').length")
    await expect(screen).to_contain_text(f"{size}x", timeout=20_000)

    # Several lines are shown before they run.
    await page.evaluate(
        """() => { const data = new DataTransfer(); data.setData("text/plain", "echo one-pasted\\necho two-pasted\\n");
        document.querySelector(".xterm-helper-textarea").dispatchEvent(
            new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true})); }"""
    )
    await expect(page.get_by_role("heading", name="Paste 2 lines?")).to_be_visible()
    assert "two-pasted" not in await screen.inner_text()
    await page.get_by_role("button", name="Paste it").click()
    await page.keyboard.press("Enter")
    await expect(screen).to_contain_text("two-pasted", timeout=20_000)
    await page.keyboard.press("Control+Shift+L")
    await expect(page.get_by_role("link", name="Leave")).to_be_focused()

    # Bo ends it: cut within a second, and Alice reads why.
    bo = await Somebody.sit_down(browser, world, "bo", screen=PHONE)
    await bo.go("/sessions")
    assert await bo.faults() == []
    await bo.page.get_by_role("button", name="End the session of Alice Moreau on db1").click()
    await bo.page.get_by_role("textbox", name="Why?").fill("not agreed")
    began = time.monotonic()
    await bo.page.get_by_role("button", name="End this session").click()
    await expect(page.locator("[data-state]")).to_contain_text("has ended", timeout=5_000)
    assert time.monotonic() - began < 3  # a click, a page, and the second that it may take
    await expect(screen).to_contain_text("not agreed")
    assert not await world.part(request, "grant") or (await world.part(request, "grant"))["state"] == "revoked"
    await alice.leave()
    await bo.leave()
    await playback(world, browser)


async def playback(world: Deployment, browser: Browser) -> None:
    await world.settled()
    for screen, dark in ((DESKTOP, False), (PHONE, True)):
        ivy = await Somebody.sit_down(browser, world, "ivy", screen=screen, dark=dark)
        await ivy.go("/sessions")
        assert await ivy.faults() == []
        session = (await ivy.page.get_by_role("link", name="Replay").first.get_attribute("href") or "").split("/")[2]
        if screen == DESKTOP:
            await open_recording(ivy, session)
        await ivy.go(f"/sessions/{session}/replay")
        await expect(ivy.page.get_by_role("heading", name="Verified: complete and unchanged")).to_be_visible()
        await ivy.page.get_by_label("Find in what was shown").fill("two-pasted")
        await expect(ivy.page.locator(".ap-player")).to_be_visible(timeout=20_000)
        await ivy.page.get_by_label("Find in what was shown").press("Enter")
        await expect(ivy.page.locator("#found")).to_contain_text("place")
        await expect(ivy.page.locator(".ap-term")).to_contain_text("two-pasted", timeout=10_000)
        assert await ivy.faults() == []
        cast = await ivy.context.request.get(f"{world.where()['api']}/sessions/{session}/cast")
        assert '"version":3' in await cast.text()
        await ivy.leave()


async def open_recording(ivy: Somebody, session: str) -> None:
    await ivy.page.goto(f"/sessions/{session}/cast")
    assert "You have not opened this recording" in await ivy.text()
    ivy.complaints.clear()
    await ivy.go(f"/sessions/{session}/replay")
    assert "Sign that you are about to watch" in await ivy.text()
    assert await ivy.faults() == []
    async with ivy.page.expect_download() as saved:
        await ivy.page.get_by_role("link", name="Save the text").click()
    text = (await (await saved.value).path()).read_bytes().decode()
    await ivy.page.get_by_label("The signature").fill(await ivy.world.ivy.sign(text))
    await ivy.page.get_by_role("button", name="Sign and open").click()
    await expect(ivy.page.get_by_role("heading", name="Verified: complete and unchanged")).to_be_visible()


# -- sockets that no page of ours opens -------------------------------------------------------------------------------
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def grant(world: Deployment) -> str:
    for one in await world.ivy.call("GET", "/api/requests"):
        if (await world.part(one["id"], "review") or {}).get("state") == "open":
            await world.review(one["id"])
    _, found = await world.granted()
    return found


def token(world: Deployment, login: str = "alice") -> str:
    api = world.people[login]._api
    assert api is not None
    found: str = api.headers["Authorization"].partition(" ")[2]
    return found


async def ticket(world: Deployment, grant: str) -> str:
    api = world.alice._api
    assert api is not None
    cookie, origin = token(world), world.where()["api"]
    answer = await api.post(
        f"/grants/{grant}/ticket",
        data={"csrf": csrf_of(cookie)},
        headers={"Authorization": "", "Cookie": f"{COOKIE}={cookie}", "Origin": origin},
    )
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["ticket"]
    return found


def socket(world: Deployment, grant: str, *, login: str = "alice", origin: str = "", cookie: str = "") -> connect:
    where = world.where()["api"]
    return connect(
        f"{where.replace('http', 'ws')}/grants/{grant}/socket",
        origin=Origin(origin or where),
        additional_headers={"Cookie": f"{COOKIE}={cookie or token(world, login)}"},
        max_size=2**22,
    )


async def hello(world: Deployment, grant: str, open_: ClientConnection, given: str = "", cols: int = 80) -> None:
    await open_.send(json.dumps({"ticket": given or await ticket(world, grant), "size": [cols, 24]}))


async def is_shut(open_: ClientConnection) -> None:
    """The socket closes and nothing was shown but a refusal in words."""
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(15):
            said = json.loads(await open_.recv())
            assert said.keys() == {"refused"}
            assert len(said["refused"]) > 20
            raise AssertionError(await open_.recv())


async def test_sockets_from_elsewhere(world: Deployment, grant: str) -> None:
    for changed in ({"origin": "https://evil.example"}, {"origin": "null"}, {"cookie": "nonsense"}, {"login": "ivy"}):
        with pytest.raises(InvalidStatus):
            async with socket(world, grant, **changed):
                pass
    # Somebody else's grant, and tickets that were used, made up, or given out for another grant.
    async with socket(world, grant, login="bo") as open_:
        await is_shut(open_)
    used = await ticket(world, grant)
    async with socket(world, grant) as open_:
        await hello(world, grant, open_, used)
        assert b"recorded, until" in await shown(open_, b"recorded, until")
    for given in (used, "made-up", "x" * 500):
        async with socket(world, grant) as open_:
            await hello(world, grant, open_, given)
            await is_shut(open_)
    for first in ("", "[]", "{}", b"binary", '{"ticket": 1, "size": [80, 24]}', "[" * 900, "x" * 5000):
        async with socket(world, grant) as open_:
            await open_.send(first)
            await is_shut(open_)


async def shown(open_: ClientConnection, until: bytes) -> bytes:
    found = b""
    async with asyncio.timeout(20):
        while until not in found:
            message = await open_.recv()
            if isinstance(message, bytes):
                found += message
                await open_.send(json.dumps({"shown": len(message)}))
    return found


async def test_a_sign_in_that_is_ended_cuts_its_terminal(world: Deployment, grant: str) -> None:
    """From another browser of the same person, within a second; the session says why it ended."""
    there = token(world)
    async with socket(world, grant) as open_:
        await hello(world, grant, open_)
        await shown(open_, b"recorded, until")
        await world.alice.leave()
        where = world.where()
        await world.alice.arrive(where["api"], where["ssh_host"], where["ssh_port"], world.folder / "known_hosts")
        api, here = world.alice._api, token(world)
        assert api is not None
        assert here != there
        began = time.monotonic()
        headers = {"Authorization": "", "Cookie": f"{COOKIE}={here}", "Origin": where["api"]}
        answer = await api.post("/me/sign-ins/revoke-others", data={"csrf": csrf_of(here)}, headers=headers)
        assert answer.status_code == 303
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(5):
                while True:
                    await open_.recv()
        assert time.monotonic() - began < 2  # a request, a page, and the second that it may take

    async def ended() -> bool:
        return "the sign-in was ended" in {one["why"] for one in await world.ivy.call("GET", "/api/sessions")}

    await world.until(ended, 5)
    with pytest.raises(InvalidStatus):
        async with socket(world, grant, cookie=there):
            pass


async def test_a_grant_that_ends_is_told_in_words(world: Deployment, browser: Browser, grant: str) -> None:
    alice = await Somebody.sit_down(browser, world, "alice")
    page = alice.page
    await alice.go(f"/grants/{grant}/terminal")
    await expect(page.locator("[data-state]")).to_have_text("Connected. Everything is recorded.", timeout=20_000)
    await page.route("**/ticket", lambda route: route.fulfill(json={"ticket": "made-up"}))
    await page.evaluate("() => document.querySelector('[data-again]').click()")
    await expect(page.locator("[data-state]")).to_contain_text("was not given out for this", timeout=20_000)
    await expect(page.get_by_role("button", name="Connect again")).to_be_visible()
    await page.unroute("**/ticket")
    await page.get_by_role("button", name="Connect again").click()
    await expect(page.locator("[data-state]")).to_have_text("Connected. Everything is recorded.", timeout=20_000)
    assert await alice.faults() == []
    await alice.leave()


async def test_messages_that_no_page_sends_end_it(world: Deployment, grant: str) -> None:
    for wrong in (
        '{"size": [0, 5]}',
        '{"size": [1e9, 5]}',
        '{"shown": 99999999}',
        '{"shown": -1}',
        "nonsense",
        b"x" * 70_000,
    ):
        async with socket(world, grant) as open_:
            await hello(world, grant, open_)
            await shown(open_, b"recorded, until")
            await open_.send(wrong)
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(15):
                    while True:
                        await open_.recv()


async def test_who_shows_nothing_gets_no_more(world: Deployment, browser: Browser, grant: str, tmp_path: Path) -> None:
    """A browser that does not keep up: the target is not read any more, and the session still ends when Bo ends all."""
    bo = await Somebody.sit_down(browser, world, "bo", screen=PHONE)
    async with socket(world, grant) as open_:
        await hello(world, grant, open_)
        await shown(open_, b"recorded, until")
        await open_.send(b"yes 0123456789012345678901234567890123456789\n")
        got = 0
        with pytest.raises(TimeoutError):
            while True:
                async with asyncio.timeout(2):
                    message = await open_.recv()
                got += len(message)
                assert got < 8 * 1024 * 1024
        assert got > 256 * 1024
        await bo.go("/sessions")
        await bo.page.get_by_role("button", name="End all…").click()
        await bo.page.get_by_role("textbox", name="Why?").fill("an intruder")
        assert await bo.faults() == []
        await bo.page.screenshot(path=tmp_path / "end-all.png")
        began = time.monotonic()
        await bo.page.get_by_role("button", name="End all sessions").click()
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(10):
                while True:
                    await open_.recv()
        assert time.monotonic() - began < 3
    await expect(bo.page.get_by_role("heading", name="Sessions", exact=True)).to_be_visible()
    await bo.leave()
    assert (await world.alice.call("GET", f"/api/grants/{grant}"))["state"] == "revoked"
    api, cookie = world.alice._api, token(world)
    assert api is not None
    headers = {"Authorization": "", "Cookie": f"{COOKIE}={cookie}", "Origin": world.where()["api"]}
    answer = await api.post(f"/grants/{grant}/ticket", data={"csrf": csrf_of(cookie)}, headers=headers)
    assert answer.status_code == 409
    assert answer.json().keys() == {"message", "what_to_do"}
