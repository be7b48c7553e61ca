"""Private values: hidden in leaves, there for whoever may read, erased by an auditor and a custodian, and never in any
other way. Judged by our verifier on the database, on tiles and on bundles, and by the standalone one."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit import bundle as bundles
from breakglass.audit import gather
from breakglass.audit.bundle_verify import verify as verify_bundle
from breakglass.audit.erasing import GONE
from breakglass.audit.export import export_tiles
from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.audit.verify_tiles import verify_tiles
from breakglass.codec import canonical
from breakglass.codec.private import ERASED, NOT_SHOWN, Opening, Unknown, commitment, hidden, hide, restore
from breakglass.errors import AlreadyApproved, BadSignature, Forbidden, Malformed, NotFound, Tampered, WrongState
from breakglass.flow import approve, close, erase, evidence
from breakglass.flow.keep import new_id
from breakglass.model.ids import GrantId
from breakglass.model.request import AccessRequest
from breakglass.model.session import Session
from breakglass.model.ticket import TicketLine
from breakglass.standalone import verify_bundle as standalone
from breakglass.storage import openings
from breakglass.trust import erasure
from breakglass.trust.tree import Frontier, leaf_hash
from tests.audit.attacks import opened
from tests.audit.in_hand import Entry, InHand
from tests.audit.kit import LOG_KEY, World, sign

ADDRESS, WHY, REASON = b"192.0.2.7", b"they left", b"Nobody can sign in."


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "breakglass.db")
    made.story()
    yield made
    made.stop()


def check(world: World) -> Report:
    return verify(world.url, pin=world.pin)


def levels(report: Report) -> dict[str, str]:
    return {one.level: one.where for one in report.findings}


def private(world: World, **which: Any) -> dict[int, tuple[str, ...]]:
    return {one.index: one.names for one in world.store.look(lambda look: openings.held(look, **which))}


def begin(world: World, name: str, *entries: int) -> str:
    id = new_id("era")
    drawn = world.run(world.who(name), erase.offer, world.chain, id, entries, "They asked for it.")
    world.run(world.who(name), erase.sign, world.chain, id, sign(drawn, name).signature)
    return id


def go_on(world: World, name: str, id: str) -> int:
    drawn = world.run(world.who(name), erase.again, world.chain, id)
    gone: int = world.run(world.who(name), erase.sign, world.chain, id, sign(drawn, name).signature)
    return gone


def erased(world: World, *entries: int) -> int:
    return go_on(world, "finn", begin(world, "dora", *entries))


def first(world: World, kind: str, about: str) -> int:
    with opened(world.path) as conn:
        sql = "SELECT idx FROM entry WHERE kind = ? AND about = ? ORDER BY idx"
        index: int = conn.execute(sql, (kind, about)).fetchone()[0]
        return index


def exported(world: World) -> bytes:
    id = world.run(world.who("dora"), evidence.export, "req_one")
    return bundles.write(world.store.look(lambda look: gather.bundle(look, "req_one", id)))


def both(data: bytes, pin: str) -> tuple[str, str]:
    """What is bad for our verifier and for the standalone one; empty when the bundle holds."""
    ours, (ok, theirs) = verify_bundle(data, pin=pin), standalone.run(data, pin)
    return ours.words, "" if ok else theirs["words"]


# -- the commitment ---------------------------------------------------------------------------------------------------
def test_a_leaf_hides_what_is_private_and_says_the_rest() -> None:
    data = {"grant": "grt_1", "from": "192.0.2.7", "why": "", "seconds": 3, "device": "Café"}
    leaf, beside = hide("session.ended", data, lambda: b"s" * 16)
    assert list(leaf) == ["grant", "from#", "why", "seconds", "device#"]
    assert hidden(leaf) == ("from", "device")
    assert restore(leaf, beside, ERASED) == data
    gone = restore(leaf, {}, ERASED)
    assert gone == {**data, "from": "(erased)", "device": "(erased)"}
    assert isinstance(gone["from"], Unknown)
    assert hide("vault.tampered", {"why": "x"}, lambda: b"")[0] == {"why": "x"}
    assert hide("grant.closed", {"why": "x"}, lambda: b"s" * 16)[0].keys() == {"why#"}
    salts = iter([b"a" * 16, b"b" * 16])
    one, other = (hide("sign_in.refused", {"login": "bo"}, lambda: next(salts))[0] for _ in range(2))
    assert one != other  # who guesses the value learns nothing without the salt


def test_what_does_not_open_is_refused() -> None:
    leaf, beside = hide("session.connecting", {"from": "192.0.2.7", "n": 1}, lambda: b"s" * 16)
    good = beside["from"]
    for wrong in (
        Opening(good.salt, "192.0.2.8"),
        Opening(b"t" * 16, good.value),
        Opening(good.salt[:15], good.value),
        Opening(good.salt + b"f", good.value),
        Opening(b"", "s" * 16),
    ):
        with pytest.raises(Tampered):
            restore(leaf, {"from": wrong}, ERASED)
    for strange in ({"n": good}, {"from": good, "device": good}):
        with pytest.raises(Tampered):
            restore(leaf, strange, ERASED)
    for shape in ({**leaf, "from": "x"}, {"from#": 7}, {"from#": "x"}, {"from#": commitment("from", good) + "\n"}):
        with pytest.raises(Malformed):
            restore(shape, {}, NOT_SHOWN)


# -- hidden, and there ------------------------------------------------------------------------------------------------
def test_no_leaf_and_no_tile_holds_them(world: World, tmp_path: Path) -> None:
    done = export_tiles(world.url, tmp_path / "tiles", pin=world.pin)
    leaves = b"".join(path.read_bytes() for path in (tmp_path / "tiles/tile/entries").rglob("*") if path.is_file())
    assert done.size == world.log.size
    assert ADDRESS not in leaves
    assert WHY not in leaves
    assert leaves.count(REASON) == 2  # in the two approvals, which people signed whole
    assert len(private(world)) == 6
    report = verify_tiles(tmp_path / "tiles", pin=world.pin)
    assert report.ok, report.in_words()
    assert report.not_shown == 6
    assert any("6 private values are not kept here" in line for line in report.in_words())
    assert check(world).ok


def test_what_was_asked_for_is_compared_with_what_was_approved(world: World) -> None:
    """The opening of a reason is as good as the reason: one that does not fit the approval is found."""
    index = first(world, "request.made", "req_one")
    with opened(world.path) as conn:
        conn.execute("UPDATE opening SET value = 'Everybody can sign in.' WHERE idx = ?", (index,))
    assert levels(check(world))["private"] == f"entry {index}"


# -- erased -----------------------------------------------------------------------------------------------------------
def test_a_session_s_values_go_and_everything_else_stays(world: World) -> None:
    index = first(world, "session.connecting", "ses_one")
    ended = first(world, "session.ended", "ses_one")
    world.tell("req_one", "session.ended", ended)
    before, size = exported(world), world.log.size
    root = check(world).root
    assert erased(world, index) == 2  # with the end's words, which the same row follows from
    assert private(world, about="ses_one") == {}
    session = world.store.look(lambda look: look.get(Session, "ses_one"))
    assert (session.from_address, session.why) == ("(erased)", "(erased)")
    [line] = world.store.look(lambda look: look.find(TicketLine, id=f"line_{ended}"))
    assert line.text == "(erased)"
    report = check(world)
    assert report.ok, report.in_words()
    assert (report.erased, report.as_json()["levels"]["private"]) == (2, "holds")
    assert any(line.startswith("Private values of 2 entries were erased") for line in report.in_words())
    world.store.scrub()
    assert ADDRESS not in b"".join(path.read_bytes() for path in world.path.parent.glob("breakglass.db*"))

    after = exported(world)
    assert both(before, world.pin) == both(after, world.pin) == ("", "")  # what was handed out still verifies
    assert ADDRESS in before
    assert ADDRESS not in after
    proven = [one for one in json.loads(after)["entries"] if one["index"] == index]
    assert "opened" not in proven[0]
    assert world.log.size > size
    with opened(world.path) as conn:  # the bytes of the log are what they were
        leaves = [leaf for (leaf,) in conn.execute("SELECT leaf FROM entry ORDER BY idx")]
    tree = Frontier()
    for leaf in leaves[:size]:
        tree.add(leaf_hash(leaf))
    assert b64encode(tree.root()).decode() == root


def test_a_reason_that_nobody_approved_goes(world: World) -> None:
    assert erased(world, first(world, "request.made", "req_cancelled"), first(world, "request.made", "req_denied")) == 2
    assert world.store.look(lambda look: look.get(AccessRequest, "req_cancelled")).reason == "(erased)"
    assert check(world).ok


def test_all_of_a_person_that_can_go(world: World) -> None:
    wanted, left = world.store.look(erase.of_person, "usr_alice", "usr_dora")
    kinds = {first(world, "request.made", f"req_{one}") for one in ("denied", "cancelled")}
    assert kinds < set(wanted)
    assert left == 1  # the reason that was approved
    assert erased(world, *wanted) >= len(wanted)
    assert check(world).ok
    with pytest.raises(NotFound, match="holds no private value"):
        begin(world, "dora", *wanted)


def test_who_may(world: World) -> None:
    index = first(world, "session.connecting", "ses_one")
    for name in ("alice", "bo"):
        with pytest.raises(Forbidden):
            begin(world, name, index)
    id = begin(world, "eve", index)
    with pytest.raises(AlreadyApproved):
        go_on(world, "eve", id)
    assert go_on(world, "finn", id) == 0  # two custodians, and no auditor
    assert private(world, indexes=[index])
    with pytest.raises(NotFound, match="Nobody has begun"):
        world.run(world.who("dora"), erase.again, world.chain, "era_none")
    with pytest.raises(Malformed, match="why"):
        world.run(world.who("dora"), erase.offer, world.chain, new_id("era"), [index], " ")
    other = first(world, "request.made", "req_denied")
    drawn = world.run(world.who("dora"), erase.offer, world.chain, id, [other], "Another one.")
    with pytest.raises(BadSignature, match="other entries"):
        world.run(world.who("dora"), erase.sign, world.chain, id, sign(drawn, "dora").signature, drawn.text())
    drawn = world.run(world.who("dora"), erase.again, world.chain, id)
    with pytest.raises(BadSignature):
        world.run(world.who("dora"), erase.sign, world.chain, id, sign(drawn, "finn").signature, drawn.text())
    assert go_on(world, "dora", id) == 2
    assert check(world).ok


def test_what_stays(world: World) -> None:
    with pytest.raises(WrongState, match="stands in their statement"):
        begin(world, "dora", first(world, "request.made", "req_one"))
    waits = world.ask("req_waits")
    with pytest.raises(WrongState, match="that waits"):
        begin(world, "dora", first(world, "request.made", waits))
    for name in ("bo", "cy"):
        world.approve(waits, name)
    world.open_grant(world.token(waits, "grt_two"))
    world.use("ses_two", "rec_two")
    index = first(world, "session.connecting", "ses_two")
    with pytest.raises(WrongState, match="not reviewed"):
        begin(world, "dora", index)
    world.run(world.who("dora"), close.close, GrantId("grt_two"), "I saw enough.")
    with pytest.raises(WrongState, match="not reviewed"):
        begin(world, "dora", index)
    with pytest.raises(BadSignature, match="yourself"):
        begin(world, "dora", first(world, "grant.closed", "grt_two"))


def test_a_request_that_is_approved_between_two_signatures(world: World) -> None:
    """What holds is judged at each signature."""
    asked = world.ask("req_late")
    world.run(world.who("alice"), approve.cancel, asked)
    id = begin(world, "dora", first(world, "request.made", asked))
    assert erased(world, first(world, "request.made", asked)) == 1
    with pytest.raises(WrongState, match="meanwhile"):
        go_on(world, "finn", id)


# -- never in another way: by somebody who also has the log's key -----------------------------------------------------
@dataclass(frozen=True)
class Forger:
    hand: InHand
    path: Path
    index: int

    def claim(self, id: str, *, entry: int | None = None, fields: str = "from", about: str = "ses_one") -> None:
        """Another last entry: it says that values were erased."""
        last = self.hand.entries[-1]
        data = {"entry": self.index if entry is None else entry, "fields": fields, "erasure": id}
        self.add({**last.event, "kind": GONE, "by": "usr_finn", "about": about, "data": data})

    def add(self, event: dict[str, Any]) -> None:
        made = Entry(b"", b"", len(self.hand.entries))
        made.say(event)
        self.hand.entries.append(made)

    def found(self, pin: str) -> dict[str, str]:
        self.hand.rebuild(LOG_KEY)
        self.hand.put_sqlite(self.path)
        with opened(self.path) as conn:
            conn.execute("UPDATE session SET from_address = '(erased)'")
        return levels(verify(f"sqlite:///{self.path}", pin=pin))


@pytest.fixture
def forger(world: World) -> Forger:
    """The address is gone from the table and from beside the log."""
    index = first(world, "session.connecting", "ses_one")
    world.stop()
    hand = InHand.take(world.path)
    del hand.openings[index, "from"]
    return Forger(hand, world.path, index)


def test_gone_without_a_word(world: World, forger: Forger) -> None:
    assert forger.found(world.pin) == {"private": f"entry {forger.index}"}


def test_gone_with_an_entry_that_nobody_signed_for(world: World, forger: Forger) -> None:
    forger.claim("era_none")
    assert forger.found(world.pin) == {"private": f"entry {len(forger.hand.entries) - 1}"}


@pytest.mark.parametrize("signers", [("eve", "finn"), ("dora",), ("eve",)])
def test_gone_with_too_few_signatures(tmp_path: Path, signers: Sequence[str]) -> None:
    world = World(tmp_path / "breakglass.db")
    world.story()
    index = first(world, "session.connecting", "ses_one")
    id = begin(world, signers[0], index)
    for name in signers[1:]:
        assert go_on(world, name, id) == 0
    world.stop()
    hand = InHand.take(world.path)
    del hand.openings[index, "from"]
    forger = Forger(hand, world.path, index)
    forger.claim(id)
    assert forger.found(world.pin)["private"] == f"entry {len(hand.entries) - 1}"


def claim_twice(forger: Forger, id: str) -> None:
    forger.claim(id)
    forger.claim(id)


WRONG: dict[str, Callable[[Forger, str], None]] = {
    "another entry": lambda forger, id: forger.claim(id, entry=1),
    "another field": lambda forger, id: forger.claim(id, fields="why"),
    "about another thing": lambda forger, id: forger.claim(id, about="ses_two"),
    "twice": claim_twice,
}


@pytest.mark.parametrize("name", WRONG)
def test_signed_and_then_said_of_something_else(tmp_path: Path, name: str) -> None:
    world = World(tmp_path / "breakglass.db")
    world.story()
    index = first(world, "session.connecting", "ses_one")
    id = begin(world, "dora", index)
    go_on(world, "finn", id)
    world.stop()
    hand = InHand.take(world.path)
    # The log without the true `entry.erased`: what follows `erasure.signed` is the forger's.
    hand.entries = [one for one in hand.entries if one.event["kind"] not in (GONE, "erasure.done")]
    forger = Forger(hand, world.path, index)
    WRONG[name](forger, id)
    assert "private" in forger.found(world.pin)


def test_erased_and_still_there(world: World) -> None:
    index = first(world, "session.connecting", "ses_one")
    kept = InHand.take(world.path).openings[index, "from"]
    erased(world, index)
    with opened(world.path) as conn:
        conn.execute("INSERT INTO opening VALUES (?, 'from', ?, ?)", (index, *kept))
    found = check(world)
    assert "still there" in {one.level: one.words for one in found.findings}["private"]


# -- bundles ----------------------------------------------------------------------------------------------------------
def test_a_bundle_without_a_value_that_was_not_erased(world: World) -> None:
    doc = json.loads(exported(world))
    told = [one for one in doc["entries"] if "opened" in one]
    assert len(told) == 4
    for one in told:
        kept = one.pop("opened")
        assert all(both(canonical.write(doc), world.pin))
        one["opened"] = {}
        assert all(both(canonical.write(doc), world.pin))
        one["opened"] = kept
        name, opening = next(iter(kept.items()))
        salted: Any = {**opening, "salt": "AAAAAAAAAAAAAAAAAAAAAA=="}
        values: list[Any] = [{**opening, "value": "x"}, salted, {}, [], opening["value"]]
        for value in values:
            one["opened"] = {name: value}
            assert all(both(canonical.write(doc), world.pin)), value
        one["opened"] = {**kept, "zzz": opening}
        assert all(both(canonical.write(doc), world.pin))
        one["opened"] = kept
    doc["entries"][0]["opened"] = told[0]["opened"]
    assert all(both(canonical.write(doc), world.pin))
    del doc["entries"][0]["opened"]
    doc["entries"][-1]["opened"] = told[0]["opened"]
    assert all(both(canonical.write(doc), world.pin))
    del doc["entries"][-1]["opened"]
    assert both(canonical.write(doc), world.pin) == ("", "")


def test_a_bundle_tells_who_had_it_erased(world: World) -> None:
    erased(world, first(world, "session.connecting", "ses_one"))
    doc = json.loads(exported(world))
    kinds = [json.loads(one["leaf"])["kind"] for one in doc["entries"]]
    assert kinds.count("erasure.signed") == kinds.count(GONE) == 2
    assert both(canonical.write(doc), world.pin) == ("", "")
    for kind in ("erasure.signed", GONE):
        without = {**doc, "entries": [one for one in doc["entries"] if json.loads(one["leaf"])["kind"] != kind]}
        assert all(both(canonical.write(without), world.pin))


# -- the rules --------------------------------------------------------------------------------------------------------
def test_entries_stand_on_a_line_in_one_form() -> None:
    assert erasure.entries_line([7, 3, 7]) == "3 7"
    assert erasure.read_entries("0 3 70") == (0, 3, 70)
    for wrong in (
        "",
        " 3",
        "3  4",
        "4 3",
        "3 3",
        "03",
        "3,4",
        "-1",
        "3 4 ",
        "x",
        "1" * 12,
        " ".join(map(str, range(301))),
    ):
        with pytest.raises(Malformed):
            erasure.read_entries(wrong)
    for count in (0, 301):
        with pytest.raises(Malformed):
            erasure.entries_line(range(count))
