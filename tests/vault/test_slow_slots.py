"""The real process and a hardware module: it opens the vault, and one that hangs or crashes holds up nobody."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breakglass.model.secret import Secret
from breakglass.vault.asking import SlotAct, SlotChange
from breakglass.vault.client import VaultClient
from tests.servers.softhsm import PIN, SoftHsm, running_softhsm
from tests.vault.libraries import CRASHES, HANGS, compiled
from tests.vault.rig import World, new_world
from tests.vault.test_process import RealClock, running

pytestmark = [pytest.mark.server, pytest.mark.slow]

AUTO_WITHIN = 5.0


@pytest.fixture(name="hsm")
def _hsm(tmp_path: Path) -> Iterator[SoftHsm]:
    with running_softhsm(tmp_path / "hsm") as found:
        yield found


@pytest.fixture(name="real")
def _real(tmp_path: Path, hsm: SoftHsm) -> World:
    """A vault with a pkcs11 slot and no other but the custodians', that no process has open."""
    world = new_world(tmp_path / "home")
    world.vault.seal()
    world.clock = RealClock()
    with running(world, *options(hsm.module, hsm.pin_file)):
        for act, kind in ((SlotAct.ADD, "pkcs11"), (SlotAct.REMOVE, "file")):
            change = SlotChange(act=act, kind=kind, token="plant", key="bg")
            world.vault.finish_slot(world.vault.begin_slot(shares(world), change))
    (world.home / "seal.key").unlink()
    return world


def options(module: Path, pin_file: Path) -> tuple[str, ...]:
    return ("--pkcs11-module", str(module), "--pkcs11-pin-file", str(pin_file))


def shares(world: World) -> list[Secret]:
    return [Secret(one.encode()) for one in world.made.shares[:2]]


def until(holds: Callable[[], object], within: float) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within
        time.sleep(0.02)
    return time.monotonic() - began


def child_of(pid: int) -> int:
    found = subprocess.run(["pgrep", "-P", str(pid)], check=False, capture_output=True, text=True, timeout=10)
    return int(found.stdout.split()[0]) if found.stdout else 0


def test_it_opens_by_itself(real: World, hsm: SoftHsm) -> None:
    with running(real, *options(hsm.module, hsm.pin_file), load=False) as process:
        until(lambda: not process.client.status().sealed, AUTO_WITHIN)
        assert process.client.status().problem == ""
        assert [one.opens for one in process.client.check_slots()] == [None, True]
        mapped = Path(f"/proc/{process.process.pid}/maps").read_text()
        assert "python" in mapped
        assert "softhsm" not in mapped
        shown = Path(f"/proc/{process.process.pid}/cmdline").read_bytes()
        assert process.stop() == 0
    files = b"".join(one.read_bytes() for one in real.home.rglob("*") if one.is_file())
    assert PIN.encode() not in files + shown


def test_a_library_that_hangs(real: World, hsm: SoftHsm, tmp_path: Path) -> None:
    """Ready at once, open by shares while it hangs, and the process that hangs is gone after 5 s."""
    module = compiled(tmp_path, HANGS)
    began = time.monotonic()
    with running(real, *options(module, hsm.pin_file), load=False) as process:
        assert process.ready["sealed"]
        for one in shares(real):
            progress = process.client.unseal_share(one)
        opened = time.monotonic() - began
        assert not progress.sealed
        assert opened < 5
        hangs = child_of(process.process.pid)
        assert hangs
        until(lambda: not Path(f"/proc/{hangs}").exists(), 8)
        assert time.monotonic() - began < 10
        assert not process.client.status().sealed
        until(lambda: "no answer within 5 s" in process.client.status().problem, 2)


def test_a_library_that_crashes(real: World, hsm: SoftHsm, tmp_path: Path) -> None:
    module = compiled(tmp_path, CRASHES)
    with running(real, *options(module, hsm.pin_file), load=False) as process:
        until(lambda: "ended without an answer" in process.client.status().problem, AUTO_WITHIN)
        for one in shares(real):
            process.client.unseal_share(one)
        assert not process.client.status().sealed


def test_a_vault_that_is_killed_takes_the_library_along(real: World, hsm: SoftHsm, tmp_path: Path) -> None:
    module = compiled(tmp_path, HANGS)
    with running(real, *options(module, hsm.pin_file), load=False) as process:
        until(lambda: child_of(process.process.pid), 3)
        hangs = child_of(process.process.pid)
        assert PIN.encode() not in Path(f"/proc/{hangs}/cmdline").read_bytes()
        assert PIN.encode() not in Path(f"/proc/{hangs}/environ").read_bytes()
        os.kill(process.process.pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{hangs}/cmdline").exists() or not Path(f"/proc/{hangs}/cmdline").read_bytes(), 3)


def test_half_of_the_settings_is_refused(real: World, hsm: SoftHsm) -> None:
    with running(real, "--pkcs11-module", str(hsm.module), load=False) as process:
        assert process.ready == {}
    assert isinstance(process.client, VaultClient)
