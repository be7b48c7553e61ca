"""Shapes as JSON and back, as words, and what they never hold."""

from collections.abc import AsyncIterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import Malformed, NotFound, WrongState
from breakglass.flow import review as review_flow
from breakglass.model.dormancy import Dormancy
from breakglass.model.rotation import Rotation
from breakglass.storage.tables import ENTITIES
from breakglass.views import (
    estate,
    grants,
    log,
    overview,
    plain,
    requests,
    review_page,
    reviews,
    rotations,
    say,
    sessions,
    shapes,
    words,
)
from breakglass.views.book import Book, connect_line
from breakglass.views.standing import Standing, standings
from tests.kit import ACCOUNT, START, Town

OPEN = shapes.Vault(sealed=False, shares_entered=0, shares_needed=2, shares=3, sentence="The vault is open.")


@pytest.fixture
async def town(tmp_path: Path, database: str) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, database=database) as town:
        yield town


def book(town: Town) -> Book:
    return Book(town.estate.chain, connect_line("gate.example.test", 22))


async def every_view(town: Town, login: str) -> dict[str, Any]:
    """What one person sees, each in its shape."""
    actor, names = town.actor(login), book(town)
    found: dict[str, Any] = {
        "overview": await town.store.read(overview.overview, names, actor, vault=OPEN),
        "estate": await town.store.read(estate.estate, names),
        "requests": await town.store.read(requests.listed, names, actor),
        "grants": await town.store.read(grants.listed, names, actor, live=False),
        "sessions": await town.store.read(sessions.listed, names, actor, live=False),
        "rotations": await town.store.read(rotations.listed, names, owed=False),
        "reviews": await town.store.read(reviews.listed, names, actor, owed=False),
        "entries": await town.store.read(log.listed, names, limit=1000),
    }
    for one in found["requests"]:
        found[f"page {one.id}"] = await town.store.read(requests.page, names, actor, one.id)
    for one in found["reviews"]:
        found[f"page {one.id}"] = await town.store.read(review_page.page, names, actor, one.id, review_flow.items)
    return found


async def test_json_and_back_is_the_same(town: Town) -> None:
    _, grant = await town.granted()
    session = await town.session()
    await town.close(grant)
    await town.end_session(session)
    await town.ask("bo", "plc", account="ops")
    for value in (await every_view(town, "ivy")).values():
        for one in value if isinstance(value, tuple) else [value]:
            assert plain.from_json(type(one), plain.to_json(one)) == one
            assert plain.from_json(type(one), {**plain.to_json(one), "newer": 1}) == one


async def test_words_for_every_view(town: Town) -> None:
    request, grant = await town.granted()
    session = await town.session()
    seen = await every_view(town, "alice")
    home = words.text(words.overview(seen["overview"]))
    assert "Am I in?               Yes: connected to root on db1, until 21:30 UTC" in home
    assert "ssh alice+db1@gate.example.test" in home
    page = words.text(words.request_page(seen[f"page {request}"]))
    assert "Connect:   ssh alice+db1@gate.example.test" in page
    assert page.endswith("Playbook:\n  Call somebody first.\n  Then ask.\n")
    await town.close(grant)
    await town.end_session(session)
    await town.rotate()
    seen = await every_view(town, "ivy")
    [review] = seen["reviews"]
    assert "[x] The password was changed and proven" in words.text(words.review_page(seen[f"page {review.id}"]))
    assert "Sign it: breakglass review sign" in words.text(words.review_page(seen[f"page {review.id}"]))
    assert session in words.text(words.sessions(seen["sessions"]))
    assert "complete" in words.text(words.recordings(seen["sessions"]))
    assert "the new password was accepted, the old one refused" in words.text(words.rotations(seen["rotations"]))
    assert "1 of responders, 1 of security must agree within 1 hour; access for up to 4 hours" in words.text(
        words.estate(seen["estate"])
    )
    assert "The quorum is met" in words.text(words.entries(seen["entries"]))
    for empty in (words.requests, words.sessions, words.recordings, words.rotations, words.reviews, words.entries):
        assert "no" in words.text(empty([])).lower()


async def test_history_keeps_the_names_of_people_and_accounts_that_left(town: Town) -> None:
    request = await town.ask("alice")
    names = book(town)
    here = town.estate.chain.head
    gone = {id: one for id, one in here.people.items() if id != "usr_alice"}
    from dataclasses import replace

    after = replace(here, version=1, people=gone, accounts={}, _logins={one.login: one for one in gone.values()})
    names.chain = replace(names.chain, rosters=(here, after))
    page = await town.store.read(requests.page, names, town.actor("ivy"), request)
    assert page.request.by.name == "Alice"
    assert page.request.place.target == "db1"
    assert page.request.sentence.startswith("The estate does not have this account any more")


async def test_a_requester_does_not_see_others(town: Town) -> None:
    request, grant = await town.granted("bo")
    await town.session("bo")
    names, alice = book(town), town.actor("alice")
    seen = await every_view(town, "alice")
    assert not seen["requests"] + seen["grants"] + seen["sessions"] + seen["reviews"]
    with pytest.raises(NotFound):
        await town.store.read(requests.page, names, alice, request)
    with pytest.raises(NotFound):
        await town.store.read(grants.one, names, alice, grant)


async def test_what_time_has_ended_is_shown_as_ended_before_anybody_swept(town: Town) -> None:
    pending = await town.ask("bo", "plc", account="ops")
    request, _ = await town.granted()
    town.clock.go(minutes=61)
    seen = await every_view(town, "ivy")
    states = {one.id: one.state for one in seen["requests"]}
    assert states == {pending: "expired", request: "approved"}
    assert [(one.state, one.connect) for one in seen["grants"]] == [("expired", "")]
    alice = (await every_view(town, "alice"))["overview"]
    assert (alice.am_i_in, alice.grants, alice.requests) == ("No. You have no live grant.", (), ())


async def test_accounts_say_where_their_credential_stands(town: Town) -> None:
    async def credentials() -> dict[str, str]:
        found = (await every_view(town, "ivy"))["estate"]
        return {account.id: account.credential for target in found.targets for account in target.accounts}

    assert await credentials() == {ACCOUNT: "fresh", "acc_plc-root": "fresh", "acc_plc-ops": "fresh"}
    _, grant = await town.granted()
    session = await town.session()
    assert (await credentials())[ACCOUNT] == "exposed"
    await town.end_session(session)
    await town.close(grant)
    assert (await credentials())[ACCOUNT] == "owed"
    rotation = ENTITIES[Rotation]
    with town.store.engine.begin() as conn:
        conn.execute(rotation.update().where(rotation.c.account == ACCOUNT), {"state": "reconcile"})
    assert await credentials() == {ACCOUNT: "failed", "acc_plc-root": "fresh", "acc_plc-ops": "fresh"}
    since = (await town.store.read(standings, ACCOUNT))[ACCOUNT].since
    with town.store.engine.begin() as conn:
        conn.execute(rotation.update().where(rotation.c.account == ACCOUNT), {"state": "done", "done_at": since})
    assert await town.store.read(standings, ACCOUNT) == {ACCOUNT: Standing("fresh", since)}
    with town.store.engine.begin() as conn:
        conn.execute(ENTITIES[Dormancy].insert(), {"id": ACCOUNT, "state": "disabled", "since": since})
    assert await town.store.read(standings, ACCOUNT) == {ACCOUNT: Standing("dormant", since)}


async def test_an_account_without_a_credential_says_so_and_takes_no_request(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        found = (await every_view(town, "ivy"))["estate"]
        assert {account.credential for target in found.targets for account in target.accounts} == {"none"}
        with pytest.raises(WrongState, match="No credential is stored"):
            await town.ask()


def test_no_shape_has_a_place_for_a_secret() -> None:
    for shape in vars(shapes).values():
        if is_dataclass(shape):
            assert not {one.name for one in fields(shape)} & {"token", "sealed_blob", "secret", "password", "candidate"}


@given(st.text(max_size=200))
def test_no_text_moves_the_cursor(text: str) -> None:
    line = words.plain(text)
    assert line.isprintable() or not line
    assert words.text([text, text]).count("\n") == 2


@pytest.mark.parametrize(
    ("text", "minutes"), [("30m", 30), ("30", 30), ("2h", 120), ("1h30m", 90), ("1h5", 65), ("10080m", 10080)]
)
def test_how_long(text: str, minutes: int) -> None:
    assert say.minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "0m", "-5m", "5s", "m", "h", "1.5h", "30 m", "\u0663\u0660m", "9" * 20])
def test_what_is_not_how_long(text: str) -> None:
    with pytest.raises(Malformed):
        say.minutes_of(text)


def test_spans_are_rounded_down() -> None:
    said = [say.span(timedelta(seconds=one)) for one in (-5, 0, 1, 59, 119, 3600, 7259, 7260, 200_000)]
    assert said[:5] == ["0 seconds", "0 seconds", "1 second", "59 seconds", "1 minute"]
    assert said[5:] == ["1 hour", "2 hours", "2 hours 1 minute", "2 days"]
    assert say.at(START, START) == "21:00 UTC"
    assert say.at(START, START + timedelta(days=1)) == "2026-11-23 21:00 UTC"


@pytest.mark.parametrize("value", [None, 1, "x", [], {}, {"size": "3", "note": ""}, {"size": 1}])
def test_an_answer_of_another_shape_is_no_shape(value: Any) -> None:
    with pytest.raises(Malformed, match="Checkpoint"):
        plain.from_json(shapes.Checkpoint, value)


def test_instants_keep_their_offset() -> None:
    one = shapes.Line(at=datetime(2026, 11, 23, 21, 0, tzinfo=UTC), text="x")
    assert plain.to_json(one) == {"at": "2026-11-23T21:00:00+00:00", "text": "x"}
