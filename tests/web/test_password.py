"""Signing in with a password and a code: what it gives, what it never does, and how guessing ends."""

import html
import re
from base64 import b32decode
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from breakglass.api.app import make as make_api
from breakglass.identity import password as identity
from breakglass.model.ids import RequestId
from tests.kit import ACCOUNT, Town
from tests.web.conftest import Come
from tests.web.test_sign_in import sign_in as by_key
from tests.web.test_sign_in import token_of
from tests.web.test_story import ASKED
from tests.web.visitor import Visitor, words

GOOD = "four herons eat soup"


class Phone:
    """Somebody's authenticator, and the paper with their recovery codes."""

    def __init__(self, town: Town, seed: bytes, paper: list[str]) -> None:
        self.town, self.seed, self.paper = town, seed, paper

    def code(self, **later: float) -> str:
        return identity.code_at(self.seed, self.town.clock.now() + timedelta(**later))


async def set_up(visitor: Visitor, password: str = GOOD) -> Phone:
    page = await visitor.get("/me/password")
    found = re.search(r'aria-label="The key">([A-Z2-7 ]+)<', page)
    assert found
    seed = b32decode(found[1].replace(" ", ""))
    code = identity.code_at(seed, visitor.town.clock.now())
    page = await visitor.post("/me/password", {"password": password, "again": password, "code": code}, 200)
    codes = [html.unescape(one) for one in re.findall(r"<li>([0-9A-Z-]{19})</li>", page)]
    assert len(codes) == 10
    visitor.town.clock.go(seconds=30)
    return Phone(visitor.town, seed, codes)


async def come_in(visitor: Visitor, login: str, password: str, code: str, to: str = "/") -> httpx.Response:
    form = {"login": login, "password": password, "code": code, "to": to}
    return await visitor.http.post("/sign-in/password", data=form)


async def test_it_signs_in_to_look_and_to_ask(app: FastAPI, town: Town, come: Come) -> None:
    alice = await come("alice")
    assert "None" in words(await alice.get("/me"))
    phone = await set_up(alice)
    assert "10 recovery codes are left" in words(await alice.get("/me"))

    abroad = Visitor(app, town)
    answer = await come_in(abroad, "alice", GOOD, phone.code(), to="/requests")
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests")
    abroad.come_with(token_of(answer))
    assert "By password." in words(await abroad.get("/me"))
    request = (await abroad.post("/requests", ASKED)).removeprefix("/requests/")
    for login in ("bo", "eve"):
        await town.approve(request, login)
    grant = await town.grant(RequestId(request))

    # What needs a key asks for its signature.
    for path in (f"/grants/{grant}/terminal", "/me/password"):
        page = await abroad.get(path, 403)
        assert "/sign-again?to=" in page, path
        assert "asks for a signature" in words(page)
    stored = await town.stored()
    for secret in (GOOD.encode(), phone.seed, phone.paper[0].encode(), phone.paper[0].replace("-", "").encode()):
        assert secret not in stored


async def test_a_code_serves_once(app: FastAPI, town: Town, come: Come) -> None:
    phone = await set_up(await come("alice"))
    stranger, code = Visitor(app, town), phone.code()
    assert (await come_in(stranger, "alice", GOOD, code)).status_code == 303
    assert (await come_in(stranger, "alice", GOOD, code)).status_code == 403
    assert (await come_in(stranger, "alice", GOOD, phone.code(seconds=-30))).status_code == 403
    assert (
        await come_in(stranger, "alice", GOOD, f"{phone.code(seconds=30)[:3]} {phone.code(seconds=30)[3:]}")
    ).status_code == 303
    paper = phone.paper[3].lower().replace("-", " ")
    assert (await come_in(stranger, "alice", GOOD, paper)).status_code == 303
    assert (await come_in(stranger, "alice", GOOD, paper)).status_code == 403
    assert "9 recovery codes are left" in words(await (await come("alice")).get("/me"))
    kinds = [leaf for leaf in (await town.stored()).split(b'"kind":"') if leaf.startswith(b"recovery_code.used")]
    assert kinds


async def test_every_wrong_one_gets_the_same_answer(app: FastAPI, town: Town, come: Come) -> None:
    phone = await set_up(await come("alice"))
    said = set()
    for login, password, code in (
        ("alice", "four herons eat soap", phone.code()),
        ("alice", GOOD, "000000"),
        ("alice", GOOD, "0000-0000-0000-0000"),
        ("bo", GOOD, phone.code()),
        ("bo", "", ""),
        ("nobody", GOOD, phone.code()),
        ("", GOOD, phone.code()),
    ):
        answer = await come_in(Visitor(app, town), login, password, code)
        assert "set-cookie" not in answer.headers
        said.add((answer.status_code, words(answer.text).partition("Use an SSH key")[0].partition("Sign in to")[2]))
    assert len(said) == 1
    [(status, text)] = said
    assert status == 403
    assert "not known together" in text


async def test_guessing_ends_and_keys_go_on(app: FastAPI, town: Town, come: Come) -> None:
    phone = await set_up(await come("alice"))
    for login in ("alice", "nobody"):
        tried = [(await come_in(Visitor(app, town), login, "wrong wrong wrong", "1")).status_code for _ in range(7)]
        assert tried == [403] * 5 + [429] * 2, login
    assert (await come_in(Visitor(app, town), "alice", GOOD, phone.code())).status_code == 429
    assert (await by_key(Visitor(app, town), "alice")).status_code == 303
    ivy = await come("ivy")
    assert words(await ivy.get("/audit")).count("Passwords under the name alice are not looked at") == 1
    town.clock.go(minutes=5)
    assert (await come_in(Visitor(app, town), "alice", GOOD, phone.code())).status_code == 303


async def test_the_right_one_gives_its_tries_back(app: FastAPI, town: Town, come: Come) -> None:
    phone = await set_up(await come("alice"))
    for turn in range(3):
        for _ in range(4):
            assert (await come_in(Visitor(app, town), "alice", "wrong wrong wrong", "1")).status_code == 403
        assert (await come_in(Visitor(app, town), "alice", GOOD, phone.paper[turn])).status_code == 303


async def test_it_is_removed_with_what_it_signed_in(app: FastAPI, town: Town, come: Come) -> None:
    alice, carol = await come("alice"), await come("carol")
    phone = await set_up(alice)
    abroad = Visitor(app, town)
    abroad.come_with(token_of(await come_in(abroad, "alice", GOOD, phone.code())))
    assert "Remove the password of Alice" in words(await carol.get("/people"))
    assert "Remove the password" not in words(await alice.get("/people"))
    await alice.post("/people/usr_alice/password/remove", status=403)
    await carol.post("/people/usr_alice/password/remove")
    assert (await abroad.http.get("/me")).status_code == 303
    await alice.get("/me")
    assert (await come_in(abroad, "alice", GOOD, phone.code(seconds=30))).status_code == 403
    assert (await come_in(abroad, "alice", GOOD, phone.paper[0])).status_code == 403
    await alice.post("/me/password/remove", status=404)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "short", "again": "short"}, "A password has 12 to 200 characters."),
        ({"password": "alice alice alice"}, "easily guessed"),
        ({"again": "four herons eat soap"}, "two different passwords"),
        ({"code": "000000"}, "not the code of this half minute"),
    ],
)
async def test_what_is_not_set(app: FastAPI, town: Town, come: Come, changed: dict[str, str], said: str) -> None:
    alice = await come("alice")
    page = await alice.get("/me/password")
    key = re.search(r'aria-label="The key">([A-Z2-7 ]+)<', page)
    assert key
    code = identity.code_at(b32decode(key[1].replace(" ", "")), town.clock.now())
    page = await alice.post("/me/password", {"password": GOOD, "again": GOOD, "code": code, **changed}, 422)
    assert said in words(page)
    assert key[1] in page  # the authenticator that was set up stays right
    assert "None" in words(await alice.get("/me"))


async def test_it_works_while_the_vault_is_sealed(app: FastAPI, town: Town, come: Come) -> None:
    phone = await set_up(await come("carol"))
    town.vault.seal()
    carol = Visitor(app, town)
    answer = await come_in(carol, "carol", GOOD, phone.code())
    assert answer.status_code == 303
    carol.come_with(token_of(answer))
    assert "sealed" in words(await carol.get("/vault"))


async def test_its_cookie_brought_to_the_api_does_no_more(app: FastAPI, town: Town, come: Come) -> None:
    phone = await set_up(await come("carol"))
    token = token_of(await come_in(Visitor(app, town), "carol", GOOD, phone.code()))
    api = httpx.ASGITransport(app=make_api(town.services(), house=app.state.house))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=api, base_url="http://localhost", headers=headers) as http:
        assert (await http.get("/api/overview")).status_code == 200
        for method, path, body in (
            ("POST", "/api/roster/proposals", None),
            ("POST", "/api/people/bo/invitation", None),
            ("PUT", f"/api/accounts/{ACCOUNT}/credential", {"secret": "x"}),
        ):
            answer = await http.request(method, path, json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "not_proved"), path


async def test_an_old_sign_in_sets_nothing(app: FastAPI, town: Town, come: Come) -> None:
    alice = await come("alice")
    town.clock.go(minutes=16)
    assert "/sign-again?to=" in await alice.get("/me/password", 403)
