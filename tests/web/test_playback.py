"""Playback's own arithmetic in Chromium: skipping idle must not move what rows, markers and search point to."""

import json
from typing import Any

import pytest
from playwright.async_api import expect

from breakglass.web.static_files import BUILT, FOLDER
from tests.web.browser import chromium

pytestmark = pytest.mark.server
CAST = "\n".join(
    json.dumps(line)
    for line in (
        {"version": 3, "term": {"cols": 80, "rows": 24}},
        [0.5, "o", "EARLY\r\n"],
        [60, "o", "LATE\r\n"],
        [60, "o", "LAST\r\n"],
    )
)
PAGE = """<!doctype html><div id="player" data-cast="/cast" data-at="0"></div>
<select id="speed"><option value="1" selected>1<option value="2">2</select><input type="checkbox" id="idle" %s>
<input id="find"><span id="found"></span>
<a href="?t=0" data-seek="0"><span>begin</span></a><a href="?t=61" data-seek="61"><span>late</span></a>
<script type="module" src="/replay.js"></script>"""


@pytest.mark.parametrize("idle", ["checked", ""])
async def test_a_row_and_a_word_lead_to_their_moment(idle: str) -> None:
    async def serve(route: Any) -> None:
        if route.request.url.endswith("/replay.js"):
            body = (FOLDER / BUILT / "replay.js").read_text()
            await route.fulfill(body=body, content_type="text/javascript")
        elif route.request.url.endswith("/cast"):
            await route.fulfill(body=CAST)
        else:
            await route.fulfill(body=PAGE % idle, content_type="text/html")

    async with chromium() as browser:
        page = await browser.new_page()
        await page.route("**/*", serve)
        await page.goto("http://localhost:9/")
        screen = page.locator(".ap-term")
        await expect(screen).to_contain_text("EARLY", timeout=20_000)
        await page.locator("a").nth(1).click()
        await expect(screen).to_contain_text("LATE", timeout=5_000)
        assert "LAST" not in await screen.inner_text()
        await page.locator("a").nth(0).click()
        await expect(screen).not_to_contain_text("LATE", timeout=5_000)
        await page.locator("#find").fill("late")
        await page.locator("#find").press("Enter")
        await expect(screen).to_contain_text("LATE", timeout=5_000)
        assert "LAST" not in await screen.inner_text()
        await page.locator("#speed").select_option("2")
        await expect(screen).to_contain_text("LATE", timeout=5_000)
        assert "LAST" not in await screen.inner_text()
