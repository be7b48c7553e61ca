"""Bad input: each kind gets its own code, its status, and what to do; nothing is half-done, and no value comes back."""

from typing import Any

import pytest
from fastapi import FastAPI

from breakglass.http.shield import BODY_MAX
from tests.api.client import Client
from tests.api.conftest import Come
from tests.kit import ACCOUNT, CONDITION, Town

ASKED = {"target": "db1", "condition": CONDITION, "reason": "Sign-in is down.", "minutes": 30}
MARK = "Very-Secret-Mark-7"


async def test_an_id_of_a_wrong_shape(come: Come) -> None:
    bo = await come("bo")
    for id in ("x", "req_", "grt_1", "req_1'--", "REQ_1", "req_" + "a" * 100, "req_%00", "req_é"):
        error = await bo.refused(422, "malformed", "GET", f"/requests/{id}")
        assert error["what_to_do"] == "The id of a request looks like req_1f09c2…"


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"target": "nowhere"}, 404, "not_found"),
    ({"account": "nobody"}, 404, "not_found"),
    ({"target": "plc"}, 404, "not_found"),
    ({"condition": "cnd_bored"}, 404, "not_found"),
    ({"reason": ""}, 422, "malformed"),
    ({"reason": "x" * 501}, 422, "malformed"),
    ({"reason": "x" * 5000}, 422, "malformed"),
    ({"reason": "\u202e\u200b"}, 422, "malformed"),
    ({"minutes": 0}, 422, "malformed"),
    ({"minutes": 241}, 422, "malformed"),
    ({"minutes": "soon"}, 422, "malformed"),
    ({"minutes": 10**12}, 422, "malformed"),
    ({"target": "x" * 61}, 422, "malformed"),
    ({"id": "ses_1"}, 422, "malformed"),
    ({"lane": "safety"}, 422, "malformed"),
]


async def test_requests_that_are_refused(come: Come) -> None:
    alice = await come("alice")
    for changed, status, code in REFUSED:
        await alice.refused(status, code, "POST", "/requests", {**ASKED, **changed})
    assert await alice.ok("GET", "/requests") == []


async def test_asking_again_finds_the_same_request_and_an_id_belongs_to_one(come: Come) -> None:
    alice, bo = await come("alice"), await come("bo")
    asked = {**ASKED, "id": "req_mine"}
    first = await alice.ok("POST", "/requests", asked)
    assert await alice.ok("POST", "/requests", asked) == first
    await alice.refused(409, "wrong_state", "POST", "/requests", ASKED)  # another one for the same account
    await bo.refused(409, "wrong_state", "POST", "/requests", {**asked, "target": "plc", "account": "ops"})


async def test_decisions_that_do_not_count(town: Town, come: Come) -> None:
    alice, bo, dana, eve = [await come(one) for one in ("alice", "bo", "dana", "eve")]
    id = (await bo.ok("POST", "/requests", ASKED))["id"]

    await bo.refused(409, "self_approval", "POST", f"/requests/{id}/statement", {"kind": "approve"})
    await bo.refused(422, "malformed", "POST", f"/requests/{id}/statement", {"kind": "perhaps"})
    text = (await dana.ok("POST", f"/requests/{id}/statement", {"kind": "approve"}))["text"]
    signature = town.people["dana"].sign(text)
    where = f"/requests/{id}/approvals"

    changed = text.replace("1800 seconds", "1900 seconds")
    await dana.refused(403, "bad_signature", "POST", where, {"signature": signature, "text": changed})
    resigned = {"signature": town.people["dana"].sign(changed), "text": changed}
    await dana.refused(403, "bad_signature", "POST", where, resigned)  # not what this request asks for
    await dana.refused(422, "malformed", "POST", where, {"signature": "no signature"})
    await dana.refused(422, "malformed", "POST", where, {"signature": signature, "text": text.upper()})
    await dana.refused(403, "bad_signature", "POST", where, {"signature": town.people["eve"].sign(text)})
    await eve.refused(410, "expired", "POST", where, {"signature": signature})  # no text of hers is on offer

    # Anybody may bring it: it counts for who signed it.
    await alice.ok("POST", where, {"signature": signature, "text": text})
    await dana.refused(409, "already_approved", "POST", where, {"signature": signature})

    town.clock.go(minutes=61)
    late = (await eve.refused(401, "not_signed_in", "GET", "/overview"))["message"]
    assert late
    eve = await come("eve")
    await eve.refused(409, "wrong_state", "POST", f"/requests/{id}/statement", {"kind": "approve"})
    bo = await come("bo")
    assert (await bo.ok("GET", f"/requests/{id}"))["request"]["state"] == "expired"


async def test_a_denial_ends_it_and_says_why(town: Town, come: Come) -> None:
    alice, dana, bo = [await come(one) for one in ("alice", "dana", "bo")]
    id = (await alice.ok("POST", "/requests", ASKED))["id"]
    body = {"kind": "deny", "reason": "There is no emergency."}
    text = (await dana.ok("POST", f"/requests/{id}/statement", body))["text"]
    denied = await dana.ok("POST", f"/requests/{id}/denials", {"signature": town.people["dana"].sign(text)})
    assert (denied["state"], denied["sentence"]) == ("denied", "Denied.")
    timeline = (await alice.ok("GET", f"/requests/{id}"))["timeline"]
    assert timeline[-1]["text"] == "Dana denied it: There is no emergency."
    await bo.refused(409, "wrong_state", "POST", f"/requests/{id}/statement", {"kind": "approve"})
    await alice.refused(409, "wrong_state", "POST", f"/requests/{id}/cancel")


async def test_requesters_see_their_own_only(town: Town, come: Come) -> None:
    alice, bo = await come("alice"), await come("bo")
    id = (await bo.ok("POST", "/requests", ASKED))["id"]
    assert await alice.ok("GET", "/requests") == []
    await alice.refused(404, "not_found", "GET", f"/requests/{id}")
    assert len(await bo.ok("GET", "/requests")) == 1


async def test_a_secret_never_comes_back(town: Town, come: Come, caplog: pytest.LogCaptureFixture) -> None:
    carol = await come("carol")
    where = f"/accounts/{ACCOUNT}/credential"
    wrong: list[Any] = [
        MARK,
        [MARK],
        {MARK: MARK},
        {"secret": [MARK]},
        {"secret": {MARK: 1}},
        {"secret": MARK, MARK: 1},
        {"secret": MARK * 1000},
        {"secret": f"{MARK}\n{MARK}"},
    ]
    for body in wrong:
        answer = await carol.call("PUT", where, body)
        assert answer.status_code == 422, (body, answer.text)
        assert MARK not in answer.text
        assert answer.json()["error"]["code"] == "malformed"
    for broken in (f'{{"secret": "{MARK}', f'{{"secret": "{MARK}\\ud800"}}'):
        answer = await carol.call("PUT", where, content=broken.encode(), headers={"Content-Type": "application/json"})
        assert (answer.status_code, MARK in answer.text) == (422, False)
    unknown = await carol.call("PUT", "/accounts/acc_none/credential", {"secret": MARK})
    assert (unknown.status_code, MARK in unknown.text) == (404, False)

    before = len(await town.store.read(lambda look: look.find(_credential(), account=ACCOUNT)))
    assert await carol.ok("PUT", where, {"secret": MARK}) == {"version": before + 1}
    await town.rotate()
    for path in ("/estate", "/rotations", "/audit/entries?limit=1000", "/overview", "/roster"):
        assert MARK not in (await carol.call("GET", path)).text
    await carol.refused(422, "malformed", "POST", "/vault/unseal", {"share": {MARK: 1}})
    assert MARK not in caplog.text


def _credential() -> Any:
    from breakglass.model.credential import Credential

    return Credential


async def test_too_much_and_nowhere(app: FastAPI, town: Town, come: Come) -> None:
    carol = await come("carol")
    await carol.refused(413, "malformed", "POST", "/roster/proposals", content=b"x" * (BODY_MAX + 1))
    await carol.refused(413, "malformed", "POST", "/requests/req_1/approvals", content=b"x" * (BODY_MAX + 1))
    await carol.refused(404, "not_found", "GET", "/nowhere")
    await carol.refused(405, "malformed", "PATCH", "/requests")
    answer = await Client(app, town).call("GET", "/status")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in answer.headers
    missing = await Client(app, town).call("GET", "/nowhere")
    assert missing.headers["x-frame-options"] == "DENY"


async def test_a_fault_says_nothing_of_itself(town: Town, come: Come) -> None:
    carol = await come("carol")

    async def broken(*_: Any) -> int:
        raise RuntimeError(MARK)

    services = town.services()
    object.__setattr__(services, "deposit", broken)
    from breakglass.api.app import make

    client = Client(make(services), town, "carol")
    client.http.headers.update(carol.http.headers)
    answer = await client.call("PUT", f"/accounts/{ACCOUNT}/credential", {"secret": "x"})
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "The server failed."
    assert MARK not in answer.text


async def test_the_vault_is_sealed(town: Town, come: Come) -> None:
    alice, carol = await come("alice"), await come("carol")
    assert (await alice.ok("GET", "/status"))["sealed"] is False
    sealed = await carol.ok("POST", "/vault/seal")
    assert sealed["sentence"] == "The vault is SEALED: 0 of 2 shares were entered, of 3 that there are."
    assert (await alice.ok("GET", "/status"))["sealed"] is True
    home = await alice.ok("GET", "/overview")
    assert home["whats_next"] == "The vault is SEALED: custodians must unseal it before anybody gets in."
    assert (await carol.ok("GET", "/overview"))["whats_next"] == "Unseal the vault: breakglass unseal"
    await carol.refused(503, "sealed", "PUT", f"/accounts/{ACCOUNT}/credential", {"secret": "x"})
    await alice.ok("POST", "/requests", ASKED)  # asking needs no vault

    wrong = " ".join(["academic"] * 32 + ["acid"])
    await carol.refused(422, "malformed", "POST", "/vault/unseal", {"share": wrong})
    one = await carol.ok("POST", "/vault/unseal", {"share": town.shares[0]})
    assert (one["sealed"], one["shares_entered"]) == (True, 1)
    two = await carol.ok("POST", "/vault/unseal", {"share": town.shares[2]})
    assert (two["sealed"], two["sentence"]) == (False, "The vault is open.")
    told = await carol.ok("GET", "/audit/entries?kind=vault.")
    assert [one["kind"] for one in told] == ["vault.sealed", "vault.share_entered", "vault.share_entered"]
