"""A password and a code in Chromium, on a phone: set up, signed in with, asked for a key, and removed."""

from base64 import b32decode
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, expect

from breakglass.identity import password as identity
from tests.deployment import Deployment
from tests.web.browser import PHONE, Somebody

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]
GOOD = "four herons eat soup"


def code(seed: bytes) -> str:
    return identity.code_at(seed, datetime.now(UTC))


async def test_on_a_phone(world: Deployment, browser: Browser) -> None:
    alice = await Somebody.sit_down(browser, world, "alice", screen=PHONE)
    page = alice.page
    await alice.go("/me")
    assert await alice.faults() == []
    await page.get_by_role("link", name="Set one").click()
    assert await alice.faults() == []
    await page.get_by_text("It can’t scan").click()
    seed = b32decode((await page.get_by_label("The key").inner_text()).replace(" ", ""))
    for wrong in ("000000", code(seed)):
        await page.get_by_label("New password").fill(GOOD)
        await page.get_by_label("The same once more").fill(GOOD)
        await page.get_by_label("The code that your authenticator shows now").fill(wrong)
        await page.get_by_role("button", name="Set it, and show me recovery codes").click()
        if wrong == "000000":
            await expect(page.get_by_role("heading", name="This is not the code of this half minute.")).to_be_visible()
            alice.complaints.clear()  # Chromium notes an answer 422 in its console
            assert await alice.faults() == []
    await expect(page.get_by_role("heading", name="Recovery codes of")).to_be_visible()
    assert await alice.faults() == []
    paper = await page.locator("ol.codes li").all_inner_texts()
    await page.get_by_role("link", name="I have them on paper").click()
    await expect(page.locator("main")).to_contain_text("10 recovery codes are left")

    abroad = await Somebody.sit_down(browser, world, "alice", screen=PHONE, token="")
    page = abroad.page
    await abroad.go("/requests")
    await page.get_by_text("Use a password and a code").click()
    assert await abroad.faults() == []
    for password in (GOOD.upper(), GOOD):
        await page.get_by_label("Your user name").last.fill("alice")
        await page.get_by_label("Password").fill(password)
        await page.get_by_label("Code").fill(paper[0].lower())
        await page.get_by_role("button", name="Sign in", exact=True).last.click()
        if password != GOOD:
            await expect(page.get_by_role("heading", name="are not known together")).to_be_visible()
            abroad.complaints.clear()
            assert await abroad.faults() == []
    await page.wait_for_url("**/requests")
    await abroad.go("/me")
    assert "9 recovery codes are left" in await abroad.text()
    await page.goto("/me/password")
    await expect(page.get_by_role("link", name="Sign once more")).to_be_visible()

    # What is ended elsewhere is over here at once.
    await alice.go("/me")
    await alice.page.get_by_role("button", name="Remove").click()
    await expect(alice.page.locator("main")).to_contain_text("With a password, an authenticator")
    await page.goto("/requests")
    await expect(page.get_by_role("heading", name="Sign in to Breakglass")).to_be_visible()
    for one in (alice, abroad):
        await one.leave()
