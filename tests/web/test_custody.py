"""The pages of what lies in safes: what stands where, and two people who sign by their browsers."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from breakglass.flow import custody as flow
from breakglass.http.house import House
from breakglass.web.app import make
from tests.app.test_custody import ENVELOPE, KEY, both, inspected, taken, with_items
from tests.kit import ACCOUNT, Town
from tests.web.visitor import Visitor, words


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, change=with_items) as town:
        yield town


async def came(town: Town, *logins: str) -> list[Visitor]:
    app = make(House(town.services()))
    return [await Visitor(app, town, login).sign_in() for login in logins]


async def signs(person: Visitor, page: str, id: str = KEY) -> None:
    found = re.search(r'<pre class="statement[^"]*"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found, words(page)
    text = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    signature = person.town.people[person.login].sign(text)
    assert await person.post(f"/custody/{id}/sign", {"text": text, "signature": signature}) == f"/custody/{id}"


async def test_two_people_by_their_browsers(town: Town) -> None:
    alice, carol, ivy, bo = await came(town, "alice", "carol", "ivy", "bo")
    page = await alice.get("/custody")
    assert re.search(r'<a href="/custody"[^>]* aria-current="page"', page)
    assert "2 of 2 have to be looked at by two people." in words(page)

    page = await ivy.post(f"/custody/{KEY}/text", {"act": "inspection", "seal": "a 1"}, status=200)
    assert "seal: A1" in words(page)
    await signs(ivy, page)
    assert "Waits for the other person" in words(await alice.get(f"/custody/{KEY}"))  # her word would not count
    await signs(carol, await carol.get(f"/custody/{KEY}"))
    assert "In its place, under seal A1." in words(await alice.get(f"/custody/{KEY}"))

    wanted = {"act": "check-out", "seal": "A1", "hours": "4", "because": "The tenant locks everybody out."}
    page = await alice.post(f"/custody/{KEY}/text", wanted, status=200)
    await signs(alice, page)
    page = await carol.get(f"/custody/{KEY}")
    assert "Alice takes it out until" in words(page)
    await signs(carol, page)
    page = words(await bo.get(f"/custody/{KEY}"))
    assert "Alice has it since" in page
    assert "Bring it back" not in page  # not his
    assert "Bring it back" in words(await alice.get(f"/custody/{KEY}"))
    assert "Out" in words(await bo.get("/accounts"))

    town.clock.go(hours=5)
    carol, alice, bo = await came(town, "carol", "alice", "bo")
    page = await bo.get("/accounts")
    assert "Overdue" in words(page)
    page = words(await bo.get(f"/accounts/{ACCOUNT}"))
    assert "Security key 1 is not back" in page
    assert "1 of 2 needs somebody now." in words(await bo.get("/custody"))

    said = {"act": "return", "seal": "A1", "because": "Unused."}
    assert "had this seal before" in words(await carol.post(f"/custody/{KEY}/text", said, status=409))
    page = await carol.post(f"/custody/{KEY}/text", {**said, "seal": "A2"}, status=200)
    await signs(carol, page)
    await signs(alice, await alice.get(f"/custody/{KEY}"))
    page = words(await carol.get(f"/custody/{KEY}"))
    assert "It came back from Alice, under the new seal A2." in page
    assert "Unused." in page
    await town.verify()


async def test_a_finding_stands_out(town: Town) -> None:
    [alice, ivy] = await came(town, "alice", "ivy")
    await inspected(town, id=ENVELOPE)
    await inspected(town, "broken", ENVELOPE)
    page = words(await alice.get("/custody"))
    assert page.index("Envelope 4") < page.index("Security key 1")
    assert "Its seal was broken." in page
    page = words(await ivy.get(f"/custody/{ENVELOPE}"))
    assert "It is not as it was left" in page
    assert "A1 was recorded." in page


async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(town: Town) -> None:
    [carol, alice] = await came(town, "carol", "alice")
    said = {"act": "check-out", "seal": "???", "hours": "2", "because": "Because of <b>this</b>."}
    page = await carol.post(f"/custody/{KEY}/text", said, status=422)
    assert "This is no seal number." in words(page)
    assert 'value="Because of &lt;b&gt;this&lt;/b&gt;."' in page
    for form, expected in (
        ({"act": "burn"}, "what is to be done"),
        ({**said, "seal": "A1", "holder": "nobody"}, "Nobody has the login"),
        ({**said, "seal": "A1", "request": "x"}, "not the id of a request"),
        ({**said, "seal": "A1", "because": ""}, "does not say why"),
    ):
        assert expected in words(await carol.post(f"/custody/{KEY}/text", form, status=422))
    assert "signature is missing" in words(await alice.post(f"/custody/{KEY}/sign", {"signature": ""}, status=422))
    await carol.get("/custody/itm_none", status=404)


async def test_it_stands_with_its_request(town: Town) -> None:
    request, _ = await town.granted()
    await inspected(town)
    await both(town, "alice", "carol", flow.take, **taken(request=request))
    [ivy] = await came(town, "ivy")
    assert "Alice took Security key 1 out, seal A1" in words(await ivy.get(f"/requests/{request}"))
    assert f'href="/requests/{request}"' in await ivy.get(f"/custody/{KEY}")


async def test_an_estate_without_any_explains_what_it_is_for(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        [alice] = await came(town, "alice")
        assert "Nothing lies in a safe yet" in words(await alice.get("/custody"))
        assert "In custody" not in words(await alice.get(f"/accounts/{ACCOUNT}"))
