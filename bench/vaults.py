"""The vault over its socket: how long its shares take to open it, how many secrets it moves to a new key, and how many
releases it makes durable.

unseal     k shares, each checked, combined, keys and state opened     against as many calls that only ask for its state
rewrap     1,000 stored secrets in batches of 200                      against AES-GCM opening and closing as many keys
releases   sessions, one after the other, each proven and used up      against a file of the state's size, replaced
"""

import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.measure import OURS, Row, Side, Wanted, in_turn, rows
from breakglass.model.secret import Secret
from breakglass.vault.asking import Deposited, Placed
from breakglass.vault.client import VaultClient
from breakglass.vault.files import replace_file
from breakglass.vault.state import FILE
from tests.vault.rig import PLACE, World, new_world
from tests.vault.test_process import RealClock, running

SUITE = "vault"
LAPS, RELEASES, SECRETS, BATCH = 5, 50, 1000, 200


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    """`folder` must be short: the vault's socket lies in it."""
    if not any(wanted(f"vault.{name}") for name in ("unseal", "rewrap", "releases")):
        return
    world = new_world(folder)
    world.vault.seal()
    world.clock = RealClock()
    with running(world) as process:
        if wanted("vault.unseal"):
            sides = {
                OURS: _timed(lambda: _unseal(world, process.client)),
                "status": _timed(lambda: _asked(process.client)),
            }
            for row in rows("vault.unseal", "ms", await in_turn(LAPS * 3, sides)):
                yield row
            process.client.load_roster(world.versions)
        if wanted("vault.rewrap"):
            placed = _stored(world)
            sides = {OURS: _rate(SECRETS, lambda: _rewrap(process.client, placed)), "AES-GCM": _rate(SECRETS, _gcm)}
            for row in rows("vault.rewrap", "secrets/s", await in_turn(LAPS, sides)):
                yield row
        if wanted("vault.releases"):
            releases = _Releases(world)
            sides = {OURS: releases.measured, "file replaced": _rate(RELEASES, lambda: _replaced(world.folder))}
            for row in rows("vault.releases", "releases/s", await in_turn(LAPS, sides)):
                yield row


def _timed(act: Callable[[], object]) -> Side:
    async def side() -> float:
        began = time.perf_counter()
        act()
        return (time.perf_counter() - began) * 1000

    return side


def _rate(count: int, act: Callable[[], object]) -> Side:
    async def side() -> float:
        began = time.perf_counter()
        act()
        return count / (time.perf_counter() - began)

    return side


def _unseal(world: World, client: VaultClient) -> None:
    """Sealed first: that is a write of the state, as small as what opens it."""
    client.seal()
    for share in world.made.shares[:2]:
        progress = client.unseal_share(Secret(share.encode()))
    assert not progress.sealed


def _asked(client: VaultClient) -> None:
    for _ in range(3):
        client.status()


def _stored(world: World) -> list[Placed]:
    return [
        Placed(account=PLACE, deposited=world.deposit(credential=f"crd_{n}", version=n + 1)) for n in range(SECRETS)
    ]


def _rewrap(client: VaultClient, placed: list[Placed]) -> None:
    for start in range(0, len(placed), BATCH):
        assert all(client.rewrap(placed[start : start + BATCH]))


def _gcm() -> None:
    cipher = AESGCM(os.urandom(32))
    for _ in range(SECRETS):
        nonce = os.urandom(12)
        key = cipher.decrypt(nonce, cipher.encrypt(nonce, bytes(32), b"bound"), b"bound")
        cipher.encrypt(os.urandom(12), key, b"bound")


class _Releases:
    """Sessions of one grant; what the node does for them (the log, its proofs) is done before the clock starts."""

    def __init__(self, world: World) -> None:
        self._world, self._grant = world, world.open_grant()
        self._stored: Deposited = world.deposit(credential="crd_0", version=5000)
        self._number = 0

    async def measured(self) -> float:
        names = [f"ses_{self._number + n}" for n in range(RELEASES)]
        self._number += RELEASES
        told = [self._world.told_session(name) for name in names]
        began = time.perf_counter()
        for name, proof in zip(names, told, strict=True):
            self._world.release(self._grant, name, self._stored, evidence=proof).secret.wipe()
        return RELEASES / (time.perf_counter() - began)


def _replaced(folder: Path) -> None:
    content = (folder / FILE).read_bytes()
    for _ in range(RELEASES):
        replace_file(folder / "bench.json", content)
