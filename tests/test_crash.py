"""The story with the node or the vault killed (SIGKILL) at each named point. Nothing is lost, deadlines hold, the
rotation completes, and the log verifies: every point is proven to have been reached."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from breakglass.demo.people import ApiRefused, Ran
from breakglass.faults import POINTS
from tests.deployment import CONDITION, TARGET, Deployment
from tests.servers.sshd import Account, Sshd, make_account, running_sshd

pytestmark = pytest.mark.server
REQUEST = "req_0123456789abcdef0123"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[tuple[Sshd, Account]]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            yield sshd, account


@pytest.mark.parametrize("point", sorted(POINTS))
async def test_killed_at(point: str, tmp_path: Path, target: tuple[Sshd, Account]) -> None:
    sshd, account = target
    world = Deployment(tmp_path, sshd, account)
    await world.found(ssh_port=free_port(), api_port=free_port())
    await world.start()
    try:
        await world.sign_in()
        await world.deposit()
        await world.stop()
        reached = tmp_path / "reached"
        world.environment = {"BREAKGLASS_FAULT": point, "BREAKGLASS_FAULT_ONCE": str(reached)}
        watcher = asyncio.create_task(keep_running(world))
        try:
            await tell_the_story(world)
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        assert reached.exists(), f"the story never reached {point}"
        await all_is_well(world)
    finally:
        await world.close()


async def keep_running(world: Deployment) -> None:
    """What systemd does: start the node again whenever it ends."""
    while True:
        if world.node is None or world.node.returncode is not None:
            with contextlib.suppress(Exception):
                await world.start()
        await asyncio.sleep(0.05)


async def tell_the_story(world: Deployment) -> None:
    body = {"id": REQUEST, "target": TARGET, "condition": CONDITION, "reason": "down", "minutes": 30}
    await world.again(lambda: world.alice.call("POST", "/api/requests", body))
    for login in ("bo", "dana"):
        await world.again(lambda login=login: decided(world, login))
    grant = (await world.again(lambda: found(world, "grant")))["id"]
    await world.until(lambda: connected(world), timeout=60)
    await world.again(lambda: closed(world, grant))
    await world.again(lambda: world.settled(60), timeout=90)
    await world.again(lambda: reviewed(world), timeout=60)


async def decided(world: Deployment, login: str) -> None:
    try:
        await world.decide(login, REQUEST)
    except ApiRefused as refused:
        # It was counted before the crash: that is what at least once means.
        if refused.error_code not in ("already_approved", "wrong_state"):
            raise


async def found(world: Deployment, part: str) -> Any:
    return await world.until(lambda: world.part(REQUEST, part), timeout=20)


async def connected(world: Deployment) -> bool:
    ran: Ran = await world.ssh("echo in")
    return ran.out.strip() == "in"


async def closed(world: Deployment, grant: str) -> None:
    try:
        await world.alice.call("POST", f"/api/grants/{grant}/close")
    except ApiRefused as refused:
        if refused.error_code != "wrong_state":
            raise


async def reviewed(world: Deployment) -> None:
    try:
        await world.review(REQUEST)
    except ApiRefused as refused:
        if refused.error_code != "wrong_state" or "signed" not in refused.message:
            raise


async def all_is_well(world: Deployment) -> None:
    shown = await world.again(lambda: world.alice.call("GET", f"/api/requests/{REQUEST}"))
    assert shown["request"]["state"] == "approved"
    assert shown["review"]["state"] == "signed"
    assert (await world.ssh("true")).code != 0, "the closed grant opens again"
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err
    # The proof that no credential was lost: it is changed once more, with what is stored.
    await world.again(lambda: world.carol.call("POST", "/api/accounts/acc_db1-admin/rotate"))
    await world.again(lambda: world.settled(60), timeout=90)
