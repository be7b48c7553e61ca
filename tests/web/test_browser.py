"""The pages in Debian's Chromium on a running deployment: the story as people see it, on a desk and on a phone.

One deployment for all of it; every page that is passed is looked at for what is wrong with it (tests.web.browser).
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.deployment import ACCOUNT, CONDITION, Deployment
from tests.servers.postgres import Postgres
from tests.web.browser import DESKTOP, PHONE, Somebody

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]
REASON = "Kerberos refuses all logons since 01:40. The clock of db1 is 11 minutes ahead."
WEIGHT_MAX = 50_000
"""Bytes of the approve page with all that it loads, as they go over the wire."""


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.nightly)])
def shared(request: pytest.FixtureRequest) -> Iterator[str]:
    """The pages are the same on both: `make test` looks at them on the embedded one."""
    if request.param == "sqlite":
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database(like=request.getfixturevalue("migrated")) as url:
        yield url


async def passes(browser: Browser, world: Deployment, login: str, *paths: str) -> None:
    """These pages are in order on a desk (light) and on a phone (dark)."""
    for screen, dark in ((DESKTOP, False), (PHONE, True)):
        who = await Somebody.sit_down(browser, world, login, screen=screen, dark=dark)
        for path in paths:
            await who.go(path)
            assert await who.faults() == [], (login, path, screen)
        await who.leave()


async def test_what_is_wrong_with_a_page_is_found(world: Deployment, browser: Browser) -> None:
    alice = await Somebody.sit_down(browser, world, "alice", screen=PHONE)
    await alice.go("/")
    assert await alice.faults() == []
    await alice.page.evaluate(
        """() => {
            const bad = document.createElement("input");
            document.querySelector("main").append(bad, Object.assign(document.createElement("p"), {
                textContent: "x".repeat(900), className: "nowrap"}));
            document.querySelector("main").insertAdjacentHTML("beforeend", '<p style="color:red">inline</p>');
        }"""
    )
    found = " ".join(await alice.faults())
    assert "too wide" in found
    assert "label (critical)" in found
    assert "Content Security Policy" in found
    await alice.leave()


async def test_the_story(world: Deployment, browser: Browser) -> None:
    alice = await Somebody.sit_down(browser, world, "alice")
    request = await ask(alice)
    await passes(browser, world, "alice", "/", "/request", f"/requests/{request}", "/requests")

    # Bo approves on a phone; Alice's page changes by itself, and her screen reader is told.
    await expect(alice.page.locator("#progress")).to_contain_text("0 of 2 approvals")
    assert await alice.page.locator("#progress").get_attribute("aria-live") == "polite"
    bo = await Somebody.sit_down(browser, world, "bo", screen=PHONE)
    await approve(bo, request)
    assert "You have approved this" in await at(bo, f"/requests/{request}/decide")
    await expect(alice.page.locator("#progress")).to_contain_text("1 of 2 approvals", timeout=15_000)
    assert await alice.page.title() == "Waiting for approval · db1 · Breakglass"

    # Dana approves without any script.
    dana = await Somebody.sit_down(browser, world, "dana", screen=PHONE, java_script_enabled=False)
    await approve(dana, request)
    await expect(alice.page.locator("#progress")).to_contain_text("Open for", timeout=20_000)
    await expect(alice.page.locator(".countdown .clock")).to_have_text(re.compile(r"29:\d\d"))
    assert await alice.faults() == []

    await at_ten_and_at_two_minutes(browser, world, request)
    line = await alice.page.locator("pre.code").first.inner_text()
    assert line.startswith("ssh alice+db1@")
    assert (await world.ssh("true")).code == 0
    await passes(browser, world, "alice", "/", f"/requests/{request}")

    # She ends it: asked first, the safe choice focused.
    await alice.page.get_by_role("button", name="End this access").click()
    await expect(alice.page.get_by_role("button", name="Keep it")).to_be_focused()
    assert await alice.faults() == []
    await alice.page.get_by_role("button", name="End the access").click()
    await expect(alice.page.locator("#progress")).to_contain_text("takes no request until it is signed", timeout=60_000)
    await world.settled()
    await passes(browser, world, "carol", "/rotations", f"/accounts/{ACCOUNT}")
    await review(world, browser, request)
    await expect(alice.page.locator("#progress")).to_contain_text("Signed by Ivy Tanaka", timeout=15_000)
    await passes(browser, world, "alice", f"/requests/{request}")
    for one in (alice, bo, dana):
        await one.leave()


async def at_ten_and_at_two_minutes(browser: Browser, world: Deployment, request: str) -> None:
    """The countdown is said aloud then, once each, and looks urgent by more than its colour."""
    alice = await Somebody.sit_down(browser, world, "alice")
    await alice.page.clock.install()
    await alice.go(f"/requests/{request}")
    said, clock = alice.page.locator("#said"), alice.page.locator(".countdown")
    await expect(said).to_be_empty()
    await alice.page.clock.fast_forward("20:30")
    await expect(said).to_have_text("10 minutes left.")
    await expect(clock).to_have_class(re.compile("warn"))
    await alice.page.clock.fast_forward("07:40")
    await expect(said).to_have_text("2 minutes left.")
    await expect(clock).to_have_class(re.compile("danger"))
    await alice.leave()


async def ask(alice: Somebody) -> str:
    await alice.go("/")
    await alice.page.get_by_role("link", name="Request emergency access").click()
    page = alice.page
    assert not await page.locator("input[name=condition]").first.is_checked()
    await page.get_by_label("The identity provider is down").check()
    await expect(page.locator(f"#playbook-{CONDITION}")).to_have_attribute("open", "")
    await page.get_by_label("2. Which system?").select_option(ACCOUNT)
    await page.get_by_label("3. What happened?").fill("Help")
    await page.get_by_role("button", name="Send the request").click()
    await expect(page.locator("#reason-error")).to_contain_text("Say what you saw and since when")
    assert await page.get_by_label("The identity provider is down").is_checked()
    # Chromium notes an answer 422 in its console; nothing else may stand there.
    assert [one for one in await alice.faults() if "status of 422" not in one] == []
    await page.get_by_label("3. What happened?").fill(REASON)
    await page.get_by_role("button", name="Send the request").click()
    await page.wait_for_url("**/requests/req_*")
    return page.url.rpartition("/")[2]


async def approve(person: Somebody, request: str) -> None:
    """As somebody does whose key is elsewhere: the text is saved, signed there, and the signature pasted."""
    await person.go(f"/requests/{request}/decide")
    page = person.page
    assert f"“{REASON}”" in await person.text()
    assert await person.faults() == [] if person.scripts else True
    async with page.expect_download() as saved:
        await page.get_by_role("link", name="Save the text").click()
    text = (await (await saved.value).path()).read_bytes().decode()
    await page.get_by_label("The signature").fill(await person.world.people[person.login].sign(text))
    await page.get_by_role("button", name="Approve", exact=True).click()
    await page.wait_for_url(f"**/requests/{request}")


async def at(person: Somebody, path: str) -> str:
    await person.go(path)
    return await person.text()


async def review(world: Deployment, browser: Browser, request: str) -> None:
    ivy = await Somebody.sit_down(browser, world, "ivy")
    await ivy.go("/reviews")
    await ivy.page.get_by_role("link", name=re.compile("Open the review")).click()
    assert "This can’t be signed yet" in await ivy.text()
    assert await ivy.page.get_by_role("button", name="Read it and sign").count() == 0
    assert await ivy.faults() == []
    for session in await world.ivy.call("GET", "/api/sessions"):
        await world.replay(session["id"])
    await passes(browser, world, "ivy", "/", "/reviews", ivy.page.url)
    await ivy.page.reload()
    assert await ivy.page.locator("input[name=classification]:checked").count() == 0
    await ivy.page.get_by_label("A real emergency").check()
    await ivy.page.get_by_label("Your finding").fill("Repaired as the playbook says.")
    await ivy.page.get_by_role("button", name="Read it and sign").click()
    async with ivy.page.expect_download() as saved:
        await ivy.page.get_by_role("link", name="Save the text").click()
    text = (await (await saved.value).path()).read_bytes().decode()
    assert "classification: emergency" in text
    await ivy.page.get_by_label("The signature").fill(await world.ivy.sign(text))
    await ivy.page.get_by_role("button", name="Sign the review").click()
    await expect(ivy.page.locator("main")).to_contain_text("Signed: emergency")
    assert await ivy.faults() == []
    await ivy.leave()


async def test_the_approve_page_is_light(world: Deployment, browser: Browser) -> None:
    request = await world.ask()
    bo = await Somebody.sit_down(browser, world, "bo", screen=PHONE)
    devtools = await bo.context.new_cdp_session(bo.page)
    await devtools.send("Network.enable")
    sizes: list[int] = []
    kinds: list[str] = []
    devtools.on("Network.loadingFinished", lambda one: sizes.append(int(one["encodedDataLength"])))
    devtools.on("Network.responseReceived", lambda one: kinds.append(one["response"]["url"]))
    await bo.page.goto(f"/requests/{request}/decide", wait_until="networkidle")
    assert {kind.rpartition(".")[2] for kind in kinds} >= {"css", "js"}
    assert len(sizes) == len(kinds)
    assert sum(sizes) < WEIGHT_MAX, dict(zip(kinds, sizes, strict=True))
    await bo.page.get_by_text("Deny", exact=True).click()
    await bo.page.get_by_label("Why not?").fill("Call me first.")
    await bo.page.get_by_role("button", name="Read the denial").click()
    assert "One denial ends the request." in await bo.text()
    shown = await bo.page.locator("pre.statement").text_content()
    assert shown == await bo.page.locator("a[download]").evaluate("one => decodeURIComponent(one.href.split(',')[1])")
    assert shown is not None
    assert "reason: Call me first.\n" in shown
    assert await bo.faults() == []
    await world.alice.call("POST", f"/api/requests/{request}/cancel")
    await bo.leave()


async def test_the_pages_that_prepare_and_prove(world: Deployment, browser: Browser) -> None:
    await passes(
        browser, world, "carol", "/accounts", "/people", "/proposals", "/playbooks", "/vault", "/clock", "/audit/3"
    )
    ivy = await Somebody.sit_down(browser, world, "ivy")
    await ivy.go("/audit")
    assert "Verified:" not in await ivy.text()
    await ivy.page.get_by_role("button", name="Verify now").click()
    await expect(ivy.page.locator("main")).to_contain_text("entries are unchanged", timeout=60_000)
    assert await ivy.faults() == []
    await ivy.leave()
    await propose(world, browser)


async def propose(world: Deployment, browser: Browser) -> None:
    carol = await Somebody.sit_down(browser, world, "carol", screen=PHONE)
    await carol.go("/proposals")
    box: Any = carol.page.get_by_label("The whole estate")
    changed = (await box.input_value()).replace("name: Bo Lindqvist", "name: Bo Lindqvist-Berg")
    await box.fill(changed)
    await carol.page.get_by_role("button", name="Propose it").click()
    await carol.page.wait_for_url("**/proposals/pro_*")
    assert "+ name: Bo Lindqvist-Berg" in await carol.text()
    assert await carol.faults() == []
    await carol.leave()


async def test_a_page_that_is_not_up_to_date_says_so(world: Deployment, browser: Browser) -> None:
    alice = await Somebody.sit_down(browser, world, "alice")
    await alice.go("/")
    stale = alice.page.locator("#stale")
    await expect(stale).to_be_hidden()
    await alice.page.context.set_offline(True)
    await expect(stale).to_contain_text("The server does not answer", timeout=15_000)
    await alice.page.context.set_offline(False)
    await expect(stale).to_be_hidden(timeout=15_000)
    await alice.page.context.clear_cookies()
    await expect(stale).to_contain_text("You are signed out", timeout=15_000)
    assert "Am I in? No." in await alice.text()
    await alice.leave()


async def test_two_people_unseal_the_vault(world: Deployment, browser: Browser) -> None:
    carol = await Somebody.sit_down(browser, world, "carol")
    await carol.go("/vault")
    await carol.page.get_by_role("button", name="Seal the vault").click()
    await carol.page.locator("#seal").get_by_role("button", name="Seal the vault").click()
    await expect(carol.page.locator("main")).to_contain_text("The vault is SEALED")
    assert await carol.faults() == []
    await passes(browser, world, "alice", "/", "/vault")
    # What is mistyped is refused with its place, and what was typed stays.
    typed = world.shares[0].rsplit(" ", 1)[0]
    await carol.page.get_by_label("Your share").fill(typed)
    await carol.page.get_by_role("button", name="Enter it").click()
    await expect(carol.page.locator("[data-refusal]")).to_contain_text("One is missing at place 33.")
    await expect(carol.page.get_by_label("Your share")).to_have_value(typed)
    carol.complaints = [one for one in carol.complaints if "422" not in one]  # the browser's word for the refusal
    assert await carol.faults() == []
    for share in world.shares[:2]:
        await carol.page.get_by_label("Your share").fill(share)
        await carol.page.get_by_role("button", name="Enter it").click()
        await asyncio.sleep(0)
        await expect(carol.page.locator("main")).not_to_contain_text("is SEALED: 0 of")
    await expect(carol.page.locator("main")).to_contain_text("The vault is open.")
    await carol.leave()
