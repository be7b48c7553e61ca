"""Evidence: only what stands in the log, on the line that the vault signed, fresh, and once."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import note
from breakglass.errors import BreakglassError, NotEntitled, Replayed, Tampered
from breakglass.model.secret import Secret
from breakglass.trust.tree import EMPTY_ROOT
from breakglass.vault.evidence import Evidence, prove
from breakglass.vault.keys import NoteKey
from breakglass.vault.line import Line
from breakglass.vault.state import Mark
from tests.vault.rig import NOW, ORIGIN, OTHER_PLACE, PLACE, ListLog, event


@pytest.fixture(name="token")
def _token(world):
    return world.open_grant()


def refused(world, token, evidence, error=NotEntitled):
    """The release is refused, and nothing of the evidence was used up by trying."""
    before = world.vault._open.state
    with pytest.raises(error):
        world.release(token, evidence=evidence)
    assert world.vault._open.state == before


def test_a_release_that_the_log_tells_of(world, token):
    with world.release(token).secret as secret:
        assert len(secret) == 32


@pytest.mark.parametrize(
    "event_changes",
    [
        {"kind": "secret.told"},
        {"about": "ses_2"},
        {"purpose": "rotation"},
        {"purpose": None},
        {"account": OTHER_PLACE},
        {"account": None},
        {"grant": "grt_2"},
        {"grant": None},
        {"credential": "crd_2"},
        {"version": 2},
    ],
)
def test_an_entry_that_tells_of_something_else(world, token, event_changes):
    said = {"kind": "secret.release", "about": "ses_1", "purpose": "session", "account": PLACE, "grant": "grt_1"}
    said |= event_changes
    data = {name: value for name, value in said.items() if name not in {"kind", "about"} and value is not None}
    world.log.append(world.vault, event(said["kind"], said["about"], NOW, **data))
    refused(world, token, world.log.evidence(world.log.size - 1))


@pytest.mark.parametrize("seconds", [-121, 121, -86400, 86400])
def test_an_entry_that_is_not_of_this_moment(world, token, seconds):
    at = NOW + timedelta(seconds=seconds)
    world.log.append(world.vault, event("secret.release", "ses_1", at, purpose="session", account=PLACE, grant="grt_1"))
    refused(world, token, world.log.evidence(world.log.size - 1))


@pytest.mark.parametrize("seconds", [-120, 120])
def test_an_entry_at_the_edge_of_this_moment(world, token, seconds):
    at = NOW + timedelta(seconds=seconds)
    world.log.append(world.vault, event("secret.release", "ses_1", at, purpose="session", account=PLACE, grant="grt_1"))
    world.release(token, evidence=world.log.evidence(world.log.size - 1)).secret.wipe()


def test_each_entry_serves_one_release(world, token):
    evidence = world.told_session()
    world.release(token, evidence=evidence).secret.wipe()
    refused(world, token, evidence, Replayed)
    world.restart()
    world.log.catch_up(world.vault, world.vault.status().mark)
    refused(world, token, evidence, Replayed)
    world.log.append(world.vault, event("tick", "", NOW))
    refused(world, token, world.log.evidence(evidence.index), Replayed)


def test_an_old_entry_does_not_come_back_when_its_use_is_forgotten(world, token):
    """The used entries are forgotten after some minutes, and then the clock is put back: none is fresh again."""
    evidence = world.told_session()
    world.release(token, evidence=evidence).secret.wipe()
    world.clock.go(minutes=30)
    world.release(token, session="ses_2").secret.wipe()
    assert evidence.index not in world.vault._open.state.used
    world.clock.go(minutes=-29)
    world.vault.confirm_clock([world.clock_word("ed"), world.clock_word("flo")])
    refused(world, token, evidence, Replayed)


def test_each_part_of_the_evidence_counts(world, token):
    for n in range(20):
        world.log.append(world.vault, event("tick", str(n), NOW))
    good = world.told_session()
    forged = event("secret.release", "ses_1", NOW, purpose="session", account=PLACE, grant="grt_1", more=1)
    for bad in (
        replace(good, leaf=forged),
        replace(good, leaf=good.leaf + b" "),
        replace(good, leaf=b""),
        replace(good, index=good.index - 1),
        replace(good, index=good.size),
        replace(good, index=-1),
        replace(good, size=good.size - 1),
        replace(good, size=good.size + 1),
        replace(good, proof=good.proof[:-1]),
        replace(good, proof=(*good.proof, bytes(32))),
        replace(good, proof=good.proof[::-1]),
        replace(good, proof=(b"short", *good.proof[1:])),
        replace(good, proof=()),
        replace(good, note=b""),
        replace(good, note=good.note[:-2]),
        replace(good, note=world.log.notes[good.size - 1]),
    ):
        refused(world, token, bad, (NotEntitled, Tampered))
    world.release(token, evidence=good).secret.wipe()


def test_a_checkpoint_by_another_key_or_origin(world, token):
    good = world.told_session()
    text = note.verify(good.note, [world.made.public.log]).text
    other = NoteKey(ORIGIN, Secret(bytes(32)))
    refused(world, token, replace(good, note=other.sign(text)))
    both = world.vault._open.keyring.grant
    refused(world, token, replace(good, note=both.sign(text)))
    own = world.vault._open.keyring.log
    refused(world, token, replace(good, note=own.sign(text.replace(ORIGIN, "log.other.test"))))
    refused(
        world,
        token,
        replace(good, note=own.sign(text.replace(text.split("\n")[2], "A" * 43 + "="))),
    )
    refused(world, token, replace(good, note=own.sign("no checkpoint\n")))


def test_a_head_that_was_dropped_proves_nothing(world, token):
    """The node signed, its transaction failed, and the next batch took its place: the first checkpoint is void."""
    lost = event("secret.release", "ses_1", NOW, purpose="session", account=PLACE, grant="grt_1")
    for before in ([], [event("tick", "", NOW)]):
        signed = world.log.append(world.vault, *before, lost, commit=False)
        twin = ListLog()
        twin.leaves = [*world.log.leaves, *before, lost]
        twin.notes = {twin.size: signed}
        world.log.append(world.vault, event("tock", "", NOW))
        refused(world, token, twin.evidence(twin.size - 1))


def test_a_head_that_a_release_relied_on_can_not_be_dropped(world, token):
    """A node that lies: it never commits the entry that it released by. Its log is refused ever after."""
    lost = event("secret.release", "ses_1", NOW, purpose="session", account=PLACE, grant="grt_1")
    signed = world.log.append(world.vault, lost, commit=False)
    twin = ListLog()
    twin.leaves, twin.notes = [*world.log.leaves, lost], {world.log.size + 1: signed}
    world.release(token, evidence=twin.evidence(twin.size - 1)).secret.wipe()
    with pytest.raises(Tampered):
        world.log.append(world.vault, event("tick", "", NOW))
    world.restart()
    with pytest.raises(Tampered, match="behind"):
        world.log.catch_up(world.vault, world.vault.status().mark)


def test_a_leaf_is_an_event_and_nothing_else(world, token):
    good = event("secret.release", "ses_1", NOW, purpose="session", account=PLACE, grant="grt_1")
    shaped = json.loads(good)
    for leaf in (
        b"{}",
        b"[]",
        b"\xff",
        good[:-1],
        json.dumps({**shaped, "v": 2}).encode(),
        json.dumps({**shaped, "more": 1}).encode(),
        json.dumps({**shaped, "at": "2026-11-23T21:00:30"}).encode(),
        json.dumps({**shaped, "at": 5}).encode(),
        json.dumps({**shaped, "data": []}).encode(),
        json.dumps({**shaped, "about": ["ses_1"]}).encode(),
        good[:-1] + b',"about":"ses_1"}',
        b'{"about":"ses_2",' + good[1:],
        b"[" * 60_000,
    ):
        world.log.append(world.vault, leaf)
        refused(world, token, world.log.evidence(world.log.size - 1))


def test_an_older_checkpoint_of_the_line_will_do(world, token):
    evidence = world.told_session()
    for n in range(5):
        world.log.append(world.vault, event("tick", str(n), NOW))
    world.release(token, evidence=evidence).secret.wipe()


@given(st.binary(max_size=300))
def test_any_bytes_as_a_note_are_refused(noise):
    key = NoteKey("log.example.test", Secret(bytes(32)))
    line = Line(Mark(size=0, root=EMPTY_ROOT.hex()), key)
    with pytest.raises(BreakglassError):
        prove(Evidence(leaf=b"", index=0, size=0, proof=(), note=noise), line, key, kind="", about="")
