"""Making a vault whole or not at all, and opening it with shares."""

import errno
import os

import pytest

from breakglass.errors import Malformed, Sealed, TooMany, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import entering
from breakglass.vault.core import Vault
from breakglass.vault.making import make
from breakglass.vault.shares import WrongShare
from tests.vault.rig import DEPLOYMENT, ORIGIN


def test_a_fresh_vault_is_private_and_says_its_keys(tmp_path):
    made = make(tmp_path / "home" / "vault", DEPLOYMENT, ORIGIN, k=2, n=3, key_file=tmp_path / "key")
    folder = tmp_path / "home" / "vault"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert sorted(one.name for one in folder.iterdir()) == ["keys.json", "seal.json", "state.json"]
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}
    assert len(made.shares) == 3
    assert made.public.log.startswith(f"{ORIGIN}+")
    assert made.public.grant.startswith(f"{ORIGIN}/grant+")
    assert not any(share in repr(made) for share in made.shares)


def test_it_refuses_where_a_vault_is(tmp_path):
    make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=2)
    before = {one: one.read_bytes() for one in (tmp_path / "vault").iterdir()}
    with pytest.raises(WrongState):
        make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=2)
    assert {one: one.read_bytes() for one in (tmp_path / "vault").iterdir()} == before


def test_a_key_file_is_never_overwritten_and_a_failure_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / "key").write_bytes(b"another vault's")
    with pytest.raises(WrongState):
        make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=2, key_file=tmp_path / "key")
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
    (tmp_path / "key").unlink()

    count = 0

    def full_later(descriptor):
        nonlocal count
        count += 1
        if count > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_later)
    with pytest.raises(Unavailable):
        make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=2, key_file=tmp_path / "key")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=2, key_file=tmp_path / "key")


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 2), (3, 2), (0, 2), (2, 17)])
def test_impossible_numbers(tmp_path, k, n):
    with pytest.raises(Malformed):
        make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=k, n=n)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "ä", "a\nb", "x" * 201])
def test_impossible_origins(tmp_path, origin):
    with pytest.raises(Malformed):
        make(tmp_path / "vault", DEPLOYMENT, origin, k=2, n=2)


def test_alone_is_for_demonstrations(tmp_path):
    made = make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=1, n=1, alone=True)
    vault = Vault(tmp_path / "vault")
    assert not vault.unseal_share(Secret(made.shares[0].encode())).sealed


class Seconds:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(name="sealed")
def _sealed(tmp_path):
    made = make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=3)
    other = make(tmp_path / "other", DEPLOYMENT, ORIGIN, k=2, n=3)
    seconds = Seconds()
    vault = Vault(tmp_path / "vault", monotonic=seconds)
    assert not vault.try_local_slots()
    return vault, made, other, seconds


def enter(vault, text):
    return vault.unseal_share(Secret(text.encode()))


def test_shares_one_by_one(sealed):
    vault, made, _, _ = sealed
    progress = enter(vault, made.shares[2].lower().replace("-", " "))
    assert (progress.entered, progress.k, progress.sealed) == ((3,), 2, True)
    assert enter(vault, made.shares[2]).entered == (3,)
    with pytest.raises(Sealed):
        vault.sign(0, [], b"")
    progress = enter(vault, made.shares[0])
    assert (progress.entered, progress.sealed) == ((), False)
    assert not vault.status().sealed


def test_a_wrong_share_is_named_and_the_right_ones_stay(sealed):
    vault, made, other, _ = sealed
    enter(vault, made.shares[0])
    with pytest.raises(WrongShare) as caught:
        enter(vault, other.shares[1])
    assert caught.value.index == 2
    words = made.shares[1].split()
    typo = " ".join([*words[:10], "zero" if words[10] != "zero" else "acid", *words[11:]])
    with pytest.raises(Malformed, match="word 11 of 33"):
        enter(vault, typo)
    assert vault.status().shares.entered == (1,)
    assert not enter(vault, made.shares[1]).sealed


def test_ten_wrong_shares_a_minute(sealed):
    vault, made, other, seconds = sealed
    for n in range(entering.WRONG_MAX):
        seconds.now += 1
        with pytest.raises((WrongShare, Malformed)):
            enter(vault, other.shares[0] if n % 2 else "noise")
    with pytest.raises(TooMany):
        enter(vault, made.shares[0])
    seconds.now += 60
    enter(vault, made.shares[0])
    assert not enter(vault, made.shares[1]).sealed


def test_shares_that_nobody_completed_are_forgotten(sealed):
    vault, made, _, seconds = sealed
    enter(vault, made.shares[0])
    held = vault._entering._shares[1].value
    seconds.now += entering.FORGET_AFTER - 1
    vault.tick()
    assert vault.status().shares.entered == (1,)
    seconds.now += 2
    vault.tick()
    assert vault.status().shares.entered == ()
    assert len(held) == 0


def test_a_share_goes_to_the_attempt_that_its_custodian_saw(sealed):
    vault, made, _, seconds = sealed
    seen = vault.status().shares.attempt
    vault.unseal_share(Secret(made.shares[0].encode()), seen)
    seconds.now += entering.FORGET_AFTER + 1
    vault.tick()
    with pytest.raises(WrongState, match=f"Attempt {seen} is over") as refused:
        vault.unseal_share(Secret(made.shares[1].encode()), seen)
    fresh = vault.status().shares.attempt
    assert fresh != seen
    assert fresh in refused.value.what_to_do
    assert vault.status().shares.entered == ()
    vault.unseal_share(Secret(made.shares[1].encode()), fresh)
    assert not vault.unseal_share(Secret(made.shares[0].encode()), fresh).sealed


def test_a_local_slot_that_fails_leaves_it_to_the_custodians(tmp_path):
    made = make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=3, key_file=tmp_path / "key")
    (tmp_path / "key").unlink()
    vault = Vault(tmp_path / "vault")
    assert not vault.try_local_slots()
    assert "key file" in vault.status().problem
    enter(vault, made.shares[0])
    enter(vault, made.shares[1])
    assert vault.status().problem == ""


def test_a_moved_key_file(tmp_path):
    make(tmp_path / "vault", DEPLOYMENT, ORIGIN, k=2, n=3, key_file=tmp_path / "key")
    (tmp_path / "key").rename(tmp_path / "moved")
    assert Vault(tmp_path / "vault", key_file=tmp_path / "moved").try_local_slots()
