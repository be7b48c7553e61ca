"""The whole emergency by people who have their passkeys at hand and nothing else: in Chromium with virtual
authenticators, as in production, on both databases.

    enrolment ▸ request ▸ two approvals ▸ terminal ▸ the access ends ▸ password changed ▸ playback ▸ review
"""

import json
import re
from collections.abc import Mapping

import pytest
import yaml
from playwright.async_api import Browser, expect
from sqlalchemy import text

from breakglass.storage.engine import open_engine
from breakglass.trust import drafting
from tests.deployment import ACCOUNT, Deployment
from tests.web.browser import DESKTOP, PHONE, Somebody
from tests.web.test_browser import shared  # noqa: F401 (the same two databases)
from tests.web.test_passkey_story import localhost

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]
SCREENS = {"alice": DESKTOP, "bo": PHONE, "dana": PHONE, "ivy": DESKTOP}


async def enrolled(browser: Browser, world: Deployment) -> Mapping[str, Somebody]:
    """Each makes a passkey with a link; one change of the estate takes all of them in, so that they count at once."""
    carol = await Somebody.sit_down(browser, world, "carol", at=localhost(world))
    people: dict[str, Somebody] = {}
    for login, screen in SCREENS.items():
        who = people[login] = await Somebody.sit_down(
            browser, world, login, screen=screen, at=localhost(world), token=""
        )
        await who.passkeys()
        await carol.go("/people")
        name = login.capitalize()
        await carol.page.get_by_role("button", name=re.compile(f"Make a link for a passkey of {name}")).click()
        link = await carol.page.locator("pre.code").inner_text()
        await who.go(f"/enrol#{link.partition('#')[2]}")
        await who.page.get_by_label("What do you call this device?").fill(f"{name}’s phone")
        await who.page.get_by_role("button", name="Make the passkey").click()
        await expect(who.page.get_by_role("heading", name="Your passkey waits for signatures")).to_be_visible()
        assert await who.faults() == []
    await carol.leave()
    await take_in(world)
    for login, who in people.items():
        await who.go("/requests")
        await who.page.get_by_role("button", name="Sign in with a passkey").click()
        await who.page.wait_for_url(f"{localhost(world)}/requests")
        assert await who.faults() == [], login
    return people


async def take_in(world: Deployment) -> None:
    """The four proposals as one that counts at once, with approvers' signatures too."""
    holds = await world.carol.call("GET", "/api/roster")
    estate = drafting.estate_of(holds["document"].encode())
    engine = open_engine(world.database or f"sqlite:///{world.home.database}")
    with engine.connect() as conn:
        documents = conn.execute(text("SELECT document FROM roster_proposal")).scalars().all()
    engine.dispose()
    for document in map(bytes, documents):
        for id, person in drafting.estate_of(document)["people"].items():
            for key in person["keys"]:
                if key.get("kind") == "passkey":
                    key["approves_from"] = json.loads(document)["issued_at"]
                    estate["people"][id]["keys"].append(key)
    file = world.folder / "estate.yaml"
    file.write_text(yaml.safe_dump(estate))
    id = json.loads((await world.cli("--json", "estate", "propose", str(file), login="carol")).out)["id"]
    for login in ("bo", "dana", "carol", "cem"):
        signed = await world.cli("--json", "estate", "sign", id, "--yes", login=login)
        assert signed.code == 0, signed.err
    assert json.loads(signed.out)["adopted"]


async def test_everything_by_passkey(world: Deployment, browser: Browser) -> None:
    await world.settled()
    people = await enrolled(browser, world)
    alice, ivy = people["alice"], people["ivy"]
    page = alice.page
    await alice.go("/request")
    await page.get_by_label("The identity provider is down").check()
    await page.get_by_label("2. Which system?").select_option(ACCOUNT)
    await page.get_by_label("3. What happened?").fill("Kerberos refuses all logons since 01:40.")
    await page.get_by_role("button", name="Send the request").click()
    await page.wait_for_url("**/requests/req_*")
    request = page.url.rpartition("/")[2]
    for login in ("bo", "dana"):
        who = people[login]
        await who.go(f"/requests/{request}/decide")
        assert await who.faults() == []
        await who.page.get_by_role("button", name="Approve with passkey").click()
        await who.page.wait_for_url(f"**/requests/{request}")

    await page.get_by_role("link", name="Open the terminal").click(timeout=30_000)
    await expect(page.locator("[data-state]")).to_have_text("Connected. Everything is recorded.", timeout=20_000)
    for width in (1000, 1280):  # the target is told of each size
        await page.set_viewport_size({"width": width, "height": 900})
    await page.keyboard.type("stty size; echo by-$((6*7))-hand\n")
    await expect(page.locator(".xterm-rows")).to_contain_text("by-42-hand", timeout=20_000)
    assert await alice.faults() == []
    await page.get_by_role("link", name="Leave").click()
    await page.get_by_role("button", name="End this access").click()
    await page.get_by_role("button", name="End the access").click()
    await expect(page.locator("#progress")).to_contain_text("takes no request until it is signed", timeout=60_000)
    await world.settled()
    await alice.go("/rotations")
    assert "Every password that was used has been changed" in await alice.text()

    page = ivy.page
    await ivy.go("/reviews")
    await page.get_by_role("link", name=re.compile("Open the review")).click()
    review = page.url
    await page.get_by_role("link", name=re.compile("Recording of")).click()
    await page.get_by_role("button", name="Sign and open with passkey").click()
    await expect(page.get_by_role("heading", name="Verified: complete and unchanged")).to_be_visible()
    await expect(page.locator(".ap-player")).to_be_visible(timeout=20_000)
    await page.get_by_label("Find in what was shown").fill("by-42-hand")
    await page.get_by_label("Find in what was shown").press("Enter")
    await expect(page.locator("#found")).to_contain_text("place")
    await expect(page.locator(".ap-term")).to_contain_text("by-42-hand", timeout=20_000)
    await page.locator("[data-seek]").last.click()
    assert await ivy.faults() == []
    await ivy.go(review)
    await page.get_by_label("A drill").check()
    await page.get_by_label("Your finding").fill("As the playbook says.")
    await page.get_by_role("button", name="Read it and sign").click()
    await page.get_by_role("button", name="Sign the review with passkey").click()
    await expect(page.locator("main")).to_contain_text("Signed: drill")
    for who in people.values():
        await who.leave()

    signed = (await world.part(request, "approvals"))[0]["signature"]
    assert signed.startswith("-----BEGIN WEBAUTHN ASSERTION-----")
    ran = await world.cli("audit", "verify", "--recordings")
    assert ran.code == 0, ran.out
