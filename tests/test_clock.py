"""The server's clock stands wrong: everything freezes, everybody is told what to do, and custodians let it go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import Deployment, refused
from tests.servers.faketime import TurnedClock
from tests.servers.sshd import Account, Sshd, make_account, running_sshd

pytestmark = pytest.mark.server


@pytest.fixture
async def target(tmp_path: Path) -> AsyncIterator[tuple[Sshd, Account]]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            yield sshd, account


@pytest.fixture
async def world(tmp_path: Path, target: tuple[Sshd, Account]) -> AsyncIterator[Deployment]:
    """As always, but that the clock stands an hour ahead, and can be turned with `clock`."""
    deployment = Deployment(tmp_path, *target)
    await deployment.found()
    turned = TurnedClock(tmp_path)
    turned.turn("+1h")
    deployment.environment = turned.environment
    try:
        await deployment.start()
        await deployment.sign_in()
        await deployment.deposit()
        yield deployment
    finally:
        await deployment.close()


@pytest.fixture
def clock(world: Deployment, tmp_path: Path) -> TurnedClock:
    return TurnedClock(tmp_path)  # the same file


async def stands(world: Deployment, *, wrong: bool) -> Any:
    """Both processes say so: the node and its vault each see a turned clock within a second, not at once."""

    async def look() -> Any:
        found = await world.carol.call("GET", "/api/clock")
        vault = await world.carol.call("GET", "/api/vault")
        return found if found["wrong"] is wrong and vault["clock_frozen"] is wrong else None

    return await world.until(look)


async def kinds(world: Deployment, start: str) -> list[str]:
    return [one["kind"] for one in await world.carol.call("GET", f"/api/audit/entries?kind={start}&limit=1000")]


async def test_an_hour_back_freezes_and_custodians_let_it_go_on(world: Deployment, clock: TurnedClock) -> None:
    early, early_grant = await world.granted()
    inside = asyncio.create_task(world.ssh("sleep 600"))
    await world.until(lambda: running(world))
    clock.turn("+0")
    await stands(world, wrong=True)

    # Everybody is told, everywhere; nobody new comes in, and nothing is released.
    assert "went back" in (await world.cli("status")).out
    assert "THE CLOCK IS WRONG" in (await world.cli("status", login="alice")).out
    assert "THE CLOCK IS WRONG" in (await world.alice.ssh("alice", "status")).out
    assert "clock confirm" in (await world.cli("status", login="carol")).out
    assert "confirm it" in (await world.alice.ssh("alice", "clock")).out
    assert (await world.alice.call("GET", "/api/vault"))["clock_frozen"]
    nobody = await world.ssh("true")
    assert nobody.code == 69, nobody
    assert "breakglass clock confirm" in nobody.err
    assert "clock.went_back" in await kinds(world, "clock.")

    # People decide all the same; the grant waits.
    body = {"target": "db1", "condition": "cnd_idp-down", "reason": "Sign-in is down.", "minutes": 30}
    late = await world.alice.call("POST", "/api/requests", {**body, "id": "req_late"})
    for login in ("bo", "dana"):
        await world.decide(login, late["id"])
    undecided = (await world.alice.call("POST", "/api/requests", {**body, "id": "req_undecided"}))["id"]

    # One custodian is not enough, twice the same is one, and whoever is none does not count.
    assert (await world.cli("clock", "confirm", "--yes", login="alice")).code == 4
    first = await world.cli("clock", "confirm", "--yes", login="carol")
    assert first.code == 0, first
    assert "1 more of the custodians" in first.out
    again = await world.cli("clock", "confirm", "--yes", login="carol")
    assert again.code == 1, again
    assert "Another custodian" in again.err

    # The second one has only ssh; a changed text counts for nothing.
    text = (await world.cem.ssh("cem", "clock statement")).out
    signature = await world.cem.sign(text)
    forged = text.replace("person: usr_cem", "person: usr_ivy") + signature
    assert (await world.cem.ssh("cem", "clock confirm", stdin=forged.encode())).code == 77
    brought = await world.cem.ssh("cem", "clock confirm", stdin=signature.encode())
    assert brought.code == 0, brought

    # Time goes on. What was from the time that never was is over, and says so.
    ended = await inside
    assert ended.code != 0
    assert "clock stood wrong" in ended.err
    await world.sign_in()
    found = await stands(world, wrong=False)
    assert found["signed_by"] == []
    assert (await world.part(early, "grant"))["state"] == "revoked"
    assert (await world.part(undecided, "request"))["state"] == "expired"
    await refused(world.carol.call("POST", "/api/clock/statement"), "wrong_state")
    await refused(
        world.cem.call("POST", "/api/clock/confirm", {"signature": signature, "text": text}), "already_approved"
    )

    # And what was approved meanwhile goes on by itself.
    await world.until(lambda: world.part(late["id"], "grant"))
    await world.settled()
    ran = await world.ssh("id -un")
    assert ran.out.strip() == world.account.name, ran
    await world.alice.call("POST", f"/api/grants/{(await world.part(late['id'], 'grant'))['id']}/close")
    await world.settled()
    assert early_grant
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err
    told = (world.home.path / "alerts.jsonl").read_text()
    assert "clock went back" in told
    assert "Custodians confirmed the time" in told


async def test_a_clock_that_catches_up_needs_nobody(world: Deployment, clock: TurnedClock) -> None:
    clock.turn("+50m")
    await stands(world, wrong=True)
    clock.turn("+1h")
    await stands(world, wrong=False)
    await world.granted()
    assert (await world.ssh("true")).code == 0
    assert (await kinds(world, "clock."))[-2:] == ["clock.went_back", "clock.runs"]


async def test_deadlines_that_passed_while_the_node_was_down(world: Deployment, clock: TurnedClock) -> None:
    used, grant = await world.granted()
    assert (await world.ssh("true")).code == 0
    await world.settled()
    body = {"target": "db1", "condition": "cnd_idp-down", "reason": "Sign-in is down.", "minutes": 30}
    waiting = (await world.alice.call("POST", "/api/requests", body))["id"]
    text = (await world.dana.call("POST", f"/api/requests/{waiting}/statement", {"kind": "approve"}))["text"]
    signed = {"signature": await world.dana.sign(text), "text": text}
    await world.kill()
    clock.turn("+4h")

    await world.start()
    await world.sign_in()
    late = await world.ssh("true")
    assert late.code == 77, late
    assert "grant is expired" in late.err
    error = await refused(world.dana.call("POST", f"/api/requests/{waiting}/approvals", signed), "wrong_state")
    assert "expired" in error.message

    async def swept() -> bool:
        pages = [
            await world.part(waiting, "request"),
            await world.part(used, "grant"),
            await world.part(used, "review"),
        ]
        return [one and one["state"] for one in pages] == ["expired", "expired", "open"]

    await world.until(swept)
    rotations = await world.settled()
    assert any(one["because"] == "close" and one["grant"] == grant for one in rotations)
    assert (await world.cli("audit", "verify")).code == 0


async def running(world: Deployment) -> bool:
    return any(one["state"] == "running" for one in await world.bo.call("GET", "/api/sessions"))
