"""No release before enough witnesses cosigned the log that tells of it, unless custodians let it go on without them."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.codec import note
from breakglass.codec.cosignature import WitnessKey, cosign, parse_lines
from breakglass.errors import (
    BreakglassError,
    Expired,
    Forbidden,
    Malformed,
    NotEntitled,
    NotWitnessed,
    Tampered,
)
from breakglass.trust import roster as rosters
from breakglass.trust.difference import difference
from breakglass.trust.tree import consistency_proof, inclusion_proof, leaf_hash, subtree_root
from breakglass.vault.asking import Purpose
from breakglass.vault.evidence import Evidence, Witnessed
from tests.vault.rig import DEPLOYMENT, ORIGIN, PLACE, World, event

NAMES = ("one", "two", "three")
WITNESSES = {name: Ed25519PrivateKey.generate() for name in (*NAMES, "stranger")}


def key(name: str) -> WitnessKey:
    return WitnessKey(name=f"{name}.example.org/w", public=WITNESSES[name].public_key().public_bytes_raw())


def member(quorum: int) -> dict[str, Any]:
    known = [{"key": key(name).text(), "url": f"https://{name}.example.org/"} for name in NAMES]
    return {"quorum": quorum, "known": known}


@pytest.fixture(name="token")
def _token(world: World) -> str:
    world.change(lambda estate: estate.update(witnesses=member(2)))
    return world.open_grant()


def with_lines(signed: bytes, *names: str) -> bytes:
    text = note.parse(signed).text
    lines = b"".join(cosign(text, key(name).name, WITNESSES[name], 1_800_000_000).line().encode() for name in names)
    return parse_lines(lines, signed).encode() if lines else signed


def seen(world: World, evidence: Evidence, names: Sequence[str], size: int = 0) -> Evidence:
    """The same evidence, and these witnesses' word for the checkpoint of this size."""
    size = size or evidence.size
    old, new = sorted([size, evidence.size])
    return replace(
        evidence,
        witnessed=(
            *evidence.witnessed,
            Witnessed(
                size=size,
                proof=tuple(inclusion_proof(evidence.index, size, world.log.hash_of)),
                consistency=tuple(consistency_proof(old, new, world.log.hash_of)) if old < new else (),
                note=with_lines(world.log.notes[size], *names),
            ),
        ),
    )


def refused(world: World, token: str, evidence: Evidence, error: type[BreakglassError], session: str = "ses_1") -> str:
    before = world.vault._open.state
    with pytest.raises(error) as told:
        world.release(token, session, evidence=evidence)
    assert world.vault._open.state == before
    return str(told.value)


# -- who has to have seen it ------------------------------------------------------------------------------------------
def test_two_of_three_are_enough_and_one_is_not(world: World, token: str) -> None:
    told = world.told_session()
    assert "0 of the 2" in refused(world, token, told, NotWitnessed)
    assert "0 of the 2" in refused(world, token, seen(world, told, []), NotWitnessed)
    assert "1 of the 2" in refused(world, token, seen(world, told, ["three"]), NotWitnessed)
    assert "1 of the 2" in refused(world, token, seen(world, told, ["three", "three"]), NotWitnessed)
    assert "1 of the 2" in refused(world, token, seen(world, told, ["three", "stranger"]), NotWitnessed)
    world.release(token, evidence=seen(world, told, ["three", "one"])).secret.wipe()


def test_rotations_and_replays_wait_for_them_too(world: World, token: str) -> None:
    told = world.told_session()
    world.release(token, evidence=seen(world, told, ["one", "two"])).secret.wipe()
    deposited = [world.deposit()]
    told = world.told("rot_1", purpose="rotation", account=PLACE)
    asked: dict[str, Any] = {
        "rotation": "rot_1",
        "account": PLACE,
        "endpoint": world.endpoint(),
        "deposited": deposited,
    }
    asked["purpose"] = Purpose.ROTATION
    with pytest.raises(NotWitnessed):
        world.vault.release_rotation(**asked, evidence=told)
    for one in world.vault.release_rotation(**asked, evidence=seen(world, told, ["one", "two"])):
        one.wipe()
    told = world.told("ses_1", purpose="replay", account=PLACE)
    with pytest.raises(NotWitnessed):
        world.vault.release_replay([world.replay("gus", "ses_1")], "ses_1", "screen", b"", told)


@pytest.mark.parametrize("further", [1, 2, 5])
def test_the_checkpoint_that_they_saw_may_be_a_later_one_or_an_earlier_one(
    world: World, token: str, further: int
) -> None:
    told = world.told_session()
    for _ in range(further):
        world.log.append(world.vault, event("work.done", "x", world.clock.at))
    later = world.log.evidence(told.index)
    world.release(token, evidence=seen(world, told, ["one", "two"], size=later.size)).secret.wipe()
    told = world.told_session("ses_2")
    for _ in range(further):
        world.log.append(world.vault, event("work.done", "x", world.clock.at))
    newest = world.log.evidence(told.index)
    world.release(token, "ses_2", evidence=seen(world, newest, ["one", "two"], size=told.size)).secret.wipe()


def test_what_they_saw_before_does_not_cover_it(world: World, token: str) -> None:
    told = world.told_session()
    [good] = seen(world, told, ["one", "two"]).witnessed
    earlier = told.size - 1
    shown = replace(
        good,
        size=earlier,
        consistency=tuple(consistency_proof(earlier, told.size, world.log.hash_of)),
        note=with_lines(world.log.notes[earlier], "one", "two"),
    )
    refused(world, token, replace(told, witnessed=(shown,)), Tampered)
    refused(world, token, replace(told, witnessed=(replace(shown, size=told.size),)), NotEntitled)


def test_each_may_have_seen_another_one(world: World, token: str) -> None:
    """Two nodes ask them at once: one witness is shown this checkpoint, another one the next."""
    told = world.told_session()
    world.log.append(world.vault, event("work.done", "x", world.clock.at))
    later = world.log.evidence(told.index)
    one = seen(world, told, ["one"], size=later.size)
    assert "1 of the 2" in refused(world, token, seen(world, one, ["one"]), NotWitnessed)
    many = replace(one, witnessed=one.witnessed * 17)
    assert "more cosigned checkpoints" in refused(world, token, many, NotEntitled)
    world.release(token, evidence=seen(world, one, ["two"])).secret.wipe()


# -- what is no word of theirs ----------------------------------------------------------------------------------------
def test_a_line_that_does_not_hold(world: World, token: str) -> None:
    told = world.told_session()
    [good] = seen(world, told, ["one", "two"]).witnessed
    [other] = seen(world, replace(world.log.evidence(0)), ["one"], size=world.log.size - 1).witnessed
    lines = note.parse(other.note).signatures[1:]
    mixed = note.Note(
        text=note.parse(good.note).text, signatures=(*note.parse(good.note).signatures[:2], *lines)
    ).encode()
    said = refused(world, token, replace(told, witnessed=(replace(good, note=mixed),)), NotEntitled)
    assert "one.example.org/w" in said


def test_another_log_of_the_same_key_is_tampering(world: World, token: str) -> None:
    """Whoever stole the log's key has the witnesses cosign a tree of their own, in which the release stands too."""
    told = world.told_session()
    forged = list(world.log.leaves)
    forged[0] = b"another beginning"

    def hash_of(start: int, end: int) -> bytes:
        kept, world.log.leaves = world.log.leaves, forged
        try:
            return world.log.hash_of(start, end)
        finally:
            world.log.leaves = kept

    root = subtree_root([leaf_hash(one) for one in forged])
    signer = world.vault._open.keyring.log
    signed = signer.sign(note.Checkpoint(origin=ORIGIN, size=len(forged), root=root).body())
    shown = Witnessed(
        size=len(forged),
        proof=tuple(inclusion_proof(told.index, len(forged), hash_of)),
        consistency=(),
        note=with_lines(signed, "one", "two"),
    )
    refused(world, token, replace(told, witnessed=(shown,)), Tampered)


def test_a_checkpoint_of_another_log(world: World, token: str) -> None:
    told = world.told_session()
    [good] = seen(world, told, ["one", "two"]).witnessed
    stolen = Ed25519PrivateKey.generate()
    body = note.parse(good.note).text
    forged = with_lines(note.sign(body, ORIGIN, stolen), "one", "two")
    refused(world, token, replace(told, witnessed=(replace(good, note=forged),)), NotEntitled)
    refused(world, token, replace(told, witnessed=(replace(good, size=good.size + 1),)), NotEntitled)


# -- without them -----------------------------------------------------------------------------------------------------
def test_two_custodians_let_it_go_on_for_a_while(world: World, token: str) -> None:
    end = world.vault.override([world.override("ed"), world.override("flo")])
    assert world.vault.status().unwitnessed_until == end
    world.release(token).secret.wipe()
    world.clock.go(hours=4)
    with pytest.raises(Expired):  # the grant was for an hour
        world.release(token, "ses_2")
    fresh = world.open_grant("grt_2", "req_2")
    told = world.told_session("ses_3", grant="grt_2")
    refused(world, fresh, told, NotWitnessed, "ses_3")


def test_it_may_be_brought_again_and_the_vault_forgets_it_when_it_stops(world: World, token: str) -> None:
    words = [world.override("ed"), world.override("flo")]
    assert world.vault.override(words) == world.vault.override(words)
    world.restart()
    world.log.catch_up(world.vault, world.vault._open.line.mark.size)
    refused(world, token, world.told_session(), NotWitnessed)
    world.vault.override(words)
    world.release(token).secret.wipe()


def test_one_from_a_time_that_never_was_holds_no_longer(world: World, token: str) -> None:
    """Signed while the clock stood ten days ahead; custodians set it right, and those ten days are not an override."""
    right = world.clock.at
    world.clock.go(days=10)
    world.vault.override([world.override("ed"), world.override("flo")])
    world.clock.at = right + timedelta(minutes=1)
    world.vault.status()  # it sees that the clock went back
    world.vault.confirm_clock([world.clock_word("ed"), world.clock_word("flo")])
    refused(world, token, world.told_session(), NotWitnessed)
    world.vault.confirm(world.log.notes[world.log.size])
    world.vault.override([world.override("ed"), world.override("flo")])
    world.release(token).secret.wipe()


def test_who_and_what_it_takes(world: World, token: str) -> None:
    ed, flo, now = world.override("ed"), world.override("flo"), world.clock.at.replace(microsecond=0)
    for words, error in (
        ([], NotEntitled),
        ([ed], NotEntitled),
        ([ed, ed], NotEntitled),
        ([ed, world.override("gus")], Forbidden),
        ([ed, world.override("flo", now + timedelta(hours=5))], NotEntitled),
        ([world.override(by, now + timedelta(hours=25)) for by in ("ed", "flo")], NotEntitled),
        ([ed, replace(flo, signature=ed.signature)], BreakglassError),
        ([ed, world.override("flo", subject=f"{DEPLOYMENT}/clock")], BreakglassError),
        ([ed, world.override("flo", log_size=world.log.size + 1)], NotEntitled),
        ([ed, world.override("flo", log_root=b64encode(b"x" * 32).decode())], Tampered),
    ):
        with pytest.raises(error):
            world.vault.override(words)
    refused(world, token, world.told_session(), NotWitnessed)
    world.clock.go(hours=4)
    with pytest.raises(Expired):
        world.vault.override([ed, flo])


# -- the roster -------------------------------------------------------------------------------------------------------
def test_a_quorum_of_none_waits_for_nobody(world: World) -> None:
    world.change(lambda estate: estate.update(witnesses=member(0)))
    world.release(world.open_grant()).secret.wipe()


def test_the_roster_that_holds_now_decides(world: World, token: str) -> None:
    refused(world, token, world.told_session(), NotWitnessed)
    before = world.roster
    world.change(lambda estate: estate.pop("witnesses"))
    assert difference(before, world.roster) == "witnesses of the log altered"
    world.release(token).secret.wipe()


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda m: m.update(quorum=4), "roster.witnesses.quorum"),
        (lambda m: m.update(quorum=-1), "roster.witnesses.quorum"),
        (lambda m: m.update(known=[]), "roster.witnesses.known"),
        (lambda m: m["known"].append(dict(m["known"][0])), "roster.witnesses.known"),
        (lambda m: m["known"][0].update(url="ftp://w1"), "roster.witnesses.known[0].url"),
        (lambda m: m["known"][0].update(url="https://user:secret@w1/"), "roster.witnesses.known[0].url"),
        (lambda m: m["known"][0].update(key="w1+00000000+AAAA"), "roster.witnesses.known[0].key"),
        (lambda m: m["known"][1].update(since="today"), "roster.witnesses.known[1]"),
        (lambda m: m.update(quorums=1), "roster.witnesses"),
    ],
)
def test_a_roster_that_names_them_wrongly(world: World, edit: Any, place: str) -> None:
    wanted = member(2)
    edit(wanted)
    document = world.document({**world.estate, "witnesses": wanted}, 1, world.roster.hash, world.clock.at)
    with pytest.raises(Malformed) as told:
        rosters.parse(document)
    assert str(told.value).startswith(place)
