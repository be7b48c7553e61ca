"""What `tests/test_blackout.py` runs where there is no network, or no answer to any name: the key file is gone, and the
custodians are all that there is. The settings name a SIEM, a timestamp authority, places for checkpoints and witnesses,
by names: none of them may hold anybody up.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.codec.cosignature import WitnessKey
from breakglass.demo.people import ApiRefused
from breakglass.errors import Unavailable
from tests.deployment import Deployment
from tests.servers.sshd import make_account, running_sshd
from tests.servers.tls import certified

HOST = "db1.example.org"
"""Of the target: it stands in the hosts file."""
READY_WITHIN = 10.0
"""Seconds from the start of the node until it takes a share."""
OUTSIDE: dict[str, Any] = {
    "siem": "tls://siem.example.org:6514",
    "tsa": "https://tsa.example.org/tsr",
    "checkpoint_copies": ("https://hooks.example.org/keep", "tls://siem.example.org:6514"),
}


class Dark(Deployment):
    def estate(self) -> dict[str, Any]:
        public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        key = WitnessKey(name="w1.example.org", public=public).text()
        known = [{"key": key, "url": "https://w1.example.org/"}]
        estate = {**super().estate(), "witnesses": {"quorum": 0, "known": known}}
        for target in estate["targets"].values():
            target["host"] = HOST
        return estate


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Dark]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = Dark(tmp_path, sshd, account)
            (tmp_path / "tls").mkdir()
            roots = certified(tmp_path / "tls").certificate
            await world.found(**OUTSIDE, tsa_ca=str(roots))
            try:
                yield world
            finally:
                await world.close()


async def test_custodians_open_it_and_the_story_works(world: Dark) -> None:
    await world.start()
    await world.sign_in()
    await world.deposit()
    await world.stop()
    (world.folder / "seal.key").unlink()

    started = time.monotonic()
    starting = asyncio.create_task(world.start())
    sealed = await entered(world, 0, starting)
    took = time.monotonic() - started
    assert took < READY_WITHIN, f"it took a share after {took:.1f} s"
    assert sealed["sealed"]
    assert sealed["shares_entered"] == 1

    # One share is not enough: people may ask and decide, and nobody gets in.
    request = await world.ask()
    for login in ("bo", "dana"):
        await world.decide(login, request)
    refused = await world.ssh("true")
    assert refused.code != 0, refused.out
    again = await world.carol.call("POST", "/api/vault/unseal", {"share": world.shares[0]})
    assert again["sealed"], "the same share counted twice"

    opened = await world.cem.call("POST", "/api/vault/unseal", {"share": world.shares[2]})
    assert not opened["sealed"]
    await world.until(lambda: world.part(request, "grant"))
    ran = await world.ssh("echo I am in")
    assert ran.out == "I am in\n", ran.err
    grant = await world.part(request, "grant")
    await world.alice.call("POST", f"/api/grants/{grant['id']}/close")
    [*done] = await world.settled(120)
    assert done
    await world.review(request)
    verified = await world.cli("audit", "verify")
    assert verified.code == 0, verified.out


async def entered(world: Dark, share: int, starting: "asyncio.Task[None]") -> dict[str, Any]:
    """A custodian tries until the node is there and takes the share."""
    while True:
        try:
            if world.home.node_file.exists():
                await world.sign_in()
                found: dict[str, Any] = await world.carol.call(
                    "POST", "/api/vault/unseal", {"share": world.shares[share]}
                )
                await starting
                return found
        except (Unavailable, ApiRefused):
            pass
        await asyncio.sleep(0.05)
