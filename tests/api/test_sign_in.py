"""Signing in: one text, one use, one key; failures are limited and never hold up a key that is right."""

from dataclasses import replace

import pytest
from fastapi import FastAPI

from breakglass.api.app import make
from breakglass.errors import Expired
from breakglass.flow import enrol
from breakglass.http import attempts
from breakglass.http.attempts import Challenges
from tests.api.client import Client
from tests.api.conftest import Come
from tests.kit import Person, Town


async def signed(client: Client, login: str, by: Person, namespace: str = "breakglass-sign-in") -> dict[str, str]:
    text = (await client.ok("POST", "/sign-in/challenge"))["text"]
    return {"login": login, "text": text, "signature": by.sign(text, namespace)}


async def test_a_token_is_a_short_lived_secret(town: Town, come: Come) -> None:
    alice = await come("alice")
    token = alice.http.headers["Authorization"].removeprefix("Bearer ")
    assert (await alice.ok("GET", "/overview"))["person"] == {"id": "usr_alice", "login": "alice", "name": "Alice"}
    stored = await town.stored()
    assert b"sgn_" in stored  # the search finds what is there
    assert token.encode() not in stored
    town.clock.go(minutes=29)
    await alice.ok("GET", "/overview")
    town.clock.go(minutes=2)
    await alice.refused(401, "not_signed_in", "GET", "/overview")


async def test_signing_out_makes_the_token_worthless(come: Come) -> None:
    alice, other = await come("alice"), await come("alice")
    await alice.ok("DELETE", "/sign-in")
    await alice.refused(401, "not_signed_in", "GET", "/overview")
    await other.ok("GET", "/overview")


async def test_one_s_sign_ins_are_listed_and_ended(come: Come) -> None:
    here, there, bo = await come("alice"), await come("alice"), await come("bo")
    listed = await here.ok("GET", "/sign-ins")
    assert [one["here"] for one in listed].count(True) == 1
    [other] = [one["id"] for one in listed if not one["here"]]
    assert len(await bo.ok("GET", "/sign-ins")) == 1
    await bo.refused(404, "not_found", "DELETE", f"/sign-ins/{other}")
    await there.ok("GET", "/overview")
    await here.ok("DELETE", f"/sign-ins/{other}")
    await there.refused(401, "not_signed_in", "GET", "/overview")
    assert [one["here"] for one in await here.ok("GET", "/sign-ins")] == [True]


async def test_a_link_to_enrol_is_made_for_somebody_who_is_there(town: Town) -> None:
    settings = replace(town.settings, web_origin="https://gate.kit.example.test:8422")
    carol = await Client(make(replace(town.services(), settings=settings)), town, "carol").sign_in()
    await carol.refused(404, "not_found", "POST", "/people/nobody/invitation")
    made = await carol.ok("POST", "/people/bo/invitation")
    address, _, token = made["link"].partition("#")
    assert (address, made["person"]) == ("https://gate.kit.example.test:8422/enrol", "usr_bo")
    assert (await town.store.read(enrol.look_up, token)).by == "usr_carol"
    assert token.encode() not in await town.stored()
    town.clock.go(hours=24)
    with pytest.raises(Expired):
        await town.store.read(enrol.look_up, token)


async def test_what_does_not_sign_in(app: FastAPI, town: Town) -> None:
    client, people = Client(app, town), town.people
    used = await signed(client, "alice", people["alice"])
    await client.ok("POST", "/sign-in", used)
    await client.refused(410, "expired", "POST", "/sign-in", used)

    await client.refused(403, "forbidden", "POST", "/sign-in", await signed(client, "alice", people["bo"]))
    await client.refused(403, "forbidden", "POST", "/sign-in", await signed(client, "nobody", people["alice"]))
    statement = await signed(client, "alice", people["alice"], "breakglass")
    await client.refused(403, "bad_signature", "POST", "/sign-in", statement)

    late = await signed(client, "alice", people["alice"])
    town.clock.go(minutes=3)
    await client.refused(410, "expired", "POST", "/sign-in", late)
    made_up = {**late, "text": late["text"].replace("nonce: ", "nonce: 0")}
    await client.refused(410, "expired", "POST", "/sign-in", made_up)

    [*_, told] = await (await Client(app, town, "ivy").sign_in()).ok("GET", "/audit/entries?kind=sign_in.refused")
    assert told["text"] == "A sign-in as alice from 127.0.0.1 was refused (expired)."


async def test_failures_are_limited_and_a_right_key_never(app: FastAPI, town: Town) -> None:
    client, eve = Client(app, town), Person("eve")
    codes = []
    for _ in range(attempts.FAILURES + 5):
        answer = await client.call("POST", "/sign-in", await signed(client, "alice", eve))
        codes.append(answer.status_code)
    assert codes == [403] * attempts.FAILURES + [429] * 5
    told = await (await Client(app, town, "ivy").sign_in()).ok("GET", "/audit/entries?kind=sign_in.refused")
    assert len(told) == attempts.FAILURES  # a flood does not fill the log
    await client.ok("POST", "/sign-in", await signed(client, "alice", town.people["alice"]))


def test_texts_on_offer_are_capped_and_the_busiest_address_pays() -> None:
    now = [0.0]
    offered = Challenges(lambda: now[0])
    offered.give("192.0.2.1", "mine")
    for n in range(attempts.OVERALL * 2):
        offered.give(f"198.51.100.{n % 200}", f"text {n}")
    offered.take("mine")
    assert len(offered._until) <= attempts.OVERALL
    assert len(offered._from) == len(offered._until) == sum(map(len, offered._at.values()))
    offered.give("192.0.2.1", "old")
    now[0] += 121
    offered.give("192.0.2.1", "new")
    assert len(offered._until) == 1
    try:
        offered.take("old")
    except Expired:
        return
    raise AssertionError("an old text was taken")
