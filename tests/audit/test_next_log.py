"""A log that goes on from one that lost its end, as an auditor sees it: what holds, what is found, what is lost."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from breakglass.audit import bundle as bundles
from breakglass.audit import event as events
from breakglass.audit import gather
from breakglass.audit.bundle_verify import verify as verify_bundle
from breakglass.audit.continued import Continued
from breakglass.audit.evidence import newest_checkpoint
from breakglass.audit.export import export_tiles
from breakglass.audit.pinned import vkey
from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.audit.verify_tiles import verify_tiles
from breakglass.codec import canonical, note
from breakglass.errors import BreakglassError, Malformed, WrongState
from breakglass.flow import next_log as flow
from breakglass.model.people import SYSTEM
from breakglass.model.secret import Secret
from breakglass.standalone import verify_bundle as standalone
from breakglass.trust import next_log
from breakglass.trust.roster import parse as parse_roster
from breakglass.trust.statement import parse
from breakglass.vault.keys import NoteKey
from tests.audit.attacks import signed_by
from tests.audit.in_hand import InHand
from tests.audit.kit import LOG_KEY, ORIGIN, World, fingerprint_of, seed, sign
from tests.audit.test_bundle import Doc, exported, index_of, judged, refused

NEXT = f"{ORIGIN}/2"
NEXT_KEY = NoteKey(NEXT, Secret(seed("log")))
LOST = 30
"""Entries that the log before had, and that are not here."""


@dataclass
class Told:
    path: Path
    pin: str
    kept: int
    """Entries of the log before that are here, under a checkpoint of it."""
    former: int
    signed: int
    """The entry after which enough custodians had signed."""
    data: bytes
    """A bundle."""
    before: list[bytes]
    """Checkpoints of the log before: one of what is here, and the last one of all."""

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def hand(self) -> InHand:
        return InHand.take(self.path)


def size_of(world: World) -> int:
    return note.parse_checkpoint(note.parse(world.store.look(newest_checkpoint) or b"").text).size


def go_on(world: World, *names: str, number: int = 2) -> bytes:
    """These sign for it, and the vault goes on. Returns the last checkpoint of the log before."""
    size = size_of(world)
    last = signed_by(world.signer.key, size + LOST, b"\x07" * 32, world.signer.key.name)
    former = flow.kept_elsewhere(world.chain, number - 1, last.decode())
    world.signer.sealed = True  # this is how a vault is that refuses the log
    drawn = world.run(world.who(names[0]), flow.want, world.chain, former, "The disk died.", troubled=True)
    for name in names:
        drawn = world.run(world.who(name), flow.again, world.chain)
        world.run(world.who(name), flow.sign, world.chain, sign(drawn, name).signature)
    world.signer.sealed, world.signer.key = False, NoteKey(f"{ORIGIN}/{number}", Secret(seed("log")))
    world.note()
    world.run(SYSTEM, flow.begun, world.chain, number, b"")
    return last


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    world = World(tmp_path_factory.mktemp("next") / "breakglass.db")
    world.deposit()
    world.deny(world.ask("req_before"), "bo")
    early = exported(world, "req_before")
    first = world.store.look(newest_checkpoint) or b""
    kept = size_of(world)
    last = go_on(world, "eve", "finn")
    world.deny(world.ask("req_after"), "bo")
    with pytest.raises(WrongState, match="since this was exported"):
        again(world, json.loads(early))
    data = exported(world, "req_after")
    world.stop()
    told = Told(world.path, world.pin, kept, kept + LOST, 0, data, [first, last])
    told.signed = told.hand().find("next_log.signed", 1)
    return told


def again(world: World, early: Doc) -> None:
    """The bundle of an export from before."""
    event = json.loads(early["entries"][-1]["leaf"])
    world.store.look(lambda look: gather.bundle(look, "req_before", event["data"]["export"]))


def report(told: Told, hand: InHand | None = None, *outside: bytes, folder: Path | None = None) -> Report:
    if hand is None or folder is None:
        return verify(told.url, pin=told.pin, outside=outside)
    copy = folder / "attacked.db"
    copy.write_bytes(told.path.read_bytes())
    hand.put_sqlite(copy)
    return verify(f"sqlite:///{copy}", pin=told.pin, outside=outside)


def found(report: Report) -> dict[str, str]:
    return {one.level: one.words for one in report.findings}


def test_it_holds_and_says_what_was_lost(told: Told, tmp_path: Path) -> None:
    seen = report(told)
    assert seen.ok, seen.findings
    assert seen.origin == NEXT
    assert any(f"The one before had {told.former} entries" in line for line in seen.in_words())
    # What other people kept of the log before: what is here of it, and the end that is lost, as it says itself.
    seen = report(told, None, *told.before)
    assert seen.ok, seen.findings
    assert seen.window.outside == told.kept
    # Tiles too, and with the key that the log has now.
    done = export_tiles(told.url, tmp_path / "tiles", pin=told.pin)
    assert (done.origin, done.vkey) == (NEXT, NEXT_KEY.vkey)
    assert vkey(told.url, pin=told.pin) == NEXT_KEY.vkey
    seen = verify_tiles(tmp_path / "tiles", pin=told.pin, log_vkey=NEXT_KEY.vkey)
    assert seen.ok, seen.findings


def test_a_key_that_somebody_knows_may_be_of_either(told: Told) -> None:
    for known in (LOG_KEY.vkey, NEXT_KEY.vkey):
        assert verify(told.url, pin=told.pin, log_vkey=known).ok
    other = NoteKey(NEXT, Secret(seed("another"))).vkey
    assert "another log key" in found(verify(told.url, pin=told.pin, log_vkey=other))["roster"]


def test_more_was_lost_than_they_signed(told: Told) -> None:
    more = signed_by(LOG_KEY, told.former + 1, b"\x08" * 32)
    assert "more is lost than they signed" in found(report(told, None, more))["anchor"]


def test_an_outside_head_of_what_should_be_here(told: Told) -> None:
    other = signed_by(LOG_KEY, told.kept - 3, b"\x08" * 32)
    assert "not those that it was signed over" in found(report(told, None, other))["anchor"]
    other = signed_by(NEXT_KEY, told.former, b"\x08" * 32, NEXT)
    assert "anchor" in found(report(told, None, other))


def old_name_after(told: Told, hand: InHand) -> None:
    """Who has the key goes on under the name of the log before."""
    size = len(hand.entries)
    hand.checkpoints[size] = signed_by(LOG_KEY, size, hand.root(size))


def new_name_before(told: Told, hand: InHand) -> None:
    """The next log's name, before anybody signed for it."""
    hand.checkpoints[told.kept] = signed_by(NEXT_KEY, told.kept, hand.root(told.kept), NEXT)


def one_custodian(told: Told, hand: InHand) -> None:
    hand.entries[told.signed].say({**hand.entries[told.signed].event, "kind": "sign_in.made", "data": {}})
    sign_all(told, hand)


def another_former(told: Told, hand: InHand) -> None:
    """The log says that less was lost than they signed."""
    n = hand.find("next_log.begun")
    event = hand.entries[n].event
    data = {**event["data"], "former": f"{told.former - 10} {event['data']['former'].split(' ')[1]}", "checkpoint": ""}
    hand.entries[n].say({**event, "data": data})
    sign_all(told, hand)


def another_checkpoint(told: Told, hand: InHand) -> None:
    n = hand.find("next_log.begun")
    event = hand.entries[n].event
    kept = signed_by(LOG_KEY, told.former + 5, b"\x09" * 32).decode()
    hand.entries[n].say({**event, "data": {**event["data"], "checkpoint": kept}})
    sign_all(told, hand)


def third_log(told: Told, hand: InHand) -> None:
    n = hand.find("next_log.begun")
    event = hand.entries[n].event
    hand.entries[n].say({**event, "data": {**event["data"], "number": 3, "origin": f"{ORIGIN}/3"}})
    sign_all(told, hand)


def sign_all(told: Told, hand: InHand) -> None:
    """By somebody who has the log's key: every checkpoint, under the name that it must have."""
    sizes = sorted(hand.checkpoints)
    hand.rebuild(LOG_KEY)
    before = dict(hand.checkpoints)
    for size in sizes:
        old = size <= told.kept
        root = b64decode(before[size].split(b"\n")[2])
        hand.checkpoints[size] = signed_by(LOG_KEY if old else NEXT_KEY, size, root, ORIGIN if old else NEXT)


ATTACKS: list[tuple[Callable[[Told, InHand], None], str, str]] = [
    (old_name_after, "checkpoint", "No known key has signed"),
    (new_name_before, "checkpoint", "No known key has signed"),
    (one_custodian, "statement", "Not enough custodians went on"),
    (another_former, "statement", "Not enough custodians went on"),
    (another_checkpoint, "statement", "not the head that it names"),
    (third_log, "statement", "not the log that comes next"),
]


@pytest.mark.parametrize(("attack", "level", "words"), ATTACKS, ids=[one[0].__name__ for one in ATTACKS])
def test_attacks(told: Told, tmp_path: Path, attack: Callable[[Told, InHand], None], level: str, words: str) -> None:
    hand = told.hand()
    attack(told, hand)
    seen = report(told, hand, folder=tmp_path)
    assert words in found(seen)[level], seen.findings


def test_not_by_somebody_else(tmp_path: Path) -> None:
    """An approver's word counts for nothing, whoever wrote it down."""
    world = World(tmp_path / "breakglass.db")
    world.note()
    go_on(world, "eve", "finn")
    world.stop()
    hand = InHand.take(world.path)
    n = hand.find("next_log.signed", 1)
    event = hand.entries[n].event
    text = (
        event["data"]["statement"].replace("usr_finn", "usr_bo").replace(fingerprint_of("finn"), fingerprint_of("bo"))
    )
    hand.entries[n].say({**event, "data": {"statement": text, "signature": sign(text, "bo").signature}})
    told = Told(world.path, world.pin, 2, 2 + LOST, n, b"", [])
    sign_all(told, hand)
    assert "usr_bo is no custodian" in found(report(told, hand, folder=tmp_path))["statement"]


def test_it_may_happen_again(tmp_path: Path) -> None:
    world = World(tmp_path / "breakglass.db")
    world.deposit()
    go_on(world, "eve", "finn")
    go_on(world, "finn", "eve", number=3)
    world.deny(world.ask("req_after"), "bo")
    data = exported(world, "req_after")
    world.stop()
    seen = verify(world.url, pin=world.pin)
    assert seen.ok, seen.findings
    assert len(seen.continued) == 2
    assert judged(data, world.pin) == ("", "")


# -- bundles -----------------------------------------------------------------------------------------------------------
def test_a_bundle_holds_for_both_and_names_the_log(told: Told) -> None:
    assert judged(told.data, told.pin) == ("", "")
    assert verify_bundle(told.data, pin=told.pin).origin == standalone.run(told.data, told.pin)[1]["origin"] == NEXT


def without(doc: Doc, kind: str) -> None:
    del doc["entries"][index_of(doc, kind)]


def under_the_old_name(doc: Doc) -> None:
    size, root = doc["checkpoint"].split("\n")[1:3]
    doc["checkpoint"] = signed_by(LOG_KEY, int(size), b64decode(root)).decode()


def under_the_third_name(doc: Doc) -> None:
    size, root = doc["checkpoint"].split("\n")[1:3]
    third = NoteKey(f"{ORIGIN}/3", Secret(seed("log")))
    doc["checkpoint"] = signed_by(third, int(size), b64decode(root), third.name).decode()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda doc: without(doc, "next_log.begun"), "left out"),
        (lambda doc: without(doc, "next_log.signed"), "left out"),
        (under_the_old_name, "ustodians"),
        (under_the_third_name, "ustodians"),
    ],
)
def test_what_is_no_bundle_of_it(told: Told, change: Callable[[Doc], None], words: str) -> None:
    doc = json.loads(told.data)
    change(doc)
    for said in refused(canonical.write(doc), told.pin):
        assert words in said


def begun(told: Told, **changed: object) -> tuple[str, str]:
    """What both verifiers find in an entry that says so, after what two custodians signed; empty when it holds."""
    doc = json.loads(told.data)
    leaves = {json.loads(one["leaf"])["kind"]: one["leaf"] for one in doc["entries"]}
    event = json.loads(leaves["next_log.begun"])
    about = str(changed.pop("about", event["about"]))
    leaf = json.dumps({**event, "about": about, "data": {**event["data"], **changed}}, separators=(",", ":"))
    statement = parse(json.loads(leaves["next_log.signed"])["data"]["statement"])
    founding = json.loads(doc["entries"][0]["leaf"])["data"]["document"]
    ours, words = Continued(), ""
    judge = standalone.Judge(told.pin)
    judge.founding = standalone.Roster(founding.encode())
    judge.rosters = [judge.founding]
    for person in ("usr_eve", "usr_finn"):
        ours.signed(replace(statement, person=person))
        judge.going_on.setdefault(tuple(statement.facts.values()), set()).add(person)
    try:
        ours.begin(9, events.parse(leaf.encode()), parse_roster(founding.encode()))
    except BreakglassError as error:
        words = error.message
    try:
        judge.goes_on(standalone.Event(leaf, {}))
    except standalone.Bad as bad:
        return words, str(bad)
    return words, ""


def test_who_may_say_that_it_goes_on(told: Told) -> None:
    assert begun(told) == ("", "")
    assert begun(told, checkpoint="") == ("", "")  # the last one may be nobody's any more
    for changed in (
        {"former": "1 " + "A" * 43 + "="},
        {"number": 3},
        {"number": 1},
        {"number": "2"},
        {"origin": f"{ORIGIN}/02"},
        {"origin": f"{ORIGIN}/3"},
        {"about": "dep_other/log"},
        {"checkpoint": signed_by(LOG_KEY, 77, b"\x01" * 32).decode()},
        {"checkpoint": signed_by(NEXT_KEY, told.former, b"\x07" * 32, NEXT).decode()},
        {"checkpoint": "x"},
    ):
        ours, theirs = begun(told, **changed)
        assert ours, changed
        assert theirs, changed


# -- names -------------------------------------------------------------------------------------------------------------
def test_names_and_numbers() -> None:
    for number in (1, 2, 17):
        assert next_log.number_of(next_log.origin_of(ORIGIN, number), ORIGIN) == number
    for wrong in ("", "x", f"{ORIGIN}/1", f"{ORIGIN}/0", f"{ORIGIN}/02", f"{ORIGIN}/-2", f"{ORIGIN}/2/", f"{ORIGIN}/²",
                  f"{ORIGIN}2", f"{ORIGIN}/9999999999", "x/2"):  # fmt: skip
        with pytest.raises(Malformed):
            next_log.number_of(wrong, ORIGIN)


def test_the_bundle_reads_back(told: Told) -> None:
    assert bundles.write(bundles.read(told.data)) == told.data
