#!/usr/bin/env python3
"""Takes docs/pictures/{decide-phone,request,proposal,audit}.png anew, from a running deployment in Debian's Chromium.

    .venv/bin/python tools/shots.py

Needs what `make test` installs; everything stays on loopback.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP))

from playwright.async_api import Browser  # noqa: E402

from tests.deployment import Deployment, deployed  # noqa: E402
from tests.servers.sshd import make_account, running_sshd  # noqa: E402
from tests.web.browser import PHONE, Somebody, chromium  # noqa: E402

OUT = TOP / "docs" / "pictures"
REASON = "Kerberos refuses all logons since 01:40. The clock of db1 is 11 minutes ahead."


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with running_sshd(Path(folder) / "sshd") as sshd:
            with make_account(sudo=True) as account:
                async with deployed(Path(folder), sshd, account) as world, chromium() as browser:
                    await tell(world, browser)


async def tell(world: Deployment, browser: Browser) -> None:
    request = await world.ask(reason=REASON)
    await world.decide("dana", request)
    await shot(world, browser, "bo", f"/requests/{request}/decide", "decide-phone", phone=True)
    await world.decide("bo", request)
    await world.until(lambda: world.part(request, "grant"))
    await shot(world, browser, "alice", f"/requests/{request}", "request")
    carol = await Somebody.sit_down(browser, world, "carol")
    await carol.go("/proposals")
    box = carol.page.get_by_label("The whole estate")
    before = await box.input_value()
    await box.fill(
        before.replace("    groups:\n    - responders\n", "    groups:\n    - responders\n    - security\n", 1)
    )
    await carol.page.get_by_role("button", name="Propose it").click()
    await carol.page.wait_for_url("**/proposals/pro_*")
    await shot(world, browser, "carol", carol.page.url, "proposal", dark=True)
    ivy = await Somebody.sit_down(browser, world, "ivy")
    await ivy.go("/audit")
    await ivy.page.get_by_role("button", name="Verify now").click()
    await ivy.page.get_by_text("entries are unchanged").wait_for()
    await ivy.page.screenshot(path=OUT / "audit.png")


async def shot(
    world: Deployment, browser: Browser, login: str, path: str, name: str, *, phone: bool = False, dark: bool = False
) -> None:
    who = await Somebody.sit_down(browser, world, login, screen=PHONE if phone else None, dark=dark)
    await who.go(path)
    await who.page.wait_for_timeout(300)
    await who.page.screenshot(path=OUT / f"{name}.png")
    await who.leave()


asyncio.run(main())
