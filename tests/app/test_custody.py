"""Custody items from the step's side: two people, once, in order; what is told; the request that it was for."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit import custody as custodies
from breakglass.errors import (
    AlreadyApproved,
    BadSignature,
    BreakglassError,
    Expired,
    Forbidden,
    Malformed,
    NotFound,
    WrongState,
)
from breakglass.flow import custody as flow
from breakglass.model.custody import Act
from breakglass.storage import outbox
from breakglass.views import custody as views
from breakglass.views.book import Book
from breakglass.vigilance.scene import Scene
from breakglass.vigilance.sentences import sentence
from tests.kit import ACCOUNT, Town
from tests.vigilance.test_witnesses import kinds

KEY, ENVELOPE = "itm_key-1", "itm_envelope"
HOURS = timedelta(hours=1)


def with_items(estate: dict[str, Any]) -> None:
    estate["custody"] = {
        KEY: {
            "name": "Security key 1",
            "opens": "The tenant's emergency account",
            "place": "Safe A, room 12",
            "account": ACCOUNT,
            "out_hours": 8,
            "inspect_days": 90,
        },
        ENVELOPE: {"name": "Envelope 4", "opens": "The plant's engineering station", "place": "Safe B"},
    }


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, change=with_items) as town:
        yield town


async def begins(town: Town, login: str, step: Any, id: str = KEY, **said: Any) -> str:
    return str((await town.do(login, step, town.estate.chain, id, **said)).text())


async def signs(town: Town, login: str, text: str, id: str = KEY, by: str = "") -> Act | None:
    done: Act | None = await town.do(by or login, flow.sign, town.estate.chain, id, town.people[login].sign(text), text)
    return done


async def both(town: Town, first: str, second: str, step: Any, id: str = KEY, **said: Any) -> Act | None:
    assert await signs(town, first, await begins(town, first, step, id, **said), id) is None
    return await signs(town, second, await begins(town, second, flow.again, id), id)


def taken(**more: Any) -> dict[str, Any]:
    return {"seal": "A1", "lasts": 4 * HOURS, "because": "The tenant locks everybody out.", **more}


async def inspected(town: Town, seal: str = "A1", id: str = KEY) -> None:
    assert await both(town, "ivy", "carol", flow.inspect, id, seal=seal) is Act.INSPECTION


async def shown(town: Town, id: str = KEY) -> Any:
    return (await town.store.read(views.page, Book(town.estate.chain, str), id)).item


async def told(town: Town, kind: str) -> list[Any]:
    found = [await town.store.read(outbox.told, n) for n in range(town.log.size)]
    return [one for one in found if one.kind == kind]


async def test_out_and_back(town: Town) -> None:
    assert (await shown(town)).state == "unseen"  # the estate has it for 30 days
    await inspected(town)
    assert (await shown(town)).state == "in"
    assert await both(town, "alice", "carol", flow.take, **taken()) is Act.CHECK_OUT
    item = await shown(town)
    assert (item.state, item.holder.login, item.sentence[:14]) == ("out", "alice", "Alice has it s")
    assert await both(town, "alice", "cem", flow.give_back, seal="a 2") is Act.RETURN
    item = await shown(town)
    assert (item.state, item.seal, item.holder) == ("in", "A2", None)
    await inspected(town, "A2")
    assert [kind for kind in await kinds(town) if kind.startswith("custody.") and not kind.endswith("signed")] == [
        "custody.inspected", "custody.taken", "custody.returned", "custody.inspected",
    ]  # fmt: skip
    [entry] = await told(town, "custody.taken")
    assert {name: entry.data[name] for name in ("number", "seal", "recorded", "holder", "statements")} == {
        "number": 2,
        "seal": "A1",
        "recorded": "A1",
        "holder": "usr_alice",
        "statements": 2,
    }
    await town.verify()


async def test_a_custodian_prepares_it_for_who_takes_it(town: Town) -> None:
    await inspected(town)
    text = await begins(town, "carol", flow.take, **taken(holder="usr_alice"))
    assert await signs(town, "carol", text) is None
    # A second custodian's word is no one's who takes it.
    text = await begins(town, "cem", flow.again)
    assert await signs(town, "cem", text) is None
    assert (await shown(town)).state == "in"
    # Brought by somebody else, it counts for who signed it.
    text = await begins(town, "alice", flow.again)
    assert await signs(town, "alice", text, by="bo") is Act.CHECK_OUT
    [entry] = await told(town, "custody.taken")
    assert entry.data["statements"] == 3
    await town.verify()


async def test_whose_word_does_not_count(town: Town) -> None:
    await inspected(town)
    for login in ("adam", "eve", "dana"):
        with pytest.raises(Forbidden):
            await begins(town, login, flow.take, **taken())
    with pytest.raises(Malformed, match="can't hold it"):
        await begins(town, "ivy", flow.take, **taken())
    text = await begins(town, "ivy", flow.take, **taken(holder="usr_alice"))
    with pytest.raises(BadSignature, match="does not count"):
        await signs(town, "ivy", text)
    text = await begins(town, "bo", flow.inspect, seal="A1")
    with pytest.raises(BadSignature, match="does not count"):
        await signs(town, "bo", text)
    # One person is never two.
    text = await begins(town, "carol", flow.take, **taken())
    assert await signs(town, "carol", text) is None
    again = await begins(town, "carol", flow.again)
    with pytest.raises(AlreadyApproved, match="You have signed"):
        await signs(town, "carol", again)
    assert (await shown(town)).state == "in"
    await town.verify()


async def test_each_statement_serves_once_and_in_its_moment(town: Town) -> None:
    await inspected(town)
    text = await begins(town, "alice", flow.take, **taken())
    assert await signs(town, "alice", text) is None
    with pytest.raises(AlreadyApproved, match="brought before"):
        await signs(town, "alice", text)
    old = await begins(town, "carol", flow.again)
    other = await begins(town, "cem", flow.again)
    await signs(town, "cem", other)
    with pytest.raises(WrongState, match="meanwhile"):
        await signs(town, "carol", old)
    with pytest.raises(WrongState, match="It is out"):
        await begins(town, "carol", flow.inspect, seal="A1")
    late = await begins(town, "carol", flow.give_back, seal="A2")
    town.clock.go(hours=2)
    with pytest.raises(Expired):
        await signs(town, "carol", late)
    with pytest.raises(NotFound, match="waits for a signature"):
        await begins(town, "carol", flow.again)
    await both(town, "carol", "cem", flow.give_back, seal="A2")
    await town.verify()


async def test_a_signature_comes_back_without_its_text(town: Town) -> None:
    text = await begins(town, "ivy", flow.inspect, seal="A1")
    assert await town.do("ivy", flow.sign, town.estate.chain, KEY, town.people["ivy"].sign(text)) is None
    text = await begins(town, "carol", flow.again)
    done = await town.do("carol", flow.sign, town.estate.chain, KEY, town.people["carol"].sign(text))
    assert done is Act.INSPECTION
    with pytest.raises(BreakglassError, match="No statement of yours"):
        await town.do("eve", flow.sign, town.estate.chain, KEY, town.people["carol"].sign(text))


async def test_two_who_read_different_seals_do_not_agree(town: Town) -> None:
    await signs(town, "ivy", await begins(town, "ivy", flow.inspect, seal="A1"))
    assert await signs(town, "carol", await begins(town, "carol", flow.inspect, seal="A7")) is None
    assert (await shown(town)).state == "unseen"
    # `again` is what was said last: whoever stands by the other number signs that one anew.
    assert await signs(town, "ivy", await begins(town, "ivy", flow.inspect, seal="A7")) is Act.INSPECTION
    assert (await shown(town)).seal == "A7"
    await town.verify()


async def test_what_nobody_may_ask_for(town: Town) -> None:
    await inspected(town)
    no: list[tuple[Any, dict[str, Any], str]] = [
        (flow.take, taken(lasts=9 * HOURS), "1 to 8 hours"),
        (flow.take, taken(lasts=timedelta()), "1 to 8 hours"),
        (flow.take, taken(because=" "), "does not say why"),
        (flow.take, taken(seal="missing"), "no seal number"),
        (flow.take, taken(request="req_gone"), "no request"),
        (flow.give_back, {"seal": "A2"}, "not out"),
    ]
    for step, said, words in no:
        with pytest.raises(BreakglassError, match=words):
            await begins(town, "carol", step, **said)
    with pytest.raises(NotFound):
        await begins(town, "carol", flow.inspect, "itm_gone", seal="A1")
    other = await town.ask("alice", "plc", account="root")
    with pytest.raises(Malformed, match="another account"):
        await begins(town, "alice", flow.take, **taken(request=other))
    await both(town, "alice", "carol", flow.take, **taken())
    with pytest.raises(WrongState, match="had this seal before"):
        await begins(town, "carol", flow.give_back, seal="A1")


@pytest.mark.parametrize("seal", ["B9", "broken", "missing"])
async def test_another_seal_is_a_finding_that_alerts_and_stands(town: Town, seal: str) -> None:
    await inspected(town)
    await inspected(town, seal)
    item = await shown(town)
    assert item.state == "finding"
    assert "Take it out" in item.finding
    [entry] = await told(town, "custody.finding")
    said = sentence(Scene(entry, town.estate.roster, None))
    assert said is not None
    assert said.severity.value == "critical"
    assert "Security key 1 (Safe A, room 12) is not as it was left" in said.title
    if seal == "missing":
        with pytest.raises(WrongState, match="not in its place"):
            await begins(town, "alice", flow.take, **taken())
        await inspected(town)  # it turned up
    now = (await shown(town)).seal
    await both(town, "alice", "carol", flow.take, **taken(seal=now))
    await both(town, "alice", "carol", flow.give_back, seal="C1")
    assert (await shown(town)).state == "finding"
    await inspected(town, "C1")
    assert (await shown(town)).state == "in"
    await town.verify()


async def test_overdue_is_told_once_and_turns_the_account_red(town: Town) -> None:
    request = await town.ask("alice")
    await inspected(town)
    await inspected(town, id=ENVELOPE)
    await both(town, "alice", "carol", flow.take, **taken(request=request))
    assert await town.store.read(flow.overdue, town.estate.chain) == []
    town.clock.go(hours=4)
    book = Book(town.estate.chain, str)
    assert await town.store.read(views.by_account, book) == {ACCOUNT: "overdue"}
    listed = await town.store.read(views.listed, book)
    assert [one.state for one in listed.items] == ["overdue", "in"]
    assert listed.sentence == "1 of 2 needs somebody now."
    for _ in range(3):
        await town.system(flow.note_overdue, town.estate.chain)
    [entry] = await told(town, "custody.overdue")
    assert entry.data["request"] == request
    said = sentence(Scene(entry, town.estate.roster, None))
    assert said is not None
    assert said.title == "OVERDUE: Security key 1 (Safe A, room 12) is not back"
    await both(town, "carol", "cem", flow.give_back, seal="A2")  # who has it is not to be found
    assert await town.store.read(views.by_account, book) == {ACCOUNT: "in"}
    await town.verify()


async def test_what_nobody_looks_at_is_told_once_for_each_time(town: Town) -> None:
    await town.system(flow.note_overdue, town.estate.chain)  # founded 30 days ago, and never looked at
    await town.system(flow.note_overdue, town.estate.chain)
    assert sorted(one.about for one in await told(town, "custody.unseen")) == [ENVELOPE, KEY]
    await inspected(town)
    assert await town.store.read(flow.overdue, town.estate.chain) == []
    town.clock.go(days=90)
    assert (await shown(town)).state == "unseen"
    await town.system(flow.note_overdue, town.estate.chain)
    assert [one.about for one in await told(town, "custody.unseen")][2:] == [KEY]
    await town.verify()


async def test_it_stands_with_the_request_that_it_was_for(town: Town) -> None:
    request, _ = await town.granted()
    await inspected(town)
    await both(town, "alice", "carol", flow.take, **taken(request=request))
    await both(town, "alice", "carol", flow.give_back, seal="A2")
    found = await town.store.read(custodies.of_request, request)
    assert [(await town.store.read(outbox.told, n)).kind for n in found] == ["custody.taken", "custody.returned"]
