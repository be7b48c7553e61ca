"""Signing in and out without scripts, whose sign-ins there are, and links to enrol with."""

import html
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from breakglass.errors import Expired
from breakglass.flow import sign_in as flow
from breakglass.http.asking import COOKIE, csrf_of
from breakglass.identity.sign_in import NAMESPACE
from breakglass.web.routes.sign_in import ours
from tests.kit import ACCOUNT, Town
from tests.web.conftest import Come
from tests.web.visitor import Visitor, words


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


async def sign_in(visitor: Visitor, login: str, by: str = "", to: str = "/", **changed: Any) -> httpx.Response:
    """As somebody does who saves the text, signs it, and pastes the signature."""
    page = await visitor.get(f"/sign-in?to={to}")
    text = field(page, "text")
    signature = visitor.town.people[by or "alice"].sign(text, NAMESPACE).replace("\n", "\r\n")
    sent = {"login": login, "text": text.replace("\n", "\r\n"), "signature": signature, "to": field(page, "to")}
    return await visitor.http.post("/sign-in", data={**sent, **changed})


def token_of(answer: httpx.Response) -> str:
    found = re.match(rf"{COOKIE}=([\w-]+);", answer.headers["set-cookie"])
    assert found
    return found[1]


async def test_a_key_signs_in_and_out(app: FastAPI, town: Town) -> None:
    visitor = Visitor(app, town)
    answer = await visitor.http.get("/requests")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?to=/requests")
    answer = await sign_in(visitor, "alice", to="/requests")
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests")
    cookie = answer.headers["set-cookie"].lower()
    for word in ("secure", "httponly", "samesite=strict", "path=/"):
        assert word in cookie.split("; ")
    assert "domain" not in cookie
    visitor.come_with(token_of(answer))
    assert "Alice" in words(await visitor.get("/me"))
    assert await visitor.post("/sign-out") == "/sign-in"
    assert (await visitor.http.get("/me")).status_code == 303
    assert token_of(answer).encode() not in await town.stored()


async def test_what_does_not_sign_in(app: FastAPI, town: Town) -> None:
    visitor = Visitor(app, town)
    for changed in (
        {"by": "bo"},
        {"login": "nobody"},
        {"login": "bo"},
        {"signature": ""},
        {"signature": "x"},
        {"text": "x"},
    ):
        answer = await sign_in(visitor, **{"login": "alice", **changed})
        assert 400 <= answer.status_code < 500, changed
        assert "set-cookie" not in answer.headers
        assert 'role="alert"' in answer.text or "banner warn" in answer.text
    used = await sign_in(visitor, "alice")
    assert used.status_code == 303
    again = dict(httpx.QueryParams(used.request.content.decode()))
    assert (await visitor.http.post("/sign-in", data=again)).status_code == 410
    strange = await sign_in(Visitor(app, town), "alice")
    assert strange.status_code == 303
    visitor.http.headers["Origin"] = "https://evil.example"
    assert (await sign_in(visitor, "alice")).status_code == 403


async def test_a_browser_s_sign_in_ends_without_use_and_at_last(app: FastAPI, town: Town) -> None:
    visitor = Visitor(app, town)
    visitor.come_with(token_of(await sign_in(visitor, "alice")))
    for _ in range(3):
        town.clock.go(minutes=25)
        await visitor.get("/me")
    town.clock.go(minutes=25)
    await visitor.http.get("/me", headers={"HX-Request": "true"})  # what a page asks by itself is no use
    town.clock.go(minutes=10)
    assert (await visitor.http.get("/me")).status_code == 303
    visitor.come_with(token_of(await sign_in(visitor, "alice")))
    for _ in range(18):
        town.clock.go(minutes=26)
        await visitor.get("/me")
    town.clock.go(minutes=14)
    assert (await visitor.http.get("/me")).status_code == 303


async def test_one_s_sign_ins_are_listed_and_ended_at_once(app: FastAPI, town: Town, come: Come) -> None:
    here, there = Visitor(app, town), Visitor(app, town)
    here.http.headers["User-Agent"], there.http.headers["User-Agent"] = "Firefox here", "Chromium <b>there</b>"
    for visitor in (here, there):
        visitor.come_with(token_of(await sign_in(visitor, "alice")))
    page = await here.get("/me")
    assert "Firefox here" in page
    assert "Chromium &lt;b&gt;there" in page
    [other] = set(re.findall(r"/me/sign-ins/(sgn_\w+)/revoke", page))
    bo = await come("bo")
    assert "sgn_" not in await bo.get("/me")
    await bo.post(f"/me/sign-ins/{other}/revoke", status=404)
    await there.get("/me")
    await here.post(f"/me/sign-ins/{other}/revoke")
    assert (await there.http.get("/me")).status_code == 303
    third = await come("alice")
    await here.post("/me/sign-ins/revoke-others")
    assert (await third.http.get("/me")).status_code == 303
    await here.get("/me")


async def test_signing_again_changes_the_token(app: FastAPI, town: Town) -> None:
    visitor = Visitor(app, town)
    old = token_of(await sign_in(visitor, "alice"))
    visitor.come_with(old)
    town.clock.go(minutes=20)
    for by, status in (("bo", 403), ("alice", 303)):
        text = field(await visitor.get("/sign-again?to=/request"), "text")
        sent = {
            "csrf": visitor.csrf,
            "text": text,
            "to": "/request",
            "signature": town.people[by].sign(text, NAMESPACE),
        }
        answer = await visitor.http.post("/sign-again", data=sent)
        assert answer.status_code == status
    assert answer.headers["location"] == "/request"
    new = token_of(answer)
    assert (await visitor.http.get("/me")).status_code == 303
    visitor.come_with(new)
    await visitor.get("/me")
    assert csrf_of(new) != csrf_of(old)
    seen = await town.store.read(flow.seen, town.estate.roster, new)
    assert seen is not None
    assert seen[1].proved_at == town.store.now()


async def test_what_asks_for_a_fresh_signature(app: FastAPI, town: Town) -> None:
    carol = Visitor(app, town, "carol")
    carol.come_with(token_of(await sign_in(carol, "carol", by="carol")))
    asked = ("/proposals", f"/accounts/{ACCOUNT}/credential", "/people/usr_bo/invite")
    size = town.log.size
    town.clock.go(minutes=16)
    for path in asked:
        page = await carol.post(path, status=403, headers={"Referer": "http://pages.test/people?x=1"})
        assert "a signature of the last 15 minutes" in words(page)
        assert 'href="/sign-again?to=/people"' in page
        elsewhere = await carol.post(path, status=403, headers={"Referer": "https://evil.example/x"})
        assert 'href="/sign-again?to=/"' in elsewhere
    assert town.log.size == size
    text = field(await carol.get("/sign-again"), "text")
    sent = {"csrf": carol.csrf, "text": text, "signature": town.people["carol"].sign(text, NAMESPACE), "to": "/"}
    carol.come_with(token_of(await carol.http.post("/sign-again", data=sent)))
    for path in asked:
        answer = await carol.http.post(path)
        assert "a signature of the last 15 minutes" not in words(answer.text), path


async def test_a_ticket_ends_with_its_sign_in(app: FastAPI, town: Town) -> None:
    house = app.state.house
    for end in ("/me/sign-ins/{id}/revoke", "/sign-out"):
        alice = Visitor(app, town)
        alice.come_with(token := token_of(await sign_in(alice, "alice")))
        actor = await house.actor(token)
        assert (actor.sign_in.startswith("sgn_"), actor.proved_at) == (True, town.store.now())
        ticket = house.tickets.issue(actor, "grt_1")
        await alice.post(end.format(id=actor.sign_in))
        with pytest.raises(Expired):
            house.tickets.take(ticket, "grt_1")


def test_nobody_is_sent_elsewhere() -> None:
    assert ours("/requests/req_1?x=1#y") == "/requests/req_1?x=1#y"
    for to in ("", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "evil", "/sign-out", "/a\\b"):
        assert ours(to) == "/", to


async def test_a_link_is_shown_once_and_says_whose_it_is(app: FastAPI, town: Town, come: Come) -> None:
    carol = await come("carol")
    carol.http.base_url, carol.http.headers["Origin"] = httpx.URL("http://localhost:8422"), "http://localhost:8422"
    page = await carol.post("/people/usr_bo/invite", status=200)
    found = re.search(r"http://localhost:8422/enrol#([\w-]+)", page)
    assert found
    token = found[1]
    assert token.encode() not in await town.stored()
    stranger = Visitor(app, town)
    stranger.http.base_url, stranger.http.headers["Origin"] = carol.http.base_url, carol.http.headers["Origin"]
    said = (await stranger.http.post("/enrol/text", data={"token": token})).json()
    assert (said["login"], said["rp"], said["known"]) == ("bo", "localhost", [])
    wrong = await stranger.http.post("/enrol/text", data={"token": token[:-1]})
    assert (wrong.status_code, wrong.json()["message"]) == (410, "This link was used, or its time is over.")
    garbage = {"token": token, "text": said["text"], "authenticator_data": "AAAA", "client_data": "e30"}
    assert (await stranger.http.post("/enrol", data=garbage)).status_code >= 400
    town.clock.go(hours=25)
    late = await stranger.http.post("/enrol/text", data={"token": token})
    assert late.status_code == 410


async def test_a_link_needs_an_address_that_the_settings_name(come: Come) -> None:
    carol = await come("carol")  # at http://pages.test, which only the request says
    assert "Set web_origin" in words(await carol.post("/people/usr_bo/invite", status=409)).replace("`", "")
