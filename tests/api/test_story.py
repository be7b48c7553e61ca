"""The whole emergency through the API, by people who sign in and sign with their own keys."""

from tests.api.client import Client
from tests.api.conftest import Come
from tests.kit import ACCOUNT, CONDITION, Town


async def decide(person: Client, request: str, kind: str = "approve") -> dict:
    text = (await person.ok("POST", f"/requests/{request}/statement", {"kind": kind, "reason": "no"}))["text"]
    where = "approvals" if kind == "approve" else "denials"
    body = {"signature": person.town.people[person.login].sign(text)}
    return await person.ok("POST", f"/requests/{request}/{where}", body)


async def test_from_request_to_signed_review(town: Town, come: Come) -> None:
    alice, bo, dana, ivy, carol = [await come(one) for one in ("alice", "bo", "dana", "ivy", "carol")]

    asked = {"target": "db1", "condition": CONDITION, "reason": "Sign-in is down.", "minutes": 30}
    request = await alice.ok("POST", "/requests", asked)
    assert request["sentence"].startswith("0 of 2 approvals. Waiting for 1 of responders (Bo, Dana), 1 of security (")
    id = request["id"]
    assert [one["id"] for one in (await bo.ok("GET", "/overview"))["to_decide"]] == [id]

    half = await decide(bo, id)
    assert half["sentence"].startswith("1 of 2 approvals. Waiting for 1 of security (Dana, Eve, Olga).")
    assert (await bo.ok("GET", "/overview"))["to_decide"] == []
    assert (await decide(dana, id))["state"] == "approved"
    grant = await town.grant(id)

    home = await alice.ok("GET", "/overview")
    assert home["whats_next"] == "Connect: ssh alice+db1@gate.example.test -p 2222"
    assert home["am_i_in"].startswith("You may connect to root on db1 until 21:30 UTC, 30 minutes")
    session = await town.session()
    assert (await alice.ok("GET", "/overview"))["am_i_in"].startswith("Yes: connected to root on db1, until")
    assert [one["id"] for one in await alice.ok("GET", "/sessions?live=true")] == [session]

    closed = await alice.ok("POST", f"/grants/{grant}/close")
    assert (closed["state"], closed["connect"]) == ("closed", "")
    await town.end_session(session)
    await town.rotate()
    assert {one["state"] for one in await alice.ok("GET", "/rotations")} == {"done"}

    text = (await ivy.ok("POST", f"/sessions/{session}/replay-statement"))["text"]
    signature = {"signature": town.people["ivy"].sign(text)}
    cast = await ivy.call("POST", f"/sessions/{session}/replay", signature)
    assert cast.headers["content-type"] == "application/x-asciicast"
    assert cast.content == b'{"version": 3}\n'

    [review] = await ivy.ok("GET", "/reviews?owed=true")
    page = await ivy.ok("GET", f"/reviews/{review['id']}")
    assert page["may_sign"]
    assert [one["done"] for one in page["items"]] == [True, True, True, False]  # nobody has written the ticket here
    assert (await carol.ok("GET", f"/reviews/{review['id']}"))["may_sign"] is False

    page = await alice.ok("GET", f"/requests/{id}")
    assert page["grant"]["id"] == grant
    assert page["review"]["id"] == review["id"]
    assert [one["by"]["login"] for one in page["approvals"]] == ["bo", "dana"]
    assert page["playbook"].startswith("Call somebody first.")
    kinds = [one["kind"] for one in page["timeline"]]
    assert [one for one in kinds if not one.startswith("rotation.")] == [
        "request.made", "request.approval", "request.approval", "request.approved", "grant.opened",
        "session.connecting", "secret.release", "session.started", "grant.closed", "session.end_wanted",
        "review.opened", "session.ended", "secret.release", "recording.replayed",
    ]  # fmt: skip
    assert kinds.count("rotation.done") == 2
    assert (await ivy.ok("GET", "/estate"))["targets"][0]["accounts"][0]["credential"] == "fresh"
    assert ACCOUNT in str(await ivy.ok("GET", "/audit/entries?kind=rotation."))
