"""Slots besides the custodians': put there, exchanged and taken away by who holds k shares; and none locks it out."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breakglass.config import KeyInData
from breakglass.errors import BreakglassError, Malformed, NotFound, Refused, Sealed, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import keeper
from breakglass.vault.asking import SlotAct, SlotChange
from breakglass.vault.core import Vault
from breakglass.vault.entering import FORGET_AFTER
from breakglass.vault.key_file import KeyFile
from breakglass.vault.pkcs11_slot import TokenKey
from breakglass.vault.seal_json import from_json
from breakglass.vault.shares import NotEnoughShares, WrongShare
from breakglass.vault.token import WITHIN, Token
from tests.servers.softhsm import SoftHsm, running_softhsm
from tests.vault.libraries import HANGS, compiled
from tests.vault.rig import PLACE, World, new_world


def secrets(*texts: str) -> list[Secret]:
    return [Secret(text.encode()) for text in texts]


def change(act: str, kind: str, **more: str) -> SlotChange:
    return SlotChange(act=SlotAct(act), kind=kind, **more)


def changed(world: World, act: str, kind: str, **more: str) -> tuple[str, ...]:
    vault = world.vault
    return vault.finish_slot(vault.begin_slot(secrets(*world.made.shares[:2]), change(act, kind, **more)))


def content(world: World) -> bytes:
    return (world.folder / "seal.json").read_bytes()


def starts(world: World, **given: Path | Token) -> bool:
    """Another process over the same folder: whether a local slot opens it."""
    return Vault(world.folder, wall=world.clock, **given).try_local_slots()  # type: ignore[arg-type]


def custodians_open(world: World) -> bool:
    vault = Vault(world.folder, wall=world.clock)
    for one in world.made.shares[:2]:
        vault.unseal_share(Secret(one.encode()))
    return not vault.status().sealed


@pytest.fixture(name="apart")
def _apart(tmp_path: Path) -> Path:
    """A folder that is not the vault's."""
    found = tmp_path / "apart"
    found.mkdir()
    return found


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> World:
    return new_world(tmp_path / "home")


def test_the_file_key_moves(world: World, apart: Path) -> None:
    stored, before = world.deposit(), content(world)
    name = world.vault.status().seal
    assert changed(world, "replace", "file", key_file=str(apart / "new.key")) == ("custodians", "file")
    assert world.vault.status().seal != name
    assert starts(world)
    KeyFile(world.home / "seal.key").read().wipe()  # the old one is still there
    assert not starts(world, key_file=world.home / "seal.key")
    assert custodians_open(world)
    world.vault.check(PLACE, stored)
    (world.folder / "seal.json").write_bytes(before)
    with pytest.raises(BreakglassError, match="do not belong together"):
        custodians_open(world)


def test_removed_and_added_again(world: World, apart: Path) -> None:
    assert changed(world, "remove", "file") == ("custodians",)
    assert not starts(world)
    assert custodians_open(world)
    with pytest.raises(NotFound):
        changed(world, "remove", "file")
    made = KeyFile(apart / "made.key").create()
    assert changed(world, "add", "file", key_file=str(apart / "made.key")) == ("custodians", "file")
    assert KeyFile(apart / "made.key").read().reveal() == made.reveal()  # the one that was there is used
    assert starts(world)


@pytest.mark.parametrize(
    ("act", "kind", "error"),
    [
        ("remove", "custodians", Refused),
        ("replace", "custodians", Refused),
        ("add", "custodians", Refused),
        ("add", "file", WrongState),
        ("remove", "pkcs11", NotFound),
        ("replace", "pkcs11", NotFound),
        ("add", "pkcs11", NotFound),  # no module in the settings
        ("add", "tpm", Malformed),
        ("add", "", Malformed),
    ],
)
def test_what_can_not_be_done(world: World, act: str, kind: str, error: type[BreakglassError]) -> None:
    before = content(world)
    with pytest.raises(error):
        changed(world, act, kind, token="plant", key="breakglass")
    assert content(world) == before


def test_only_who_holds_enough_shares(world: World, apart: Path) -> None:
    before, (one, _, _) = content(world), world.made.shares
    foreign = new_world(apart / "other").made.shares
    for shares, error in (((one,), NotEnoughShares), ((one, one), NotEnoughShares), ((one, foreign[1]), WrongShare)):
        with pytest.raises(error):
            world.vault.begin_slot(secrets(*shares), change("replace", "file", key_file=str(apart / "new.key")))
    assert not (apart / "new.key").exists()  # and nothing is made for who has none
    assert content(world) == before


def test_never_a_key_beside_the_vault(world: World) -> None:
    for path in (world.home / "new.key", world.folder / "new.key"):
        with pytest.raises(KeyInData):
            changed(world, "replace", "file", key_file=str(path))
        assert not path.exists()


@pytest.mark.parametrize("path", ["relative.key", "", "/nowhere/at/all.key", "/tmp/a\0b", "/" + "x" * 2000])
def test_paths_that_can_not_be(world: World, path: str) -> None:
    with pytest.raises((Malformed, Unavailable)):
        changed(world, "replace", "file", key_file=path)


def test_where_the_settings_name_the_key_file(world: World, apart: Path) -> None:
    named = apart / "named.key"
    KeyFile(named).create()
    world.vault = Vault(world.folder, wall=world.clock, key_file=named)
    for one in world.made.shares[:2]:
        world.vault.unseal_share(Secret(one.encode()))
    assert "another seal" in {one.kind: one.problem for one in world.vault.check_slots()}["file"]
    with pytest.raises(WrongState, match="settings name the key file"):
        changed(world, "replace", "file", key_file=str(apart / "other.key"))
    changed(world, "replace", "file")
    assert starts(world, key_file=named)
    assert {one.kind: one.opens for one in world.vault.check_slots()} == {"custodians": None, "file": True}
    with pytest.raises(WrongState, match="already"):
        changed(world, "replace", "file")


def test_what_waits_is_forgotten(world: World, apart: Path) -> None:
    now = [0.0]
    world.vault = vault = Vault(world.folder, wall=world.clock, monotonic=lambda: now[0])
    assert vault.try_local_slots()

    def begun(name: str) -> str:
        return vault.begin_slot(secrets(*world.made.shares[:2]), change("replace", "file", key_file=str(apart / name)))

    first, second = begun("one"), begun("two")
    with pytest.raises(WrongState):
        vault.finish_slot(first)
    now[0] = FORGET_AFTER + 1
    vault.tick()
    with pytest.raises(WrongState):
        vault.finish_slot(second)
    third = begun("three")
    vault.seal()
    with pytest.raises(Sealed):
        vault.finish_slot(third)
    assert vault.try_local_slots()
    with pytest.raises(WrongState):
        vault.finish_slot(third)
    fourth = begun("four")
    changed(world, "remove", "file")
    with pytest.raises(WrongState):  # the seal that it was made from is not there any more
        vault.finish_slot(fourth)
    fifth = vault.begin_slot(secrets(*world.made.shares[:2]), change("add", "file", key_file=str(apart / "five")))
    assert vault.finish_slot(fifth) == vault.finish_slot(fifth)  # whose answer was lost


@pytest.mark.parametrize("file", ["state", "seal", "settle"])
def test_dead_between_two_steps(world: World, apart: Path, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Whatever was written when it died, the seal that stands there opens, and by its own key file."""
    name = world.vault.begin_slot(
        secrets(*world.made.shares[:2]), change("replace", "file", key_file=str(apart / "new.key"))
    )

    def dies(*_: object) -> None:
        raise Unavailable("The process ended here.", what_to_do="")

    with monkeypatch.context() as patch:
        if file == "settle":
            patch.setattr(Vault, "_settle_seal", dies)
        elif file == "seal":
            patch.setattr(keeper, "replace_file", dies)
        else:
            patch.setattr("breakglass.vault.state.replace_file", dies)
        with pytest.raises(Unavailable):
            world.vault.finish_slot(name)
    slot = from_json(content(world).decode()).file
    assert slot is not None
    assert (slot.path == str(apart / "new.key")) == (file == "settle")
    assert starts(world)
    assert custodians_open(world)


def test_they_are_listed_as_they_are(world: World) -> None:
    found = {one.kind: one for one in world.vault.check_slots()}
    assert found["custodians"].where.startswith("any 2 of 3 shares of the set ")
    assert found["file"].opens
    assert found["file"].where == str(world.home / "seal.key")
    (world.home / "seal.key").chmod(0o644)
    broken = {one.kind: one for one in world.vault.check_slots()}["file"]
    assert not broken.opens
    assert "Others than the vault's user" in broken.problem


# -- a hardware module ------------------------------------------------------------------------------------------------
@pytest.fixture(name="hsm")
def _hsm(apart: Path) -> Iterator[SoftHsm]:
    with running_softhsm(apart / "hsm") as found:
        yield found


def with_token(world: World, token: Token) -> Vault:
    """The same vault, opened by custodians, with a module in its settings."""
    world.vault = Vault(world.folder, wall=world.clock, token=token)
    for one in world.made.shares[:2]:
        world.vault.unseal_share(Secret(one.encode()))
    world.found()
    return world.vault


@pytest.mark.server
def test_a_token_opens_it(world: World, hsm: SoftHsm) -> None:
    with_token(world, hsm.token())
    stored = world.deposit()
    assert changed(world, "add", "pkcs11", token="plant", key="bg") == ("custodians", "file", "pkcs11")
    assert changed(world, "remove", "file") == ("custodians", "pkcs11")
    assert {one.kind: one.opens for one in world.vault.check_slots()} == {"custodians": None, "pkcs11": True}
    vault = world.vault = Vault(world.folder, wall=world.clock, token=hsm.token())
    assert not vault.try_local_slots()
    assert vault.try_slow_slots()
    world.found()
    vault.check(PLACE, stored)
    slot = json.loads(content(world))["slots"][1]
    assert (slot["token"], slot["key"]) == ("plant", "bg")
    assert changed(world, "replace", "pkcs11", token="plant", key="bg2") == ("custodians", "pkcs11")
    assert json.loads(content(world))["slots"][1]["key"] == "bg2"
    assert changed(world, "remove", "pkcs11") == ("custodians",)
    assert custodians_open(world)


@pytest.mark.server
def test_a_token_that_is_gone_is_named(world: World, hsm: SoftHsm) -> None:
    with_token(world, hsm.token())
    changed(world, "add", "pkcs11", token="plant", key="bg")
    (world.home / "seal.key").unlink()
    hsm.pin_file.write_text("wrong")
    vault = Vault(world.folder, wall=world.clock, token=hsm.token())
    assert not vault.try_local_slots()
    assert not vault.try_slow_slots()
    status = vault.status()
    assert "There is no key file" in status.problem
    assert "the token refuses the PIN" in status.problem
    assert status.slots == ("custodians", "file", "pkcs11")
    without = Vault(world.folder, wall=world.clock)
    assert not without.try_slow_slots()
    assert "settings name none" in without.status().problem
    assert custodians_open(world)


@pytest.mark.server
def test_custodians_never_wait_for_a_module(world: World, hsm: SoftHsm, apart: Path) -> None:
    """While a library hangs the calls go on, and a change that it holds up changes nothing."""
    hanging = Token(compiled(apart, HANGS), hsm.pin_file)
    vault, before = with_token(world, hanging), content(world)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="no answer within"):
        changed(world, "add", "pkcs11", token="plant", key="bg")
    assert 5 <= time.monotonic() - began < 8
    assert content(world) == before
    assert not vault.status().sealed


class Late(Token):
    """It answers just when somebody seals the vault."""

    meanwhile: Callable[[], None]

    def open_key(self, at: TokenKey, sealed: bytes, iv: bytes, within: float = WITHIN) -> Secret:
        key = super().open_key(at, sealed, iv, within)
        self.meanwhile()
        return key


@pytest.mark.server
def test_what_was_sealed_meanwhile_stays_sealed(world: World, hsm: SoftHsm) -> None:
    """Who seals it in danger does so also while a module is being asked."""
    with_token(world, hsm.token())
    changed(world, "add", "pkcs11", token="plant", key="bg")
    late = Late(hsm.module, hsm.pin_file)
    vault = Vault(world.folder, wall=world.clock, token=late)
    late.meanwhile = vault.seal
    assert not vault.try_slow_slots()
    assert vault.status().sealed
    late.meanwhile = lambda: None
    assert vault.try_slow_slots()
