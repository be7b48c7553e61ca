"""Another key-encryption key: made when a custodian asks, secrets move to it, and the old one is forgotten."""

import os
from pathlib import Path

import pytest

from breakglass.errors import BadSignature, BreakglassError, Forbidden, Malformed, NotFound, Unavailable, WrongState
from breakglass.trust import kek
from breakglass.trust.statement import Kind, Signed
from breakglass.vault import envelope
from breakglass.vault.asking import Deposited, Placed
from breakglass.vault.core import REWRAP_MAX
from breakglass.vault.kek_rotation import KEKS_MAX
from tests.vault.rig import DEPLOYMENT, OTHER_PLACE, PLACE, World, new_world, sign


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)


def word(world: World, by: str = "ed", wanted: int = 2, **changed: object) -> Signed:
    statement = world.statement(Kind.KEK, kek.subject(DEPLOYMENT), by, {"next": str(wanted)}, **changed)
    return sign(statement, world.keys[by])


def test_secrets_move_and_stay_what_they_are(world: World) -> None:
    old = world.deposit()
    assert world.vault.rotate_kek(word(world)) == 2
    assert world.vault.status().keks == (1, 2)
    [sealed] = world.vault.rewrap([Placed(account=PLACE, deposited=old)])
    assert envelope.kek_of(sealed) == 2
    assert sealed.startswith(envelope.prefix(2))
    assert not old.blob.startswith(envelope.prefix(2))
    new = Deposited(credential=old.credential, version=old.version, blob=sealed)
    for one in (old, new):
        world.vault.check(PLACE, one)
    world.vault.retire_kek(1)
    world.vault.retire_kek(1)
    assert world.vault.status().keks == (2,)
    world.vault.check(PLACE, new)
    with pytest.raises(BreakglassError):
        world.vault.check(PLACE, old)


def test_it_is_made_once_however_often_it_is_asked_for(world: World) -> None:
    asked = word(world)
    assert [world.vault.rotate_kek(asked) for _ in range(3)] == [2, 2, 2]
    assert world.vault.status().keks == (1, 2)


def test_who_may_ask_and_for_what(world: World) -> None:
    with pytest.raises((Forbidden, BadSignature)):
        world.vault.rotate_kek(word(world, "bo"))
    for wanted in (0, 3, -1):
        with pytest.raises(BreakglassError):
            world.vault.rotate_kek(word(world, wanted=wanted))
    good = word(world)
    with pytest.raises(BadSignature):
        world.vault.rotate_kek(Signed(good.text.replace("next: 2", "next: 3"), good.signature))
    with pytest.raises(BreakglassError):
        world.vault.rotate_kek(word(world, log_size=10**6))
    assert world.vault.status().keks == (1,)


def test_what_does_not_open_is_carried_nowhere(world: World) -> None:
    one, other = world.deposit(), world.deposit(OTHER_PLACE, "crd_2")
    world.vault.rotate_kek(word(world))
    swapped = Deposited(credential=one.credential, version=one.version, blob=other.blob)
    bent = Deposited(credential=one.credential, version=one.version, blob=one.blob[:-1] + bytes([one.blob[-1] ^ 1]))
    asked = [Placed(account=PLACE, deposited=found) for found in (swapped, bent, one)]
    sealed = world.vault.rewrap(asked)
    assert sealed[:2] == (b"", b"")
    assert sealed[2].startswith(envelope.prefix(2))
    with pytest.raises(Malformed):
        world.vault.rewrap([Placed(account=PLACE, deposited=one)] * (REWRAP_MAX + 1))


def test_the_newest_key_is_never_retired_and_they_do_not_pile_up(world: World) -> None:
    with pytest.raises(WrongState, match="under this key"):
        world.vault.retire_kek(1)
    for number in (0, 2, 99):
        with pytest.raises(NotFound):
            world.vault.retire_kek(number)
    for wanted in range(2, KEKS_MAX + 1):
        world.vault.rotate_kek(word(world, wanted=wanted))
    with pytest.raises(WrongState, match="keys already"):
        world.vault.rotate_kek(word(world, wanted=KEKS_MAX + 1))
    world.vault.retire_kek(1)
    assert world.vault.rotate_kek(word(world, wanted=KEKS_MAX + 1)) == KEKS_MAX + 1


def test_a_full_disk_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = world.deposit()
    real = os.fsync

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises((Unavailable, OSError)):
        world.vault.rotate_kek(word(world))
    assert world.vault.status().keks == (1,)
    monkeypatch.setattr(os, "fsync", real)
    assert world.vault.rotate_kek(word(world)) == 2
    world.vault.check(PLACE, old)


def test_all_keys_open_again_after_a_restart(world: World) -> None:
    old = world.deposit()
    world.vault.rotate_kek(word(world))
    new = world.deposit(OTHER_PLACE, "crd_2")
    assert envelope.kek_of(new.blob) == 2
    vault = world.restart()
    assert vault.status().keks == (1, 2)
    vault.check(PLACE, old)
    vault.check(OTHER_PLACE, new)
