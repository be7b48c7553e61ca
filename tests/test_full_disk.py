"""The disk of the server is full: steps say so and what to do, who can't be recorded any more is cut, nobody new comes
in, the node stays up; and when there is room again, everything goes on."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from breakglass.demo.people import ApiRefused
from breakglass.gateway.recorder import RESERVED_BYTES
from tests.deployment import Deployment, deployed, refused
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server
SIZE = RESERVED_BYTES + (64 << 20)


class Ballast:
    """A file on the same disk that takes up all room but `left` bytes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ballast"

    def leave(self, left: int) -> None:
        self.path.unlink(missing_ok=True)
        with self.path.open("wb") as file:
            room = os.statvfs(self.path.parent)
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_frsize - left)

    def fill(self) -> None:
        """To the last page, also what became free meanwhile."""
        with self.path.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                return

    def go(self) -> None:
        self.path.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, in memory, for the data folder."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
async def world(tmp_path: Path, disk: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account) as deployment:
                assert deployment.home.path == disk
                yield deployment


async def test_a_full_disk(world: Deployment, disk: Path) -> None:
    ballast = Ballast(disk)
    request, grant = await world.granted()
    talking = asyncio.create_task(world.alice.ssh("alice+db1", "while sleep 0.1; do head -c 20000 /dev/zero; done"))
    await world.until(lambda: state(world, "running"))
    await world.settled()

    # Below the reserve nobody new comes in; who is in goes on.
    ballast.leave(RESERVED_BYTES - (8 << 20))
    nobody = await world.ssh("true")
    assert nobody.code == 69, nobody
    assert "too little room" in nobody.err
    assert "Make room" in nobody.err
    assert not talking.done()

    # Full: whoever can't be recorded is cut, and told why.
    filling = asyncio.create_task(keep_full(ballast))
    ran = await asyncio.wait_for(talking, 30)
    assert ran.code == 79, (ran.code, ran.err)
    assert "recording can't be written" in ran.err
    assert "No space left" in ran.err

    # Steps say what to do; looking still works; the node and its vault live.
    error = await unavailable(world)
    assert "Make room" in error.what_to_do
    ask = ["request", "db1", "--condition", "cnd_idp-down", "--reason", "x", "--for", "30m"]
    cli = await world.cli(*ask, login="alice")
    assert cli.code == 5, cli
    assert "Make room" in cli.err
    gate = await world.alice.ssh("alice", "request db1 idp-down 30m Sign-in is down")
    assert (gate.code, "Make room" in gate.err) == (69, True), gate
    assert (await world.alice.call("GET", f"/api/requests/{request}"))["request"]["state"] == "approved"
    assert (await world.alice.call("GET", "/api/status"))["sealed"] is False
    assert world.node is not None
    assert world.node.returncode is None

    # Room again: what could not be put down is put down, and everything goes on.
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    ballast.go()
    await world.until(lambda: state(world, "ended"))
    why = await world.bo.call("GET", "/api/sessions")
    cut = next(one for one in why if "recording" in one["why"] and "written" in one["why"])
    assert cut["recording"]["state"] == "truncated"
    assert (await world.ssh("id -un")).out.strip() == world.account.name
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    await refused(world.alice.call("POST", f"/api/grants/{grant}/close"), "wrong_state")
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err
    assert "was cut" in (disk / "alerts.jsonl").read_text()
    await world.review(request)


async def keep_full(ballast: Ballast) -> None:
    while True:
        await asyncio.to_thread(ballast.fill)
        await asyncio.sleep(0.02)


async def unavailable(world: Deployment) -> ApiRefused:
    """A step fails once the database's file can't grow: what room it has in itself is used up first."""
    for _ in range(200):
        try:
            await world.ask()
        except ApiRefused as error:
            if error.status == 503:
                return error
        await asyncio.sleep(0.02)
    raise AssertionError("a full disk took everything")


async def state(world: Deployment, wanted: str) -> Any:
    sessions = await world.bo.call("GET", "/api/sessions")
    return sessions and all(one["state"] == wanted for one in sessions)
