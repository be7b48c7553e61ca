"""Chromium over TLS: a key signs in, an old sign-in is asked to sign once more and takes nobody else's key, and
a sign-in that is ended elsewhere is over here at once.
"""

from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from breakglass.app.api_server import ApiServer
from breakglass.app.site import make
from breakglass.http.asking import COOKIE
from breakglass.identity.sign_in import NAMESPACE
from tests.app.test_api_server import certificate
from tests.kit import Town
from tests.web.browser import faults

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]


async def sign(page: Page, town: Town, by: str, login: str = "") -> None:
    """Sign the text that the open page offers."""
    fold = page.locator("summary", has_text="Use an SSH key")
    if not await page.get_by_label("The signature").is_visible():
        await fold.click()
    text = await page.locator("details input[name=text]").first.input_value()
    if login:
        await page.locator("#login").fill(login)
    await page.get_by_label("The signature").fill(town.people[by].sign(text, NAMESPACE))
    await page.locator("details").first.get_by_role("button").click()


async def come(context: BrowserContext, town: Town) -> Page:
    page = await context.new_page()
    answer = await page.goto("/me")
    assert answer is not None
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    await sign(page, town, "alice", "alice")
    await expect(page.get_by_role("heading", name="My keys and sign-ins")).to_be_visible()
    return page


async def test_over_tls(tmp_path: Path, browser: Browser) -> None:
    async with Town.found(tmp_path) as town:
        tls = ApiServer(make(town.services()), certificate(tmp_path, "gate"))
        await tls.start("127.0.0.1", 0)
        where = f"https://localhost:{tls.port}"
        contexts = [await browser.new_context(base_url=where, ignore_https_errors=True) for _ in range(2)]
        try:
            here, there = [await come(one, town) for one in contexts]
            [cookie] = await contexts[0].cookies()
            assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == (COOKIE, True, True)
            assert await faults(here) == []

            town.clock.go(minutes=16)
            await here.goto("/me/password")
            await here.get_by_role("link", name="Sign once more").click()
            await sign(here, town, "bo")
            await expect(here.get_by_role("heading", name="This name and key are not known together.")).to_be_visible()
            assert await faults(here) == []
            await here.goto("/me/password")
            await here.get_by_role("link", name="Sign once more").click()
            await sign(here, town, "alice")
            await expect(here.get_by_role("heading", name="Set a password")).to_be_visible()

            await there.goto("/requests")
            await expect(there.get_by_role("heading", name="Sign in to Breakglass")).to_have_count(0)
            await here.goto("/me")
            await here.get_by_role("button", name="End all others").click()
            await expect(here.get_by_role("button", name="End all others")).to_have_count(0)
            await there.goto("/requests")
            await expect(there.get_by_role("heading", name="Sign in to Breakglass")).to_be_visible()
        finally:
            for one in contexts:
                await one.close()
            await tls.stop()
