"""The page of the log's witnesses, and custodians who let releases go on without them by a browser alone."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from breakglass.http.house import House
from breakglass.web.app import make
from tests.app.test_override import minded
from tests.kit import Town
from tests.vigilance.test_witnesses import Machine, grown, submitted, watched
from tests.web.visitor import Visitor, words

BECAUSE = {"hours": "4", "because": "The link to both is cut."}


@pytest.fixture
async def watching(tmp_path: Path) -> AsyncIterator[tuple[Town, list[Machine]]]:
    async with watched(tmp_path, "w1.example.org", "w2.example.org") as both:
        yield both


async def came(town: Town, login: str) -> Visitor:
    return await Visitor(make(House(town.services())), town, login).sign_in()


async def test_how_far_they_saw(watching: tuple[Town, list[Machine]]) -> None:
    town, _ = watching
    ivy = await came(town, "ivy")
    page = words(await ivy.get("/witnesses"))
    assert "Silent" in page
    assert "never" in page
    await submitted(town)
    page = words(await ivy.get("/witnesses"))
    assert page.count("Saw all of it") == 2
    assert "No release happens before 2 have." in page
    log = words(await ivy.get("/audit"))
    assert "2 of 2 witnesses have cosigned" in log
    assert "Witnessed" in log
    await grown(town)
    assert "Behind" in words(await ivy.get("/witnesses"))


async def test_two_custodians_by_their_browsers(watching: tuple[Town, list[Machine]]) -> None:
    town, _ = watching
    alice, carol, cem = [await came(town, login) for login in ("alice", "carol", "cem")]
    assert "can’t be reached?" not in await alice.get("/witnesses")
    assert "can’t be reached?" in await carol.get("/witnesses")
    for wrong in ({"hours": "99"}, {"hours": "0"}, {"hours": "²"}, {"hours": "99999"}, {"hours": ""}):
        page = await carol.post("/witnesses/text", {**BECAUSE, **wrong}, status=422)
        assert "5 minutes to 24 hours" in words(page)
    page = await carol.post("/witnesses/text", {**BECAUSE, "because": " "}, status=422)
    assert "does not say why" in words(page)
    page = await carol.post("/witnesses/text", BECAUSE, status=200)
    await signs(carol, page)
    for one, theirs in ((alice, False), (carol, False), (cem, True)):
        home = words(await one.get("/"))
        assert "Carol signed for it; another custodian must, too." in home
        assert ("Look at the witnesses" in home) == theirs
    assert "Waits for another custodian" in words(await carol.get("/witnesses"))
    page = await cem.get("/witnesses")
    assert "The link to both is cut." in words(page)
    await signs(cem, page)
    await minded(town)
    for one in (alice, carol):
        assert "Custodians signed for it, until" in words(await one.get("/"))
        assert "RELEASES GO ON WITHOUT THE WITNESSES until" in words(await one.get("/witnesses"))
    again = await carol.post("/witnesses/sign", {"signature": "nothing"}, status=422)
    assert "What to do" in again or "signature" in words(again)


async def test_where_there_are_none(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        carol = await came(town, "carol")
        page = words(await carol.get("/witnesses"))
        assert "No witness watches this log" in page
        assert "can’t be reached?" not in page
        refused = await carol.post("/witnesses/text", BECAUSE, status=409)
        assert "No release waits for witnesses here." in words(refused)


async def signs(person: Visitor, page: str) -> None:
    found = re.search(r'<pre class="statement[^"]*"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    text = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    signature = person.town.people[person.login].sign(text)
    assert await person.post("/witnesses/sign", {"text": text, "signature": signature}) == "/witnesses"
