"""Every route × {anonymous, each role}: who may use it stands here a second time, and nothing runs for anybody else."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from breakglass.api.app import GROUPS, make
from breakglass.http.declare import SIGNED_IN, Declared
from tests.api.client import Client
from tests.api.conftest import Come
from tests.kit import ACCOUNT, Town

ALL = frozenset({"requester", "approver", "custodian", "auditor", "administrator"})
ONLY = {"alice": "requester", "dana": "approver", "carol": "custodian", "ivy": "auditor", "adam": "administrator"}
"""People who have one role."""
AUDITING = frozenset({"auditor", "custodian", "administrator"})
ERASING = frozenset({"auditor", "custodian"})
KILLING = ALL - {"requester"}
CLOSING = ALL - {"administrator"}
PUBLIC = frozenset({"", *ALL})

MAY: dict[str, frozenset[str]] = {
    "GET /api/openapi.json": PUBLIC,
    "GET /api/status": PUBLIC,
    "POST /api/sign-in/challenge": PUBLIC,
    "POST /api/sign-in": PUBLIC,
    "POST /api/login": PUBLIC,
    "POST /api/login/token": PUBLIC,
    "DELETE /api/sign-in": ALL,
    "GET /api/sign-ins": ALL,
    "DELETE /api/sign-ins/{id}": ALL,
    "POST /api/people/{login}/invitation": frozenset({"administrator", "custodian"}),
    "GET /api/overview": ALL,
    "GET /api/estate": ALL,
    "PUT /api/accounts/{id}/credential": frozenset({"custodian"}),
    "POST /api/accounts/{id}/rotate": frozenset({"custodian"}),
    "POST /api/requests": frozenset({"requester"}),
    "GET /api/requests": ALL,
    "GET /api/requests/{id}": ALL,
    "POST /api/requests/{id}/statement": frozenset({"approver"}),
    "POST /api/requests/{id}/approvals": ALL,
    "POST /api/requests/{id}/denials": ALL,
    "POST /api/requests/{id}/cancel": frozenset({"requester"}),
    "GET /api/grants": ALL,
    "GET /api/grants/{id}": ALL,
    "POST /api/grants/{id}/close": CLOSING,
    "GET /api/sessions": ALL,
    "POST /api/sessions/kill": KILLING,
    "POST /api/sessions/{id}/kill": KILLING,
    "POST /api/sessions/{id}/replay-statement": frozenset({"auditor"}),
    "POST /api/sessions/{id}/replay": frozenset({"auditor"}),
    "GET /api/rotations": ALL,
    "POST /api/rotations": frozenset({"custodian"}),
    "GET /api/reviews": ALL,
    "GET /api/reviews/{id}": ALL,
    "POST /api/reviews/{id}/statement": frozenset({"auditor"}),
    "POST /api/reviews/{id}/sign": frozenset({"auditor"}),
    "GET /api/roster": ALL,
    "GET /api/roster/proposals": ALL,
    "POST /api/roster/proposals": frozenset({"administrator", "custodian"}),
    "POST /api/roster/proposals/{id}/statement": ALL,
    "POST /api/roster/proposals/{id}/sign": ALL,
    "POST /api/requests/{id}/evidence": AUDITING,
    "GET /api/audit/entries": AUDITING,
    "GET /api/audit/entries/{index}": AUDITING,
    "GET /api/audit/checkpoint": AUDITING,
    "GET /api/audit/anchors": AUDITING,
    "GET /api/audit/verify": AUDITING,
    "POST /api/audit/verify": AUDITING,
    "GET /api/audit/private": ERASING,
    "GET /api/audit/witnesses": ALL,
    "POST /api/audit/override": frozenset({"custodian"}),
    "POST /api/audit/override/statement": frozenset({"custodian"}),
    "POST /api/audit/override/sign": ALL,
    "GET /api/audit/next-log": ALL,
    "GET /api/custody": ALL,
    "GET /api/custody/{id}": ALL,
    "POST /api/custody/{id}/statement": frozenset({"custodian", "requester", "auditor"}),
    "POST /api/custody/{id}/sign": ALL,
    "GET /api/kits": ALL,
    "POST /api/kits": frozenset({"custodian"}),
    "POST /api/kits/statement": frozenset({"custodian"}),
    "POST /api/kits/sign": ALL,
    "GET /api/kits/{number}/{copy}": frozenset({"custodian"}),
    "POST /api/kits/{number}/used": frozenset({"custodian", "approver", "auditor"}),
    "POST /api/audit/next-log": frozenset({"custodian"}),
    "POST /api/audit/next-log/statement": frozenset({"custodian"}),
    "POST /api/audit/next-log/sign": ALL,
    "POST /api/audit/erasures": ERASING,
    "POST /api/audit/erasures/{id}/statement": ERASING,
    "POST /api/audit/erasures/{id}/sign": ALL,
    "GET /api/vault": ALL,
    "POST /api/vault/kek/statement": frozenset({"custodian"}),
    "POST /api/vault/rekey": frozenset({"custodian"}),
    "POST /api/vault/rekey/finish": frozenset({"custodian"}),
    "POST /api/vault/rekey/share": frozenset({"custodian"}),
    "GET /api/vault/slots": frozenset({"custodian"}),
    "POST /api/vault/slots": frozenset({"custodian"}),
    "POST /api/vault/kek": ALL,
    "GET /api/clock": ALL,
    "POST /api/clock/statement": frozenset({"custodian"}),
    "POST /api/clock/confirm": ALL,
    "POST /api/vault/unseal": frozenset({"custodian"}),
    "POST /api/vault/seal": frozenset({"custodian"}),
}
IDS = {
    "requests": "req_1",
    "grants": "grt_1",
    "sessions": "ses_1",
    "reviews": "rev_1",
    "accounts": ACCOUNT,
    "proposals": "pro_1",
    "erasures": "era_1",
}
GUARDS = ("You are not signed in.", "Your roles do not allow this.")


def routes(app: FastAPI) -> dict[str, Declared]:
    found = {}
    for route in app.router.routes:
        assert isinstance(route, Declared)
        assert route.methods is not None
        [method] = route.methods
        found[f"{method} {route.path}"] = route
    return found


def filled(path: str) -> str:
    path = path.removeprefix("/api")
    for group, id in IDS.items():
        path = re.sub(rf"(/{group}/)\{{id\}}", rf"\g<1>{id}", path)
    return path.replace("{index}", "0").replace("{number}", "1").replace("{copy}", "1")


def test_every_route_stands_in_the_table(app: FastAPI) -> None:
    assert routes(app).keys() == MAY.keys()


async def test_every_route_for_everybody(app: FastAPI, town: Town, come: Come) -> None:
    people = {"": Client(app, town)} | {role: await come(login) for login, role in ONLY.items()}
    order = sorted(MAY, key=lambda one: (one == "DELETE /api/sign-in", one == "POST /api/vault/seal"))  # these two last
    for which in order:
        method, _, path = which.partition(" ")
        for role, person in people.items():
            before = town.log.size
            answer = await person.call(method, filled(path))
            said = answer.json()["error"] if answer.status_code >= 400 else {}
            held = said.get("message") in GUARDS
            assert held == (role not in MAY[which]), (which, role, answer.status_code, said)
            if held:
                assert answer.status_code == (401 if not role else 403), (which, role)
                assert town.log.size == before, (which, role)
            else:
                assert answer.status_code < 500 or answer.status_code == 503, (which, role, answer.text)


async def test_a_made_up_token_is_nobody(app: FastAPI, town: Town) -> None:
    stranger = Client(app, town)
    for header in ("", "Bearer", "Bearer ", "Basic x", "Bearer x", f"Bearer {'x' * 300}", "bearer 1 2"):
        error = await stranger.refused(401, "not_signed_in", "GET", "/overview", headers={"Authorization": header})
        assert "Sign in" in error["what_to_do"]


async def test_nothing_that_was_sent_is_read_before_the_guard(app: FastAPI, town: Town, come: Come) -> None:
    alice = await come("alice")
    broken: dict[str, Any] = {"content": b"{not json", "headers": {"Content-Type": "application/json"}}
    await alice.refused(403, "forbidden", "PUT", f"/accounts/{ACCOUNT}/credential", **broken)
    await Client(app, town).refused(401, "not_signed_in", "POST", "/requests", **broken)
    await alice.refused(422, "malformed", "POST", "/requests", **broken)


def test_a_route_without_a_declaration_fails_the_build(town: Town) -> None:
    async def secrets() -> str:
        return "all of them"

    def smuggled(api: Any, house: Any) -> None:
        api.app.get("/api/secrets")(secrets)

    with pytest.raises(AssertionError, match="/api/secrets"):
        make(town.services(), [*GROUPS, smuggled])


async def test_the_openapi_document_tells_it_all(app: FastAPI, town: Town) -> None:
    found = await Client(app, town).ok("GET", "/openapi.json")
    told = {f"{method.upper()} {path}" for path, methods in found["paths"].items() for method in methods}
    assert told == MAY.keys() - {"GET /api/openapi.json"}
    assert "ErrorAnswer" in found["components"]["schemas"]
    assert SIGNED_IN.value == "signed in"
