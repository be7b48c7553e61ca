"""Debian's Chromium, without a window: people who look at pages of a running deployment, and what is wrong there.

A page complains when its script failed, when the browser held something back (strict CSP), when it is wider than the
screen, or when axe-core finds something serious.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, async_playwright

from breakglass.http.asking import COOKIE
from tests.deployment import Deployment

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parents[2] / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SERIOUS = frozenset({"serious", "critical"})


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


async def faults(page: Page) -> list[str]:
    """Too wide for its screen, or serious for axe-core."""
    wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found = [f"{wide} px too wide"] if wide > 0 else []
    # Evaluated by the debugger, so that the page's own policy needs no hole for it.
    await page.evaluate(AXE.read_text())
    broken = (await page.evaluate("axe.run(document, {resultTypes: ['violations']})"))["violations"]
    return found + [
        f"{one['id']} ({one['impact']}): {one['help']}: {one['nodes'][0]['html'][:200]}"
        for one in broken
        if one["impact"] in SERIOUS
    ]


class Somebody:
    """A person at one screen."""

    def __init__(self, world: Deployment, login: str, context: BrowserContext, page: Page) -> None:
        self.world, self.login, self.context, self.page = world, login, context, page
        self.complaints: list[str] = []
        self.scripts = True
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    @classmethod
    async def sit_down(
        cls,
        browser: Browser,
        world: Deployment,
        login: str,
        *,
        screen: ViewportSize | None = None,
        dark: bool = False,
        at: str = "",
        token: str | None = None,
        **more: Any,
    ) -> "Somebody":
        """Signed in at `at`; with an empty `token` not signed in yet."""
        at = at or world.where()["api"]
        context = await browser.new_context(
            viewport=screen or DESKTOP,
            color_scheme="dark" if dark else "light",
            base_url=at,
            timezone_id="Europe/Berlin",
            **more,
        )
        person = world.people[login]
        assert person._api is not None
        if token is None:
            token = person._api.headers["Authorization"].partition(" ")[2]
        cookie: Any = {
            "name": COOKIE,
            "value": token,
            "url": at.replace("http:", "https:"),
            "secure": True,
            "httpOnly": True,
            "sameSite": "Strict",
        }
        if token:
            await context.add_cookies([cookie])
        somebody = cls(world, login, context, await context.new_page())
        somebody.scripts = more.get("java_script_enabled", True)
        return somebody

    async def go(self, path: str) -> None:
        answer = await self.page.goto(path)
        assert answer is not None
        assert answer.status == 200, (path, answer.status, await self.text())

    async def text(self) -> str:
        return " ".join((await self.page.locator("main").inner_text()).split())

    async def faults(self) -> list[str]:
        """What is wrong with the page that is open."""
        found = await faults(self.page) + self.complaints
        self.complaints.clear()
        return found

    async def passkeys(self) -> None:
        """From now on this browser has an authenticator that makes sure who uses it (WebAuthn's virtual one)."""
        devtools = await self.context.new_cdp_session(self.page)
        await devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})

    async def leave(self) -> None:
        await self.context.close()
