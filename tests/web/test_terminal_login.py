"""Chromium on a phone signs a terminal in: what it shows before the yes, and that the list of sign-ins ends it."""

import httpx
import pytest
from playwright.async_api import Browser, expect

from tests.deployment import Deployment
from tests.web.browser import PHONE, Somebody

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]


async def test_on_a_phone(world: Deployment, browser: Browser) -> None:
    async with httpx.AsyncClient(base_url=world.where()["api"], trust_env=False) as http:
        begun = (await http.post("/api/login", json={"device": "<b>Laptop</b>"})).json()
        poll = {"device_code": begun["device_code"]}
        assert (await http.post("/api/login/token", json=poll)).json()["state"] == "waiting"
        alice = await Somebody.sit_down(browser, world, "alice", screen=PHONE)
        page = alice.page
        await alice.go("/terminal-login")
        assert await alice.faults() == []
        field = page.get_by_label("The code that your terminal shows")
        await field.fill("BCDF-GHJK")
        await page.get_by_role("button", name="Look at it").click()
        await expect(page.get_by_role("heading", name="No terminal shows this code.")).to_be_visible()
        alice.complaints.clear()  # Chromium notes an answer 404 in its console
        assert await alice.faults() == []
        await field.fill(begun["user_code"].lower().replace("-", " "))
        await page.get_by_role("button", name="Look at it").click()
        await expect(page.get_by_role("heading", name="Is this yours?")).to_be_visible()
        for shown in (begun["user_code"], "<b>Laptop</b>", "127.0.0.1"):
            assert shown in await alice.text()
        assert await alice.faults() == []
        await page.get_by_role("button", name="Yes, sign it in as me").click()
        await expect(page.get_by_role("heading", name="The terminal is signed in")).to_be_visible()
        assert await alice.faults() == []

        given = (await http.post("/api/login/token", json=poll)).json()
        assert given["login"] == "alice"
        http.headers["Authorization"] = f"Bearer {given['token']}"
        assert (await http.get("/api/overview")).status_code == 200
        assert (await http.post("/api/login/token", json=poll)).status_code == 410
        await page.get_by_role("link", name="My keys and sign-ins").click()
        end_it = page.locator("li", has_text="<b>Laptop</b>").get_by_role("button")
        await end_it.click()
        await expect(end_it).to_have_count(0)
        assert (await http.get("/api/overview")).status_code == 401
        await alice.leave()
