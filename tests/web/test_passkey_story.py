"""A passkey from its first day on, in Chromium with a virtual authenticator: enrolled by a link, signed into the
estate, used to sign in and to approve; and a page that shows one text and has another one signed.
"""

import json
import sqlite3
from contextlib import closing
from urllib.parse import parse_qs

import pytest
import yaml
from playwright.async_api import Browser, Request, expect

from breakglass.trust import drafting
from tests.deployment import Deployment
from tests.web.browser import PHONE, Somebody

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]


def localhost(world: Deployment) -> str:
    """Where passkeys work without TLS."""
    address: str = world.where()["api"].replace("127.0.0.1", "localhost")
    return address


async def enrol(browser: Browser, world: Deployment, bo: Somebody) -> None:
    carol = await Somebody.sit_down(browser, world, "carol", at=localhost(world))
    await carol.go("/people")
    await carol.page.get_by_role("button", name="Make a link for a passkey of Bo Lindqvist").click()
    link = await carol.page.locator("pre.code").inner_text()
    assert await carol.faults() == []
    await bo.go(f"/enrol#{link.partition('#')[2]}")
    await expect(bo.page.locator("[data-who]")).to_have_text("For Bo Lindqvist (bo).")
    assert await bo.faults() == []
    await bo.page.get_by_label("What do you call this device?").fill("Bo’s phone")
    await bo.page.get_by_role("button", name="Make the passkey").click()
    await expect(bo.page.get_by_role("heading", name="Your passkey waits for signatures")).to_be_visible()
    assert await bo.faults() == []

    # The link is used up.
    await bo.go(f"/enrol?again#{link.partition('#')[2]}")
    await expect(bo.page.locator("[data-failed]")).to_contain_text("This link was used")
    bo.complaints.clear()  # Chromium notes the answer 410

    [proposal] = await world.carol.call("GET", "/api/roster/proposals")
    await carol.go(f"/proposals/{proposal['id']}")
    assert "Bo’s phone" in await carol.text()
    await carol.leave()
    await at_once(world, proposal["id"])


async def at_once(world: Deployment, proposal: str) -> None:
    """The new key would count in 72 hours: propose it so that it counts now, with two approvers' signatures too."""
    with closing(sqlite3.connect(world.home.database, timeout=20)) as database:
        [(document,)] = database.execute("SELECT document FROM roster_proposal WHERE id = ?", (proposal,))
    estate = drafting.estate_of(document)
    key = estate["people"]["usr_bo"]["keys"][-1]
    assert key["approves_from"] > json.loads(document)["issued_at"]
    key["approves_from"] = json.loads(document)["issued_at"]
    file = world.folder / "estate.yaml"
    file.write_text(yaml.safe_dump(estate))
    proposed = json.loads((await world.cli("--json", "estate", "propose", str(file), login="carol")).out)["id"]
    adopted = []
    for login in ("bo", "dana", "carol", "cem"):
        signed = await world.cli("--json", "estate", "sign", proposed, "--yes", login=login)
        assert signed.code == 0, signed.err
        adopted.append(json.loads(signed.out)["adopted"])
    assert adopted == [False, False, False, True]


async def test_a_passkey_from_its_first_day_on(world: Deployment, browser: Browser) -> None:
    bo = await Somebody.sit_down(browser, world, "bo", screen=PHONE, at=localhost(world), token="")
    await bo.passkeys()
    await enrol(browser, world, bo)

    await bo.go("/requests")
    assert bo.page.url.endswith("/sign-in?to=/requests")
    assert await bo.faults() == []
    await bo.page.get_by_role("button", name="Sign in with a passkey").click()
    await bo.page.wait_for_url(f"{localhost(world)}/requests")
    [cookie] = await bo.context.cookies()
    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-breakglass", True, True)
    assert cookie["sameSite"] == "Strict"
    await bo.go("/me")
    assert "Signed in with it" in await bo.text()
    assert await bo.faults() == []

    request = await world.ask()
    await bo.go(f"/requests/{request}/decide")
    await bo.page.get_by_role("button", name="Approve with passkey").click()
    await bo.page.wait_for_url(f"**/requests/{request}")
    await world.decide("dana", request)
    grant = await world.until(lambda: world.part(request, "grant"))  # the vault took it
    approvals = {one["by"]["login"]: one["signature"] for one in await world.part(request, "approvals")}
    assert approvals["bo"].startswith("-----BEGIN WEBAUTHN ASSERTION-----")
    await world.alice.call("POST", f"/api/grants/{grant['id']}/close")
    await world.settled()
    await world.review(request)

    await lied_to(world, bo)
    await bo.go("/me")
    await bo.page.get_by_role("button", name="Sign out").click()
    await bo.page.wait_for_url("**/sign-in")
    assert await bo.context.cookies() == []
    await bo.leave()


async def lied_to(world: Deployment, bo: Somebody) -> None:
    """A page that a hostile server made: it shows Bo one text, and has his passkey sign another."""
    request = await world.ask()
    await bo.go(f"/requests/{request}/decide")
    await bo.page.evaluate(
        """() => {
            const get = navigator.credentials.get.bind(navigator.credentials);
            navigator.credentials.get = async (options) => {
                const other = document.querySelector("form[data-sign]").elements.text.value.replace("30m", "24h");
                const bytes = new TextEncoder().encode(other + "another text\\n");
                options.publicKey.challenge = await crypto.subtle.digest("SHA-256", bytes);
                return get(options);
            };
        }"""
    )
    sent: list[Request] = []
    bo.page.on("request", lambda one: sent.append(one) if one.method == "POST" else None)
    await bo.page.get_by_role("button", name="Approve with passkey").click()
    await expect(bo.page.get_by_role("alert")).to_contain_text("What was signed is another text")
    bo.complaints.clear()
    [form] = [parse_qs(one.post_data or "") for one in sent]
    lie = form["signature"][0].replace("\r\n", "\n")

    # The server lies to its own steps too: the vault is asked with what was shown, and what was signed.
    await world.decide("bo", request)
    database = sqlite3.connect(world.home.database, timeout=20)
    with database:
        changed = database.execute(
            "UPDATE approval SET statement = ?, signature = ? WHERE request = ? AND by = 'usr_bo'",
            (form["text"][0].replace("\r\n", "\n"), lie, request),
        )
    assert changed.rowcount == 1
    database.close()
    await world.decide("dana", request)
    await world.until(lambda: told(world, request))
    assert not await world.part(request, "grant")


async def told(world: Deployment, request: str) -> bool:
    """The vault refused, and everybody can read why."""
    timeline = await world.part(request, "timeline")
    return any("another text" in one["text"] for one in timeline)
