"""Roster changes, the log with its proofs, and that neither grant token nor sealed blob leaves in any answer."""

import json
from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from breakglass.app import verifying
from breakglass.app.verifying import last_verification
from breakglass.audit.bundle_verify import verify as verify_bundle
from breakglass.codec import note, private
from breakglass.codec.private import Opening
from breakglass.config import Home
from breakglass.model.credential import Credential
from breakglass.model.grant import Grant
from breakglass.standalone import verify_bundle as standalone
from breakglass.trust import drafting
from breakglass.trust.roster import parse
from breakglass.trust.tree import verify_inclusion
from tests.api.conftest import Come
from tests.kit import PASSWORD, Person, Town


async def test_two_custodians_change_the_estate(town: Town, come: Come) -> None:
    adam, carol, cem, alice = [await come(one) for one in ("adam", "carol", "cem", "alice")]
    present = await adam.ok("GET", "/roster")
    assert sha256(present["document"].encode()).hexdigest() == present["hash"] == town.settings.roster_pin
    assert len(present["statements"]) == 2

    estate = drafting.estate_of(present["document"].encode())
    frank = Person("frank")
    estate["people"]["usr_frank"] = {
        "login": "frank",
        "name": "Frank",
        "department": "Operations",
        "roles": ["requester"],
        "groups": [],
        "keys": [{"label": "kit", "public": frank.public}],
    }
    document = drafting.following(estate, parse(present["document"].encode()), at=town.clock.at)
    raw = {"headers": {"Content-Type": "application/octet-stream"}}
    await alice.refused(403, "forbidden", "POST", "/roster/proposals", content=document, **raw)
    await adam.refused(422, "malformed", "POST", "/roster/proposals", content=document[:-2], **raw)
    await adam.refused(422, "malformed", "POST", "/roster/proposals", content=b"", **raw)
    made = await adam.ok("POST", "/roster/proposals", content=document, **raw)
    assert made["changes"] == "people usr_frank added"
    assert made["sentence"] == "Still needs: 2 of custodians."

    for person, adopted in ((carol, False), (cem, True)):
        text = (await person.ok("POST", f"/roster/proposals/{made['id']}/statement"))["text"]
        body = {"signature": town.people[person.login].sign(text)}
        done = await person.ok("POST", f"/roster/proposals/{made['id']}/sign", body)
        assert done == {"adopted": adopted, "version": int(adopted)}
        if not adopted:
            await person.refused(409, "already_approved", "POST", f"/roster/proposals/{made['id']}/sign", body)
    assert town.vault.status().roster == 1
    assert await adam.ok("GET", "/roster/proposals") == []
    await adam.refused(404, "not_found", "POST", f"/roster/proposals/{made['id']}/statement")
    town.people["frank"] = frank
    assert (await (await come("frank")).ok("GET", "/overview"))["roles"] == ["requester"]


async def test_an_entry_is_proven_to_whoever_does_not_trust_the_server(town: Town, come: Come) -> None:
    await town.granted()
    ivy = await come("ivy")
    vkey = town.estate.roster.keys.log
    for entry in await ivy.ok("GET", "/audit/entries?kind=request."):
        found = await ivy.ok("GET", f"/audit/entries/{entry['index']}")
        head = note.parse_checkpoint(note.verify(found["checkpoint"].encode(), [vkey]).text)
        assert sha256(b"\0" + found["leaf"].encode()).hexdigest() == found["leaf_hash"]
        proof = [bytes.fromhex(one) for one in found["proof"]]
        verify_inclusion(bytes.fromhex(found["leaf_hash"]), entry["index"], head.size, proof, head.root)
        opened = {name: Opening(bytes.fromhex(salt), value) for name, (salt, value) in found["opened"].items()}
        assert private.restore(json.loads(found["leaf"])["data"], opened, private.ERASED) == found["entry"]["data"]
    latest = await ivy.ok("GET", "/audit/checkpoint")
    assert latest["size"] == note.parse_checkpoint(note.verify(latest["note"].encode(), [vkey]).text).size
    await ivy.refused(404, "not_found", "GET", "/audit/entries/999999")
    assert (await ivy.ok("POST", "/audit/verify"))["ok"] is True
    last = await ivy.ok("GET", "/audit/entries?limit=2")
    behind = await ivy.ok("GET", f"/audit/entries?after={last[0]['index']}&limit=1")
    assert behind == last[1:]


async def test_no_answer_holds_a_token_or_a_sealed_secret(town: Town, come: Come) -> None:
    request, grant = await town.granted()
    session = await town.session()
    await town.close(grant)
    await town.end_session(session)
    ivy = await come("ivy")
    [row] = await town.store.read(lambda look: look.find(Grant))
    sealed = await town.store.read(lambda look: [one.sealed for one in look.find(Credential)])
    [review] = await ivy.ok("GET", "/reviews")
    opened = [one["index"] for one in await ivy.ok("GET", "/audit/entries?kind=grant.opened")]
    paths = [
        "/overview", "/estate", "/requests", f"/requests/{request}", "/grants", f"/grants/{grant}", "/sessions",
        "/rotations", "/reviews", f"/reviews/{review['id']}", "/roster", "/roster/proposals", "/vault",
        "/audit/entries?limit=1000", *(f"/audit/entries/{index}" for index in opened),
    ]  # fmt: skip
    answers = {path: (await ivy.call("GET", path)) for path in paths}
    assert {one.status_code for one in answers.values()} == {200}
    said = "\n".join(one.text for one in answers.values())
    assert grant in said  # the search finds what is there
    signature = row.token.strip().rpartition(" ")[2]
    assert b64decode(signature)
    for secret in (row.token, "breakglass-grant-v1", signature, PASSWORD):
        assert secret not in said
    for blob in sealed:
        assert blob.hex() not in said
        assert repr(blob)[2:40] not in said
    [index] = opened
    assert answers[f"/audit/entries/{index}"].json()["leaf"] == ""


async def test_a_killed_session_revokes_its_grant(town: Town, come: Come) -> None:
    await town.granted()
    session = await town.session()
    dana = await come("dana")
    await dana.refused(422, "malformed", "POST", f"/sessions/{session}/kill", {"why": " \u200b"})
    await dana.refused(404, "not_found", "POST", "/sessions/ses_none/kill", {"why": "Enough."})
    killed = await dana.ok("POST", f"/sessions/{session}/kill", {"why": "It is\n the wrong\x1b[2J host."})
    assert killed["why"] == "It is the wrong[2J host."
    assert killed["sentence"].startswith("Alice, root on db1: is being ended, since 21:00 UTC.")
    [grant] = await dana.ok("GET", "/grants")
    assert grant["state"] == "revoked"
    assert await dana.ok("GET", "/grants?live=true") == []


async def test_all_sessions_are_killed_at_once_with_their_grants(town: Town, come: Come) -> None:
    await town.granted()
    over = await town.session()
    await town.end_session(over)
    first, second = await town.session(), await town.session()
    await town.granted("bo")
    other = await town.session("bo")
    dana, alice = await come("dana"), await come("alice")
    await alice.refused(403, "forbidden", "POST", "/sessions/kill", {"why": "Enough."})
    await dana.refused(422, "malformed", "POST", "/sessions/kill", {"why": ""})
    assert len(await dana.ok("GET", "/grants?live=true")) == 2
    killed = await dana.ok("POST", "/sessions/kill", {"why": "An intruder is about."})
    assert sorted(killed) == sorted([first, second, other])
    for one in await dana.ok("GET", "/sessions"):
        if one["id"] == over:
            assert one["why"] == "its person left"
        else:
            assert one["why"] == "An intruder is about."
            assert "is being ended" in one["sentence"]
    assert {one["state"] for one in await dana.ok("GET", "/grants")} == {"revoked"}
    await dana.ok("POST", "/sessions/kill", {"why": "Once more."})  # what is being ended already keeps its reason
    assert "Once more." not in {one["why"] for one in await dana.ok("GET", "/sessions")}


async def test_a_bundle_leaves_when_the_grant_is_over_and_holds(town: Town, come: Come) -> None:
    request, grant = await town.granted()
    ivy, alice = await come("ivy"), await come("alice")
    await ivy.refused(409, "wrong_state", "POST", f"/requests/{request}/evidence")
    await alice.refused(403, "forbidden", "POST", f"/requests/{request}/evidence")
    await ivy.refused(404, "not_found", "POST", "/requests/req_none/evidence")
    session = await town.session()
    await town.close(grant)
    await town.end_session(session)
    answer = await ivy.call("POST", f"/requests/{request}/evidence")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    verdict = verify_bundle(answer.content, pin=town.settings.roster_pin)
    assert verdict.ok, verdict.in_words()
    assert (verdict.sessions, verdict.grants) == (1, 1)
    assert standalone.run(answer.content, town.settings.roster_pin)[0]
    [noted] = await ivy.ok("GET", "/audit/entries?kind=evidence.exported")
    assert noted["about"] == request
    assert noted["text"].endswith(f"exported the evidence: {noted['data']['entries']} entries.")
    assert (await ivy.ok("POST", "/audit/verify"))["ok"] is True


async def test_the_last_verification_is_kept_with_its_time(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert last_verification(home) is None
    verifying._keep(home, {"ok": True})
    found = last_verification(home)
    assert found is not None
    assert found[1] == {"ok": True}
    assert abs((found[0] - datetime.now(UTC)).total_seconds()) < 60
    (tmp_path / "verified.json").write_text("{")
    assert last_verification(home) is None


async def test_entries_by_person_and_time(town: Town, come: Come) -> None:
    await town.granted()
    ivy = await come("ivy")
    every = await ivy.ok("GET", "/audit/entries?limit=1000")
    by_bo = await ivy.ok("GET", "/audit/entries?limit=1000&by=usr_bo")
    assert by_bo == [one for one in every if one["by"] == "usr_bo"]
    assert by_bo
    cut = every[len(every) // 2]["at"]
    quoted = cut.replace("+", "%2B")
    assert await ivy.ok("GET", f"/audit/entries?limit=1000&since={quoted}") == [
        one for one in every if one["at"] >= cut
    ]
    assert await ivy.ok("GET", f"/audit/entries?limit=1000&until={quoted}") == [one for one in every if one["at"] < cut]
    await ivy.refused(422, "malformed", "GET", "/audit/entries?since=2026-11-23T21:00:00")
    await ivy.refused(422, "malformed", "GET", "/audit/entries?since=yesterday")
    await ivy.refused(404, "not_found", "GET", "/audit/verify")
