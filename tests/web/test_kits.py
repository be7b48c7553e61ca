"""The page of the emergency kit: two custodians have one made by their browsers, and say later that it was used."""

import html
import re
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakglass.flow import kit as flow
from breakglass.http.house import House
from breakglass.standalone import open_kit
from breakglass.web.app import make
from tests.app.test_kits import choose, desk, opened, password
from tests.kit import ACCOUNT, Town
from tests.vigilance.test_witnesses import kinds
from tests.web.visitor import Visitor, words


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, change=choose) as town:
        yield town


async def came(town: Town, *logins: str) -> list[Visitor]:
    services = replace(town.services(), kits=desk(town))
    app = make(House(services))
    return [await Visitor(app, town, login).sign_in() for login in logins]


async def signs(person: Visitor) -> None:
    page = await person.get("/kits")
    found = re.search(r'<pre class="statement[^"]*"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found, words(page)
    text = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    signature = person.town.people[person.login].sign(text)
    assert await person.post("/kits/sign", {"text": text, "signature": signature}) == "/kits"


async def test_two_custodians_by_their_browsers(town: Town) -> None:
    carol, cem, ivy, alice = await came(town, "carol", "cem", "ivy", "alice")
    assert 'href="/kits"' in await alice.get("/vault")
    page = await alice.get("/kits")
    assert re.search(r'<a href="/vault"[^>]* aria-current="page"', page)
    assert "none was issued" in page
    assert "Issue a new one" not in page
    await alice.post("/kits", {"copies": "1"}, status=403)
    for copies in ("", "0", "10", "two"):
        assert "1 to 9 copies" in words(await carol.post("/kits", {"copies": copies}, status=422))
    assert await carol.post("/kits", {"copies": "2"}) == "/kits"
    page = await carol.get("/kits")
    assert "passwords change first" in page
    assert "statement" not in page
    await town.rotate()
    await signs(carol)
    assert "waits for another custodian" in await carol.get("/kits")
    assert "Have kit 1 made" not in await ivy.get("/kits")
    await signs(cem)
    page = words(await ivy.get("/kits"))
    assert "Emergency kit 1 serves" in page
    assert "Copy 1" not in page  # an auditor fetches none
    assert 'href="/kits/1/2"' in await cem.get("/kits")

    got = await cem.http.get("/kits/1/2")
    assert got.headers["content-disposition"] == 'attachment; filename="kit-1-copy-2.bgk"'
    inside = opened(town, got.content, 1, 2)
    held = {b64decode(one["secret"]).decode() for one in inside["accounts"]}
    held_now = await password(town, ACCOUNT) in held
    assert held_now
    with pytest.raises(open_kit.Bad):
        opened(town, got.content[:-1], 1, 2)
    for who, path, status in ((ivy, "/kits/1/1", 403), (cem, "/kits/1/3", 404), (cem, "/kits/2/1", 404)):
        await who.get(path, status=status)

    await alice.post("/kits/1/used", {"because": "It is gone."}, status=403)
    assert "does not say why" in words(await ivy.post("/kits/1/used", {"because": " "}, status=422))
    assert await ivy.post("/kits/1/used", {"because": "The safe was open."}) == "/kits"
    page = words(await ivy.get("/kits"))
    assert "Kit 1 was used." in page
    assert "The safe was open." in page
    assert "was used, or is gone?" not in page


async def test_what_the_vault_refuses_is_said(town: Town) -> None:
    [carol] = await came(town, "carol")
    await carol.post("/kits", {"copies": "1"})
    await town.system(flow.refused, town.estate.chain, "A custodian's key has left the roster.")
    page = words(await carol.get("/kits"))
    assert "The vault did not make the last one A custodian's key has left the roster." in page
    await carol.post("/kits", {"copies": "1"})
    assert "did not make" not in await carol.get("/kits")


async def test_an_old_sign_in_begins_none(town: Town) -> None:
    [carol] = await came(town, "carol")
    town.clock.go(minutes=16)
    assert "Sign once more" in words(await carol.post("/kits", {"copies": "1"}, status=403))
    assert "kit.wanted" not in await kinds(town)
