"""The emergency in pages, without any script: forms that are filled in, texts that are signed elsewhere and pasted."""

import html
import re
from pathlib import Path

from breakglass.flow import review as flow
from breakglass.flow import ticket
from breakglass.http.house import House
from breakglass.model.ids import SessionId
from breakglass.model.review import Classification
from breakglass.model.session import Session
from breakglass.storage.outbox import Told
from breakglass.web.app import make
from tests.kit import ACCOUNT, CONDITION, Town
from tests.web.conftest import Come
from tests.web.visitor import Visitor, words

ASKED = {
    "condition": CONDITION,
    "account": ACCOUNT,
    "reason": "Sign-in fails <b>for all</b> since 01:40.",
    "minutes": "30",
}


def text_of(page: str) -> str:
    """The statement that the page offers as a file."""
    from urllib.parse import unquote

    found = re.search(r'href="data:text/plain;charset=utf-8,([^"]+)"', page)
    assert found, words(page)[-800:]
    return unquote(html.unescape(found[1]))


async def ask(alice: Visitor, **changed: str) -> str:
    return (await alice.post("/requests", {**ASKED, **changed})).removeprefix("/requests/")


async def decide(person: Visitor, request: str, act: str = "approve") -> str:
    page = await person.get(f"/requests/{request}/decide")
    signature = person.town.people[person.login].sign(text_of(page))
    return await person.post(f"/requests/{request}/{act}", {"signature": signature})


async def test_the_whole_story(town: Town, come: Come) -> None:
    alice, bo, dana, ivy, carol = [await come(login) for login in ("alice", "bo", "dana", "ivy", "carol")]
    request = await ask(alice)
    home = words(await alice.get("/"))
    assert "Not yet. db1 stays closed until enough people agree." in home
    assert "0 of 2 approvals. Waiting for 1 of responders" in home

    page = await bo.get(f"/requests/{request}/decide")
    assert "Let Alice into db1 for 30 minutes?" in words(page)
    assert "“Sign-in fails <b>for all</b> since 01:40.”" in words(page)
    assert "<b>for all" not in page
    assert await decide(bo, request) == f"/requests/{request}"
    assert "You have approved this" in words(await bo.get(f"/requests/{request}/decide"))
    assert "1 of 2 approvals" in words(await alice.get(f"/requests/{request}"))
    await decide(dana, request)
    grant = await town.grant(request)
    page = words(await alice.get(f"/requests/{request}"))
    assert "ssh alice+db1@gate.example.test" in page
    assert "Open for root on db1 until" in page

    session = await town.session()
    assert "Yes. You are in db1." in words(await alice.get("/"))
    assert "Exposed, now" in words(await carol.get(f"/accounts/{ACCOUNT}"))
    await town.end_session(session)
    assert await alice.post(f"/grants/{grant}/close") == f"/requests/{request}"
    assert "The password change of root on db1" in words(await carol.get("/rotations"))
    assert "Owed, now" in words(await carol.get(f"/accounts/{ACCOUNT}"))
    await town.rotate()
    assert "Nothing is owed" in words(await carol.get("/rotations"))
    assert "Fresh, now" in words(await carol.get(f"/accounts/{ACCOUNT}"))

    await review(town, ivy, request)
    page = words(await alice.get(f"/requests/{request}"))
    assert "Signed by Ivy" in page
    answer = await ivy.http.post(f"/requests/{request}/evidence", data={"csrf": ivy.csrf})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == f'attachment; filename="{request}.evidence.json"'
    assert answer.json()
    await town.verify()


async def review(town: Town, ivy: Visitor, request: str) -> None:
    listed = await ivy.get("/reviews")
    [id] = set(re.findall(r'href="/reviews/(rev_\w+)"', listed))
    page = await ivy.get(f"/reviews/{id}")
    assert "The ticket tells the story Open." in words(page)
    assert "You replayed every recording Open." in words(page)
    assert f'action="/reviews/{id}/text"' not in page
    finding = {"classification": Classification.EMERGENCY.value, "summary": "Clock mended.\nNothing else."}
    refused = await ivy.post(f"/reviews/{id}/text", finding, 409)
    assert "open" in words(refused)
    [session] = await town.store.read(lambda look: look.find(Session))
    await town.replay(town.actor("ivy"), session.id, *await replay_statement(town, session.id))
    made = Told(index=10**6, at=town.store.now(), kind="request.made", about=request, by="usr_alice", data={})
    await town.system(ticket.tell, made, "Alice asks.")
    assert "Say what it was." in words(await ivy.post(f"/reviews/{id}/text", {"summary": "x"}, 422))
    text = text_of(await ivy.post(f"/reviews/{id}/text", finding, 200))
    assert "summary: Clock mended. Nothing else." in text
    assert await ivy.post(f"/reviews/{id}/sign", {"signature": town.people["ivy"].sign(text)}) == f"/reviews/{id}"
    assert "Signed: emergency" in words(await ivy.get(f"/reviews/{id}"))


async def replay_statement(town: Town, session: SessionId) -> tuple[str, str]:
    text = (await town.do("ivy", flow.offer_replay, town.estate.chain, session)).text()
    return town.people["ivy"].sign(text), text


async def test_a_form_with_mistakes_keeps_what_was_typed(come: Come) -> None:
    alice = await come("alice")
    page = await alice.post("/requests", {**ASKED, "condition": "", "reason": "Help"}, 422)
    assert "Choose what the emergency is." in words(page)
    assert "Say what you saw and since when" in words(page)
    assert ">Help</textarea>" in page
    assert f'value="{ACCOUNT}" selected' in page
    assert 'name="condition" value="cnd_idp-down" required data-opens="playbook-cnd_idp-down">' in page


async def test_the_condition_is_never_chosen_beforehand(come: Come) -> None:
    page = await (await come("alice")).get("/request")
    conditions = re.findall(r'<input type="radio" name="condition"[^>]*>', page)
    assert conditions
    assert not any("checked" in one for one in conditions)


async def test_an_account_without_a_password_is_marked(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        alice = await Visitor(make(House(town.services())), town, "alice").sign_in()
        assert "no password stored" in await alice.get("/request")
        assert "Nobody could get in with it".lower() in words(await alice.post("/requests", ASKED, 409)).lower()


async def test_a_refused_request_says_why_and_keeps_the_form(come: Come) -> None:
    alice = await come("alice")
    request = await ask(alice)
    page = await alice.post("/requests", ASKED, 409)
    assert "You have asked for this account already." in words(page)
    assert f'href="/requests/{request}"' in page
    assert "for all" in page


async def test_sending_the_same_form_twice_makes_one_request(come: Come) -> None:
    alice = await come("alice")
    page = await alice.get("/request")
    found = re.search(r'name="id" value="(req_\w+)"', page)
    assert found
    assert await ask(alice, id=found[1]) == await ask(alice, id=found[1]) == found[1]


async def test_a_denial_says_why(come: Come, town: Town) -> None:
    alice, dana = await come("alice"), await come("dana")
    request = await ask(alice)
    text = text_of(await dana.post(f"/requests/{request}/denial", {"reason": "Call me first"}, 200))
    assert "kind: deny" in text
    assert "reason: Call me first" in text
    await dana.post(f"/requests/{request}/deny", {"signature": town.people["dana"].sign(text)})
    page = words(await alice.get(f"/requests/{request}"))
    assert "Dana denied it: Call me first" in page
    assert "hx-get" not in await alice.get(f"/requests/{request}")


async def test_a_wrong_signature_stays_in_the_field(come: Come, town: Town) -> None:
    alice, dana = await come("alice"), await come("dana")
    request = await ask(alice)
    text = text_of(await dana.get(f"/requests/{request}/decide"))
    wrong = town.people["eve"].sign(text)
    page = await dana.post(f"/requests/{request}/approve", {"signature": wrong}, 403)
    assert wrong.splitlines()[1] in page
    assert "Let Alice into db1" in words(page)
    assert "The signature is missing." in words(await dana.post(f"/requests/{request}/approve", {}, 422))


async def test_withdrawing(come: Come) -> None:
    alice = await come("alice")
    request = await ask(alice)
    await alice.post(f"/requests/{request}/cancel")
    assert "Withdrawn by the requester." in words(await alice.get(f"/requests/{request}"))
    assert "withdrawn" in words(await alice.post(f"/requests/{request}/cancel", {}, 409)).lower()


async def test_whoever_only_asks_does_not_see_others_requests(town: Town, come: Come) -> None:
    request = await town.ask("bo")
    alice = await come("alice")
    assert "There is no request" in words(await alice.get(f"/requests/{request}", 404))
    assert request not in await alice.get("/requests")
    assert request in await (await come("ivy")).get("/requests")
