"""Custody in the evidence: what two people did with an item holds, from the whole log and from the bundle of the
request that it was for. What one person did alone does not, nor what was bent, for either verifier."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit.verify import verify
from breakglass.flow import custody as flow
from breakglass.model.change import Fact
from tests.audit.kit import World, sign
from tests.audit.test_bundle import Doc, edit, exported, judged, rebuilt, refused
from tests.audit.test_bundle import index_of as place_of

ITEM = "itm_key-1"
CUSTODY = {
    ITEM: {
        "name": "Security key 1",
        "opens": "The tenant's emergency account",
        "place": "Safe A",
        "account": "acc_db1-root",
        "out_hours": 8,
    },
    "itm_key-2": {"name": "Security key 2", "opens": "The same", "place": "Safe B"},
}


@dataclass
class Told:
    path: Path
    pin: str
    data: bytes

    def doc(self) -> Doc:
        found: Doc = json.loads(self.data)
        return found


def both(world: World, step: Callable[..., Any], *names: str, **said: Any) -> None:
    text = world.run(world.who(names[0]), step, world.chain, ITEM, **said).text()
    for name in names:
        text = world.run(world.who(name), flow.again, world.chain, ITEM).text() if name != names[0] else text
        world.run(world.who(name), flow.sign, world.chain, ITEM, sign(text, name).signature, text)


def story(folder: Path) -> World:
    world = World(folder / "breakglass.db", estate={"custody": CUSTODY})
    use = world.use
    both(world, flow.inspect, "dora", "eve", seal="A1")

    def used(session: str, recording: str, *more: Any) -> None:
        why = {"because": "It is for db1.", "request": "req_one"}
        both(world, flow.take, "alice", "finn", seal="A1", lasts=timedelta(hours=4), **why)
        use(session, recording, *more)
        both(world, flow.give_back, "finn", "eve", seal="A2")

    world.use = used  # type: ignore[method-assign,assignment]
    world.story()
    return world


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("custody")
    world = story(folder)
    data = exported(world, "req_one")
    world.stop()
    return Told(folder / "breakglass.db", world.pin, data)


def test_it_holds(told: Told) -> None:
    report = verify(f"sqlite:///{told.path}", pin=told.pin)
    assert report.ok, report.findings
    assert judged(told.data, told.pin) == ("", "")
    kinds = [json.loads(one["leaf"])["kind"] for one in told.doc()["entries"]]
    assert [kind for kind in kinds if kind.startswith("custody.")] == ["custody.taken", "custody.returned"]


def alone(data: Doc) -> None:
    """As somebody writes it who holds the log's key: one person took it."""
    del data["statement-1"], data["signature-1"]
    data["statements"] = 1


def same_twice(data: Doc) -> None:
    data["statement-1"], data["signature-1"] = data["statement-0"], data["signature-0"]


def another_seal(data: Doc) -> None:
    data["seal"] = "A9"


def another_holder(data: Doc) -> None:
    data["holder"] = "usr_bo"


def longer(data: Doc) -> None:
    data["until"] = "2030-01-01T00:00:00+00:00"
    for n in (0, 1):
        data[f"statement-{n}"] = data[f"statement-{n}"].replace("until: 2026", "until: 2030")


def for_nothing(data: Doc) -> None:
    data.pop("request")


def reworded(data: Doc) -> None:
    for n in (0, 1):
        data[f"statement-{n}"] = data[f"statement-{n}"].replace("holder: usr_alice", "holder: usr_finn")
    data["holder"] = "usr_finn"


def fewer(data: Doc) -> None:
    data["statements"] = 1


BENT = [alone, same_twice, another_seal, another_holder, longer, for_nothing, reworded, fewer]


def bent_story(folder: Path, monkeypatch: pytest.MonkeyPatch, bent: str, change: Callable[[Doc], None]) -> World:
    """A node that whoever runs it has bent: everything is signed as ever, and every head that people saw is true."""

    def fact(kind: str, about: str, data: Doc) -> Fact:
        if kind == bent:
            change(data)
        return Fact(kind, about, data)

    with monkeypatch.context() as patch:
        patch.setattr(flow, "Fact", fact)
        return story(folder)


@pytest.mark.parametrize("change", BENT)
@pytest.mark.parametrize("kind", ["custody.taken", "custody.returned"])
def test_a_bent_turn_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, change: Callable[[Doc], None]
) -> None:
    if kind == "custody.returned" and change is longer:
        return
    world = bent_story(tmp_path, monkeypatch, kind, change)
    data = exported(world, "req_one")
    world.stop()
    [found] = [one for one in verify(world.url, pin=world.pin).findings if one.level == "statement"]
    assert f"The {kind}'s statement does not hold" in found.words
    if change is not for_nothing:  # then it is not in the bundle at all
        for words in refused(data, world.pin):
            assert words.startswith(f"entry {found.index}"), words


@pytest.mark.parametrize("kind", ["custody.taken", "custody.returned"])
def test_a_bundle_in_which_a_turn_was_bent_is_refused(told: Told, kind: str) -> None:
    for change in BENT:
        doc = told.doc()
        edit(doc, kind, change)
        refused(doc, told.pin)
        refused(rebuilt(doc), told.pin)


def test_a_return_without_its_check_out_is_refused(told: Told) -> None:
    doc = told.doc()
    del doc["entries"][place_of(doc, "custody.taken")]
    refused(doc, told.pin)
    refused(rebuilt(doc), told.pin)


@pytest.mark.parametrize("kind", ["check-out", "return"])
def test_two_people_of_whom_none_is_a_custodian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The node takes whoever comes; those who verify do not."""
    world = World(tmp_path / "breakglass.db", estate={"custody": CUSTODY})
    world.deposit()
    both(world, flow.inspect, "dora", "eve", seal="A1")
    id = world.ask("req_one")
    said: dict[str, Any] = {"seal": "A1", "lasts": timedelta(hours=1), "because": "So.", "request": id}
    last: tuple[Any, ...] = (flow.take, "alice", "dora")
    if kind == "return":
        both(world, flow.take, "alice", "eve", **said)
        last, said = (flow.give_back, "alice", "dora"), {"seal": "A2"}
    with monkeypatch.context() as patch:
        patch.setattr("breakglass.model.custody.counts", lambda *_: True)
        patch.setattr("breakglass.model.custody.enough", lambda _act, signers, _holder: len(signers) > 1)
        both(world, *last, **said)
    world.deny(id, "bo")
    data = exported(world, id)
    world.stop()
    assert any("does not count" in one.words for one in verify(world.url, pin=world.pin).findings)
    for words in refused(data, world.pin):
        assert "does not count" in words


def test_turns_that_could_not_be_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken out twice, as a node would have it that forgot the first time."""
    world = World(tmp_path / "breakglass.db", estate={"custody": CUSTODY})
    both(world, flow.inspect, "dora", "eve", seal="A1")
    said = {"seal": "A1", "lasts": timedelta(hours=1), "because": "So."}
    both(world, flow.take, "alice", "finn", **said)
    with monkeypatch.context() as patch:
        patch.setattr("breakglass.model.custody.Custody.problem", lambda *_: "")
        both(world, flow.take, "finn", "eve", **said)
    world.stop()
    [found] = verify(world.url, pin=world.pin).findings
    assert "could not be done then. It is out." in found.words
