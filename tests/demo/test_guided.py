"""The guided demo in Chromium: one link, and the strip leads through the whole story."""

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from breakglass.config import Home
from breakglass.demo.guide import guide
from breakglass.demo.world import World
from tests.web.browser import DESKTOP, PHONE, chromium, faults

pytestmark = pytest.mark.server


async def on_with_it(page: Page, who: str, words: str) -> None:
    """The strip says whose turn it is; become them, and go there."""
    strip = page.get_by_role("complementary", name="Demo")
    await expect(strip).to_contain_text(words, timeout=20_000)
    become = strip.get_by_role("button", name=f"Become {who}")
    if await become.count():
        await become.click()
    elif await strip.get_by_role("link", name="Go there").count():
        await strip.get_by_role("link", name="Go there").click()
    await expect(page.get_by_role("complementary", name="Demo")).to_contain_text(f"{who} (you) {words}")
    for screen in (PHONE, DESKTOP):
        await page.set_viewport_size(screen)
        assert await faults(page) == [], (page.url, screen)


async def test_one_link_leads_through_the_story(tmp_path: Path) -> None:
    async with World(Home(tmp_path / "home")) as world, chromium() as browser:
        told = guide(world)
        links = re.findall(r"(alice|bo|dana|ivy) +(http://localhost:\d+/demo#\S+)", told)
        assert [login for login, _ in links] == ["alice", "bo", "dana", "ivy"]
        context = await browser.new_context(viewport=DESKTOP)
        page = await context.new_page()
        await page.goto(links[0][1])
        await expect(page.get_by_role("complementary", name="Demo")).to_contain_text("step 1 of 10", timeout=20_000)
        assert "#" not in page.url

        await on_with_it(page, "Alice Moreau", "asks for access")
        await page.get_by_label("The identity provider is down").check()
        await page.get_by_label("2. Which system?").select_option("acc_plant-db1-root")
        await page.get_by_label("3. What happened?").fill("The historian of cold store 2 is down, and so is sign-in.")
        await page.get_by_role("button", name="Send the request").click()
        for who, words in (("Bo Lindqvist", "reads the statement"), ("Dana Okafor", "approves too")):
            await on_with_it(page, who, words)
            await page.screenshot(path=tmp_path / f"demo-{who[:2]}.png")
            await page.get_by_role("button", name="Approve with the demo key").click()
            await page.wait_for_url("**/requests/req_*")

        await on_with_it(page, "Alice Moreau", "opens the terminal")
        await page.get_by_role("link", name="Open the terminal").click(timeout=20_000)
        screen = page.locator(".xterm-rows")
        await expect(page.locator("[data-state]")).to_have_text("Connected. Everything is recorded.", timeout=20_000)
        await page.keyboard.type("rm /srv/coldstore/historian.lock; systemctl restart coldstore\n")
        await page.keyboard.type("cat /srv/coldstore/health\n")
        await expect(screen).to_contain_text("OK", timeout=20_000)
        await page.screenshot(path=tmp_path / "demo-terminal.png")
        await page.get_by_role("link", name="Leave").click()

        await on_with_it(page, "Alice Moreau", "ends her access")
        await page.get_by_role("button", name="End this access").click()
        await page.get_by_role("button", name="End the access").click()
        await world.settled()
        await page.goto(page.url)

        await on_with_it(page, "Ivy Tanaka", "replays the session")
        await page.get_by_role("link", name="Replay").first.click()
        await page.get_by_role("button", name="Sign and open with the demo key").click()
        await expect(page.get_by_role("heading", name="Verified: complete and unchanged")).to_be_visible()
        await expect(page.locator(".ap-term")).to_be_visible(timeout=20_000)
        await page.screenshot(path=tmp_path / "demo-replay.png")

        await on_with_it(page, "Ivy Tanaka", "answers the checklist")
        await page.get_by_label("A drill").check()
        await page.get_by_label("Your finding").fill("Removed a stale lock, restarted the historian, no more.")
        await page.get_by_role("button", name="Read it and sign").click()
        await page.get_by_role("button", name="Sign the review with the demo key").click()
        await expect(page.locator("main")).to_contain_text("Signed: drill")

        await on_with_it(page, "Ivy Tanaka", "verifies the whole log")
        await page.get_by_role("button", name="Verify now").click()
        await on_with_it(page, "Ivy Tanaka", "changes one byte")
        await page.get_by_role("button", name="Change one byte in a copy").click()
        await expect(page.get_by_role("heading", name="The copy does not verify")).to_be_visible(timeout=30_000)
        await expect(page.locator("main")).to_contain_text(
            re.compile(r"The verifier says: entry \d+: The leaf's bytes")
        )
        assert await faults(page) == []
        await page.screenshot(path=tmp_path / "demo-tamper.png")
        await context.close()

        # A link works once, and a code is no word that one can guess.
        where = json.loads(world.home.node_file.read_text())["api"]
        async with httpx.AsyncClient(base_url=where, headers={"Origin": where}) as client:
            for code in (links[0][1].partition("#")[2], "", "x" * 12):
                assert (await client.post("/demo", data={"code": code})).status_code in (410, 422, 400)
            fresh = links[1][1].partition("#")[2]
            assert (await client.post("/demo", data={"code": fresh})).status_code == 303
