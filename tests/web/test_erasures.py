"""Private values of the log on pages: an auditor and a custodian have them erased by their browsers alone."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from breakglass.flow import approve
from breakglass.http.house import House
from breakglass.web.app import make
from tests.kit import Town
from tests.web.visitor import Visitor, words

BECAUSE = "A request under the law."


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """Bo's sign-ins and a session of Alice whose grant was not reviewed yet."""
    async with Town.found(tmp_path, password="Correct-Horse-Battery-9") as town:
        await town.granted()
        await town.end_session(await town.session())
        yield town


async def came(town: Town, login: str) -> Visitor:
    return await Visitor(make(House(town.services())), town, login).sign_in()


def chosen(page: str, words_of_it: str) -> str:
    """The entry whose row says this."""
    for row in page.split("<tr>"):
        if words_of_it in words(row) and (found := re.search(r'name="entry" value="(\d+)"', row)):
            return found[1]
    raise AssertionError(words(page))


async def signs(person: Visitor, page: str, *, login: str = "") -> str:
    text = re.search(r'<pre class="statement[^"]*"[^>]*>(.*?)</pre>', page, re.DOTALL)
    where = re.search(r'action="(/erasures/era_[^"]+/sign)"', page)
    assert text
    assert where
    plain = html.unescape(re.sub(r"<[^>]+>", "", text[1]))
    signature = person.town.people[login or person.login].sign(plain)
    return await person.post(where[1], {"text": plain, "signature": signature})


async def test_an_auditor_and_a_custodian_by_their_browsers(town: Town) -> None:
    alice, ivy, carol, cem = [await came(town, login) for login in ("alice", "ivy", "carol", "cem")]
    assert "Private values that stand" in words(await ivy.get("/audit"))
    page = await ivy.get("/erasures")
    session = chosen(page, "connects from 192.0.2.7" if "connects from" in words(page) else "192.0.2.7")
    refused = await ivy.post("/erasures/text", {"entry": session, "because": BECAUSE}, status=409)
    assert "not reviewed yet" in words(refused)
    assert BECAUSE in refused
    # A request that nobody approved is no evidence of anything any more.
    id = await town.ask("bo", "plc", account="ops", reason="My daughter called from +41 555.")
    page = await ivy.get("/erasures?by=usr_bo")
    assert "+41 555" in page
    entry = chosen(page, id)
    refused = await ivy.post("/erasures/text", {"entry": entry, "because": BECAUSE, "by": "usr_bo"}, status=409)
    assert "a request that waits is needed" in words(refused)
    await cancel(town, id)
    for wrong in ({"entry": "x"}, {"entry": "²"}, {"entry": "99999"}, {}, {"entry": entry, "because": " "}):
        await ivy.post(
            "/erasures/text", {"because": BECAUSE, **wrong}, status=404 if wrong == {"entry": "99999"} else 422
        )
    page = await ivy.post("/erasures/text", {"entry": entry, "because": BECAUSE}, status=200)
    assert await signs(ivy, page) == "/erasures"

    # It waits for the other one; two custodians are not enough alone, nor is she a second time.
    assert "Read it and sign" not in words((await ivy.get("/erasures")).split("Still there")[0])
    page = await carol.get("/erasures")
    waits = re.search(r'href="(/erasures/era_[^"]+)"', page)
    assert waits
    assert f"Ivy signed that 1 entry loses its private values: {BECAUSE}" in words(page)
    again = await ivy.get(waits[1])
    text = re.search(r'<pre class="statement[^"]*"[^>]*>(.*?)</pre>', again, re.DOTALL)
    assert text
    plain = html.unescape(re.sub(r"<[^>]+>", "", text[1]))
    twice = {"text": plain, "signature": town.people["ivy"].sign(plain)}
    assert "You have signed this" in words(await ivy.post(f"{waits[1]}/sign", twice, status=409))
    assert await signs(carol, await carol.get(waits[1])) == "/erasures"
    gone = await carol.get("/erasures?by=usr_bo")
    assert "+41 555" not in gone
    assert "Waits for the other one" not in gone
    assert "erased" in words(await ivy.get(f"/audit?about={id}"))
    assert b"+41 555" not in await town.stored()
    await town.verify()
    await cem.post(f"{waits[1]}/sign", {"signature": "nothing"}, status=410)
    await alice.get("/erasures", status=403)


async def cancel(town: Town, id: str) -> None:
    await town.do("bo", approve.cancel, id)


async def test_all_of_a_person_and_nothing_left(town: Town) -> None:
    ivy, carol = await came(town, "ivy"), await came(town, "carol")
    for account in ("ops", "root"):
        await cancel(town, await town.ask("bo", "plc", account=account))
    page = await ivy.get("/erasures?by=usr_bo")
    assert "All of theirs that can go now" in page
    page = await ivy.post("/erasures/text", {"all": "1", "by": "usr_bo", "because": BECAUSE}, status=200)
    await signs(ivy, page)
    page = await carol.get("/erasures")
    waits = re.search(r'href="(/erasures/era_[^"]+)"', page)
    assert waits
    await signs(carol, await carol.get(waits[1]))
    assert "Nothing fits this filter" in words(await ivy.get("/erasures?by=usr_bo"))
    page = await ivy.post("/erasures/text", {"all": "1", "by": "usr_alice", "because": BECAUSE}, status=422)
    assert "An erasure names 1 to" in words(page)  # hers are evidence until the review is signed


async def test_an_erasure_that_nobody_began(town: Town) -> None:
    carol = await came(town, "carol")
    assert "Nobody has begun this erasure" in words(await carol.get("/erasures/era_00000000000000000001", status=404))
    await carol.get("/erasures/nothing", status=422)
