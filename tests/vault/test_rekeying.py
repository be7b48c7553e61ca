"""New shares: the old ones hold until the new ones are proven, whatever happens in between."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from breakglass.codec import share_box
from breakglass.errors import BreakglassError, Malformed, Sealed, Tampered, TooMany, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import keeper
from breakglass.vault.core import Vault
from breakglass.vault.entering import WRONG_MAX
from breakglass.vault.rekeying import PROVE_WITHIN
from breakglass.vault.shares import NotEnoughShares, WrongShare
from tests.vault.rig import DEPLOYMENT, PLACE, World, new_world

KEY = X25519PrivateKey.generate()
TO = KEY.public_key().public_bytes_raw()


def secrets(*texts: str) -> list[Secret]:
    return [Secret(text.encode()) for text in texts]


def made(world: World, *old: str, k: int = 2, n: int = 3) -> list[str]:
    found = world.vault.begin_rekey(secrets(*(old or world.made.shares[:2])), k, [TO] * n)
    assert (found.k, len(found.boxes), found.set) == (k, n, world.vault.status().rekey_set)
    names = [share_box.about(DEPLOYMENT, found.set, index) for index in range(1, n + 1)]
    return [share_box.open(box, KEY, name).decode() for box, name in zip(found.boxes, names, strict=True)]


def opened_by(world: World, shares: Sequence[str]) -> bool:
    """Another process over the same folder, as after a crash."""
    vault = Vault(world.folder, wall=world.clock)
    try:
        for one in shares:
            vault.unseal_share(Secret(one.encode()))
    except WrongShare:
        return False
    return not vault.status().sealed


def test_the_new_ones_open_it_and_the_old_ones_do_not(world: World) -> None:
    stored, before = world.deposit(), world.vault.status().share_set
    fresh = made(world, k=3, n=4)
    assert opened_by(world, world.made.shares[1:])
    assert world.vault.finish_rekey(secrets(*fresh)) == world.vault.status().share_set != before
    assert world.vault.status().rekey_set == ""
    world.vault.check(PLACE, stored)
    world.vault.seal()
    for one in fresh[1:]:
        world.vault.unseal_share(Secret(one.encode()))
    world.found()
    world.vault.check(PLACE, stored)
    assert opened_by(world, fresh[:3])
    assert not opened_by(world, fresh[:2])
    assert not opened_by(world, world.made.shares[:2])


def test_who_lost_the_answer_asks_again(world: World) -> None:
    fresh = made(world)
    done = world.vault.finish_rekey(secrets(*fresh))
    content = (world.folder / "seal.json").read_bytes()
    assert world.vault.finish_rekey(secrets(*fresh[:2])) == done
    assert (world.folder / "seal.json").read_bytes() == content


def test_only_who_holds_enough_of_the_present_shares(world: World) -> None:
    content = (world.folder / "seal.json").read_bytes()
    one, two, _ = world.made.shares
    wrong = two.rsplit(" ", 1)[0] + (" acid" if not two.endswith(" acid") else " zero")
    for old, error in (((one,), NotEnoughShares), ((one, one), NotEnoughShares), ((one, wrong), Malformed)):
        with pytest.raises(error):
            world.vault.begin_rekey(secrets(*old), 2, [TO] * 3)
    foreign = new_world(world.folder.parent / "other").made.shares
    with pytest.raises(WrongShare):
        world.vault.begin_rekey(secrets(one, foreign[1]), 2, [TO] * 3)
    with pytest.raises(WrongShare):  # one too many that does not belong there
        world.vault.begin_rekey(secrets(one, two, foreign[1]), 2, [TO] * 3)
    assert (world.folder / "seal.json").read_bytes() == content
    assert world.vault.status().rekey_set == ""


def test_guessing_is_held_up(world: World) -> None:
    for _ in range(WRONG_MAX):
        with pytest.raises(Malformed):
            world.vault.begin_rekey(secrets("academic"), 2, [TO] * 3)
    with pytest.raises(TooMany):
        world.vault.begin_rekey(secrets(*world.made.shares), 2, [TO] * 3)


@pytest.mark.parametrize(("k", "to"), [(1, [TO] * 3), (4, [TO] * 3), (2, [TO] * 17), (2, [TO]), (2, [TO, b"short"])])
def test_numbers_and_keys_that_make_no_sense(world: World, k: int, to: list[bytes]) -> None:
    with pytest.raises(Malformed):
        world.vault.begin_rekey(secrets(*world.made.shares), k, to)
    assert world.vault.status().rekey_set == ""


def test_a_share_that_was_copied_wrongly_stops_it(world: World) -> None:
    fresh = made(world)
    for bad, error in (
        (fresh[:1], NotEnoughShares),
        (fresh[:2], NotEnoughShares),  # they open it; but the third would be missed on the night of the emergency
        ((*fresh[:2], fresh[1]), NotEnoughShares),
        (world.made.shares, WrongShare),
        ((*fresh[:2], "academic"), Malformed),
    ):
        with pytest.raises(error):
            world.vault.finish_rekey(secrets(*bad))
    assert opened_by(world, world.made.shares[:2])
    world.vault.finish_rekey(secrets(*fresh))  # it still waits
    assert opened_by(world, fresh[:2])


def test_what_nobody_finishes_is_forgotten(world: World) -> None:
    first, second = made(world), made(world)
    with pytest.raises(WrongShare):
        world.vault.finish_rekey(secrets(*first))
    world.vault.seal()
    with pytest.raises(Sealed):
        world.vault.finish_rekey(secrets(*second))
    for one in world.made.shares[:2]:
        world.vault.unseal_share(Secret(one.encode()))
    with pytest.raises(WrongState, match="No new shares wait"):
        world.vault.finish_rekey(secrets(*second))


def patient(world: World) -> tuple[Vault, list[float]]:
    """Another process over the same folder, open, and its seconds to turn."""
    now = [0.0]
    vault = Vault(world.folder, wall=world.clock, monotonic=lambda: now[0])
    for one in world.made.shares[:2]:
        vault.unseal_share(Secret(one.encode()))
    return vault, now


def test_after_a_day(world: World) -> None:
    vault, now = patient(world)
    vault.begin_rekey(secrets(*world.made.shares[:2]), 2, [TO] * 2)
    now[0] = PROVE_WITHIN
    vault.tick()
    assert vault.status().rekey_set
    now[0] += 1
    vault.tick()
    assert not vault.status().rekey_set


def test_a_box_opens_at_its_place_only(world: World) -> None:
    found = world.vault.begin_rekey(secrets(*world.made.shares[:2]), 2, [TO] * 2)
    for deployment, name, index in ((DEPLOYMENT, found.set, 2), ("dep_other", found.set, 1), (DEPLOYMENT, "x", 1)):
        with pytest.raises(Tampered):
            share_box.open(found.boxes[0], KEY, share_box.about(deployment, name, index))
    with pytest.raises(Tampered):
        other = X25519PrivateKey.generate()
        share_box.open(found.boxes[0], other, share_box.about(DEPLOYMENT, found.set, 1))
    assert found.set not in repr(found.boxes)


@pytest.mark.parametrize("file", ["state", "seal"])
def test_a_full_disk_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    fresh = made(world)

    def full(*_: object) -> None:
        raise Unavailable("The disk is full.", what_to_do="Make room.")

    with monkeypatch.context() as patch:
        if file == "seal":
            patch.setattr(keeper, "replace_file", full)
        else:
            patch.setattr("breakglass.vault.state.replace_file", full)
        with pytest.raises(Unavailable):
            world.vault.finish_rekey(secrets(*fresh))
    assert opened_by(world, world.made.shares[:2])
    assert not opened_by(world, fresh[:2])
    world.vault.finish_rekey(secrets(*fresh))
    assert opened_by(world, fresh[:2])


def test_who_has_no_shares_takes_nobody_elses_back(world: World) -> None:
    fresh = made(world)
    waits = world.vault.status().rekey_set
    for bad in (["academic"], list(world.made.shares[:1])):
        with pytest.raises(BreakglassError):
            world.vault.begin_rekey(secrets(*bad), 2, [TO] * 2)
    assert world.vault.status().rekey_set == waits
    world.vault.finish_rekey(secrets(*fresh))


def test_dead_in_the_second_one_after_a_full_disk_in_the_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state could not be settled; then it must know the seal that is there, not the one from before it."""
    first = made(world)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "_settle_seal", lambda *_: None)
        world.vault.finish_rekey(secrets(*first))
    second = made(world, *first[:2])

    def dies(*_: object) -> None:
        raise Unavailable("The process ended here.", what_to_do="")

    with monkeypatch.context() as patch:
        patch.setattr(keeper, "replace_file", dies)
        with pytest.raises(Unavailable):
            world.vault.finish_rekey(secrets(*second))
    assert opened_by(world, first[:2])
    assert not opened_by(world, second[:2])


def test_the_seal_of_before_is_forgotten_as_soon_as_the_disk_takes_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (world.folder / "seal.json").read_bytes()
    fresh = made(world)
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "_settle_seal", lambda *_: None)
        world.vault.finish_rekey(secrets(*fresh))
    world.vault.tick()
    (world.folder / "seal.json").write_bytes(before)
    with pytest.raises(BreakglassError, match="do not belong together"):
        opened_by(world, world.made.shares[:2])


def test_dead_between_the_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal is the new one; that the state says so, and no other, did not get to the disk."""
    fresh = made(world)
    settled: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "_settle_seal", lambda *_: settled.append(1))
        world.vault.finish_rekey(secrets(*fresh))
    assert settled
    old = json.loads((world.folder / "state.json").read_bytes().partition(b"\n")[2])
    assert old["next_seal"]
    assert opened_by(world, fresh[:2])  # and settles it
    new = json.loads((world.folder / "state.json").read_bytes().partition(b"\n")[2])
    assert new["seal"] == old["next_seal"]
    assert "next_seal" not in new


def test_a_seal_from_before_does_not_come_back(world: World, tmp_path: Path) -> None:
    """Who puts the old seal.json back to open the vault with shares that were given up needs the state's key for it."""
    before = (world.folder / "seal.json").read_bytes()
    world.vault.finish_rekey(secrets(*made(world)))
    (world.folder / "seal.json").write_bytes(before)
    with pytest.raises(BreakglassError, match="do not belong together"):
        opened_by(world, world.made.shares[:2])


def proven(world: World, share: str) -> tuple[tuple[int, ...], bool]:
    found = world.vault.prove_share(Secret(share.encode()))
    assert found.n == 3
    return found.entered, found.done


def test_each_custodian_proves_their_own_from_where_they_are(world: World) -> None:
    fresh = made(world)
    name = world.vault.status().rekey_set
    assert proven(world, fresh[2]) == ((3,), False)
    with pytest.raises(WrongShare, match="another set"):
        proven(world, world.made.shares[0])
    assert proven(world, fresh[2]) == ((3,), False)  # once more is once
    assert proven(world, fresh[0]) == ((1, 3), False)
    status = world.vault.status()
    assert (status.rekey_entered, status.rekey_shares) == ((1, 3), 3)
    assert opened_by(world, world.made.shares[:2]), "the old ones hold until the last one"
    assert proven(world, fresh[1]) == ((1, 2, 3), True)
    status = world.vault.status()
    assert (status.share_set, status.rekey_set, status.rekey_entered) == (name, "", ())
    assert opened_by(world, fresh[1:])
    assert not opened_by(world, world.made.shares[:2])
    with pytest.raises(WrongState, match="nothing to prove"):
        proven(world, fresh[0])
    with pytest.raises(WrongState, match="No new shares wait"):
        proven(world, world.made.shares[0])


def test_what_was_proven_is_forgotten_with_the_rest(world: World) -> None:
    world.vault, now = patient(world)
    proven(world, made(world)[0])
    now[0] += PROVE_WITHIN - 1
    world.vault.tick()
    assert world.vault.status().rekey_entered == (1,)
    now[0] += 2
    world.vault.tick()
    assert not world.vault.status().rekey_set
    again = made(world)
    assert world.vault.status().rekey_entered == ()
    proven(world, again[0])
    made(world)  # begun anew
    assert world.vault.status().rekey_entered == ()


def test_a_full_disk_at_the_last_share(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = made(world)
    for one in fresh[:2]:
        proven(world, one)

    def full(*_: object) -> None:
        raise Unavailable("The disk is full.", what_to_do="Make room.")

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "replace_file", full)
        with pytest.raises(Unavailable):
            proven(world, fresh[2])
    assert opened_by(world, world.made.shares[:2])
    assert proven(world, fresh[2]) == ((1, 2, 3), True)
    assert opened_by(world, fresh[:2])


def test_guessing_new_shares_is_held_up(world: World) -> None:
    made(world)
    for _ in range(WRONG_MAX):
        with pytest.raises(Malformed):
            world.vault.prove_share(Secret(b"academic"))
    with pytest.raises(TooMany):
        world.vault.prove_share(Secret(b"academic"))
