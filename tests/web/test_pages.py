"""Every page × {anonymous, each role}: who may see it stands here a second time, and nothing runs for anybody else."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from breakglass.http.asking import COOKIE
from breakglass.http.declare import Declared, DeclaredSocket
from breakglass.http.house import House
from breakglass.web.app import GROUPS, make
from tests.kit import ACCOUNT, Town
from tests.web.conftest import Come
from tests.web.visitor import Visitor, words

ERASING = frozenset({"auditor", "custodian"})
ALL = frozenset({"requester", "approver", "custodian", "auditor", "administrator"})
ONLY = {"alice": "requester", "dana": "approver", "carol": "custodian", "ivy": "auditor", "adam": "administrator"}
"""People who have one role."""
AUDITING = frozenset({"auditor", "custodian", "administrator"})
PUBLIC = frozenset({"", *ALL})

MAY: dict[str, frozenset[str]] = {
    "GET /static/{name}": PUBLIC,
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "POST /sign-in/password": PUBLIC,
    "POST /sign-out": ALL,
    "GET /sign-again": ALL,
    "POST /sign-again": ALL,
    "GET /enrol": PUBLIC,
    "POST /enrol/text": PUBLIC,
    "POST /enrol": PUBLIC,
    "GET /terminal-login": ALL,
    "POST /terminal-login": ALL,
    "POST /terminal-login/confirm": ALL,
    "POST /terminal-login/deny": ALL,
    "GET /me": ALL,
    "POST /me/sign-ins/{id}/revoke": ALL,
    "POST /me/sign-ins/revoke-others": ALL,
    "GET /me/password": ALL,
    "POST /me/password": ALL,
    "POST /me/password/remove": ALL,
    "POST /people/{id}/password/remove": frozenset({"custodian"}),
    "POST /people/{id}/invite": frozenset({"administrator", "custodian"}),
    "GET /": ALL,
    "GET /request": frozenset({"requester"}),
    "POST /requests": frozenset({"requester"}),
    "GET /grants/{id}/terminal": frozenset({"requester"}),
    "POST /grants/{id}/ticket": frozenset({"requester"}),
    "GET /sessions": ALL,
    "POST /sessions/kill": ALL - {"requester"},
    "POST /sessions/{id}/kill": ALL - {"requester"},
    "GET /sessions/{id}/replay": frozenset({"auditor"}),
    "POST /sessions/{id}/replay": frozenset({"auditor"}),
    "GET /sessions/{id}/cast": frozenset({"auditor"}),
    "GET /requests": ALL,
    "GET /requests/{id}": ALL,
    "POST /requests/{id}/evidence": AUDITING,
    "POST /requests/{id}/cancel": frozenset({"requester"}),
    "GET /requests/{id}/decide": ALL,
    "POST /requests/{id}/denial": frozenset({"approver"}),
    "POST /requests/{id}/approve": ALL,
    "POST /requests/{id}/deny": ALL,
    "POST /grants/{id}/close": ALL - {"administrator"},
    "GET /accounts": ALL,
    "GET /accounts/{id}": ALL,
    "POST /accounts/{id}/rotate": frozenset({"custodian"}),
    "POST /accounts/{id}/credential": frozenset({"custodian"}),
    "GET /rotations": ALL,
    "POST /rotations": frozenset({"custodian"}),
    "GET /reviews": ALL,
    "GET /reviews/{id}": ALL,
    "POST /reviews/{id}/text": frozenset({"auditor"}),
    "POST /reviews/{id}/sign": frozenset({"auditor"}),
    "GET /people": ALL,
    "GET /proposals": ALL,
    "GET /estate.yaml": ALL,
    "POST /proposals": frozenset({"administrator", "custodian"}),
    "GET /proposals/{id}": ALL,
    "POST /proposals/{id}/sign": ALL,
    "GET /audit": AUDITING,
    "GET /audit/checkpoint": AUDITING,
    "GET /audit/{index}": AUDITING,
    "POST /audit/verify": AUDITING,
    "GET /playbooks": ALL,
    "GET /vault": ALL,
    "POST /vault/unseal": frozenset({"custodian"}),
    "POST /vault/share": frozenset({"custodian"}),
    "POST /vault/seal": frozenset({"custodian"}),
    "GET /clock": ALL,
    "POST /clock/confirm": ALL,
    "GET /witnesses": ALL,
    "POST /witnesses/text": frozenset({"custodian"}),
    "POST /witnesses/sign": ALL,
    "GET /next-log": ALL,
    "POST /next-log/text": frozenset({"custodian"}),
    "POST /next-log/sign": ALL,
    "GET /custody": ALL,
    "GET /custody/{id}": ALL,
    "POST /custody/{id}/text": frozenset({"custodian", "requester", "auditor"}),
    "POST /custody/{id}/sign": ALL,
    "GET /kits": ALL,
    "POST /kits": frozenset({"custodian"}),
    "POST /kits/sign": ALL,
    "GET /kits/{number}/{copy}": frozenset({"custodian"}),
    "POST /kits/{number}/used": frozenset({"custodian", "approver", "auditor"}),
    "GET /erasures": ERASING,
    "POST /erasures/text": ERASING,
    "GET /erasures/{id}": ERASING,
    "POST /erasures/{id}/sign": ALL,
}
IDS = {
    "requests": "req_1",
    "grants": "grt_1",
    "sessions": "ses_1",
    "reviews": "rev_1",
    "accounts": ACCOUNT,
    "proposals": "pro_1",
    "sign-ins": "sgn_1",
    "people": "usr_alice",
    "erasures": "era_1",
    "custody": "itm_1",
}
LAST = ("POST /vault/seal", "POST /sign-out")
"""What would change the answers of the others."""
GUARDS = ("You are not signed in.", "Your roles do not allow this.")


def routes(app: FastAPI) -> dict[str, Declared]:
    found = {}
    for route in app.router.routes:
        if isinstance(route, DeclaredSocket):
            continue
        assert isinstance(route, Declared)
        assert route.methods is not None
        [method] = route.methods
        found[f"{method} {route.path}"] = route
    return found


def filled(path: str) -> str:
    for group, id in IDS.items():
        path = re.sub(rf"(/{group}/)\{{id\}}", rf"\g<1>{id}", path)
    return path.replace("{index}", "0").replace("{name}", "base.css").replace("{number}", "1").replace("{copy}", "1")


def test_every_socket_says_who_may_use_it(app: FastAPI) -> None:
    found = {one.path: one.may for one in app.router.routes if isinstance(one, DeclaredSocket)}
    assert found == {"/grants/{id}/socket": frozenset({"requester"})}


def test_every_page_stands_in_the_table(app: FastAPI) -> None:
    assert routes(app).keys() == MAY.keys()


async def test_every_page_for_everybody(app: FastAPI, town: Town, come: Come) -> None:
    people = {"": Visitor(app, town)} | {role: await come(login) for login, role in ONLY.items()}
    for which in sorted(MAY, key=lambda one: LAST.index(one) if one in LAST else -1):
        method, _, path = which.partition(" ")
        for role, person in people.items():
            before = town.log.size
            form = {"csrf": person.csrf} if method == "POST" else None
            answer = await person.http.request(method, filled(path), data=form)
            held = answer.status_code in (401, 403) and any(guard in words(answer.text) for guard in GUARDS)
            held |= answer.headers.get("location", "").startswith("/sign-in?")
            assert held == (role not in MAY[which]), (which, role, answer.status_code, words(answer.text)[-300:])
            if held:
                assert town.log.size == before, (which, role)
            else:
                assert answer.status_code < 500 or answer.status_code == 503, (which, role, words(answer.text)[-300:])


def test_a_page_without_a_declaration_fails_the_build(town: Town) -> None:
    async def secrets() -> str:
        return "all of them"

    def smuggled(pages: Any) -> None:
        pages.app.get("/secrets")(secrets)

    with pytest.raises(AssertionError, match="/secrets"):
        make(House(town.services()), [*GROUPS, smuggled])


async def test_a_change_from_another_origin_is_refused(app: FastAPI, town: Town, come: Come) -> None:
    alice = await come("alice")
    posts = [which.partition(" ")[2] for which in MAY if which.startswith("POST") and MAY[which] != PUBLIC]
    for path in posts:
        for origin in ("https://evil.example", "null", ""):
            headers = {"Origin": origin}
            answer = await alice.http.post(filled(path), headers=headers)
            assert answer.status_code == 403, (path, origin)
            assert "another page than ours" in words(answer.text)
    assert COOKIE.startswith("__Host-")


async def test_a_form_of_another_sign_in_is_refused(app: FastAPI, town: Town, come: Come) -> None:
    alice, other = await come("alice"), await come("alice")
    before = town.log.size
    for path in (which.partition(" ")[2] for which in MAY if which.startswith("POST") and MAY[which] == ALL):
        for csrf in (other.csrf, "", "é", alice.csrf[:-1]):
            answer = await alice.http.post(filled(path), data={"csrf": csrf})
            assert answer.status_code == 403, path
            assert "from another sign-in" in words(answer.text)
    assert town.log.size == before


async def test_pages_carry_the_strict_policy_and_are_not_kept(come: Come) -> None:
    alice = await come("alice")
    for path in ("/", "/nowhere"):
        headers = (await alice.http.get(path)).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; img-src 'self'; script"
        )
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert "Cookie" in headers["vary"]


async def test_static_files_stay_for_ever_under_their_hash(come: Come) -> None:
    alice = await come("alice")
    page = await alice.get("/")
    for address in set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page)):
        answer = await alice.http.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert re.search(r"\.[0-9a-f]{12}\.\w+$", address)
    assert (await alice.http.get("/static/../app.py")).status_code == 404


async def test_no_page_has_inline_style_or_script(come: Come) -> None:
    page = await (await come("alice")).get("/")
    assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son\w+=", page)


async def test_the_navigation_shows_only_what_one_may_open(come: Come) -> None:
    for login, role in ONLY.items():
        page = await (await come(login)).get("/")
        nav = page[page.index("<nav") : page.index("</nav>")]
        for path in re.findall(r'<a href="(/[^"]*)"', nav):
            assert role in MAY[f"GET {path}"], (role, path)
