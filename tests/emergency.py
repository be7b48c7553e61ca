"""The whole emergency, told to a deployment that may die at any moment and comes back: people try again until it works,
and then everything must be as if nothing had happened.

    async with struck(world, points, reached) as deaths:      who dies there, and how the node comes back
        await tell(world)
    await all_is_well(world)
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from breakglass.demo.people import ApiRefused, Ran
from breakglass.errors import Unavailable
from tests.deployment import ACCOUNT, CONDITION, TARGET, Deployment
from tests.template import nothing_owed, rows

DENIED, CANCELLED, REQUEST, KILLED = (f"req_{n:020d}" for n in range(1, 5))
LEASES = 90
"""Seconds in which a step of the story works again: the leases of a node that died are over after 60."""


# -- death and return -------------------------------------------------------------------------------------------------
@asynccontextmanager
async def struck(
    world: Deployment, points: Collection[str], reached: Path, *, other: bool = False
) -> AsyncIterator[None]:
    """The node is started and kept running, as systemd does it; at each point the process that reaches it is killed,
    or with `other` its companion: the vault when the node is there, the node when the vault is. `reached`, a folder,
    gets a file for each point."""
    world.environment = {
        "BREAKGLASS_FAULT": ",".join(points),
        "BREAKGLASS_FAULT_ONCE": str(reached),
        "BREAKGLASS_FAULT_SIGNAL": "STOP" if other else "KILL",
    }
    tasks = [asyncio.create_task(_keep_running(world))]
    if other:
        tasks.append(asyncio.create_task(_kill_companions(world, reached)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if world.node is not None and world.node.returncode is None:
            _signal(world.node.pid, signal.SIGCONT)


async def _keep_running(world: Deployment) -> None:
    while True:
        if world.node is None or world.node.returncode is not None:
            with contextlib.suppress(Unavailable):
                await world.start()
        else:
            await world.node.wait()


async def _kill_companions(world: Deployment, reached: Path) -> None:
    """Who reached a point has stopped there and left its process's id."""
    seen: set[str] = set()
    while True:
        await asyncio.sleep(0.01)
        for name in {one.name for one in reached.iterdir()} - seen:  # noqa: ASYNC240 (a few names)
            pid = int((reached / name).read_text() or 0)
            if not pid or world.node is None:
                continue
            seen.add(name)
            others = _vaults(world.node.pid) if pid == world.node.pid else [world.node.pid]
            for one in others:
                _signal(one, signal.SIGKILL)
            _signal(pid, signal.SIGCONT if others else signal.SIGKILL)


def _vaults(node: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{node}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def _signal(pid: int, what: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, what)


# -- the story --------------------------------------------------------------------------------------------------------
async def tell(world: Deployment) -> None:
    """Ask, deny, cancel, approve, connect, close, rotate, replay, review; a killed session; another estate."""
    await world.until(lambda: _open(world), LEASES)
    await again(world, world.sign_in)
    await asked(world, DENIED)
    await again(world, lambda: denied(world), "already_denied", "wrong_state")
    await asked(world, CANCELLED)
    await again(world, lambda: world.alice.call("POST", f"/api/requests/{CANCELLED}/cancel"), "wrong_state")

    grant = await granted(world, REQUEST)
    await world.until(lambda: _connected(world), timeout=LEASES)
    await again(world, lambda: world.alice.call("POST", f"/api/grants/{grant}/close"), "wrong_state")
    await reviewed(world, REQUEST)

    await granted(world, KILLED)
    await again(world, lambda: _killed(world), "wrong_state", "not_found")
    await reviewed(world, KILLED)

    await again(world, lambda: _estate_changed(world))
    await again(world, lambda: world.bo.call("DELETE", "/api/sign-in"), "unauthorized", "not_signed_in")


async def _open(world: Deployment) -> bool:
    return world.home.node_file.exists()


async def again(world: Deployment, act: Any, *done: str) -> Any:
    """Until it works, as people do; a refusal with one of `done` says that it had worked before the answer was lost.
    Whatever people are told meanwhile says what happened and what to do."""
    async with asyncio.timeout(LEASES):
        while True:
            try:
                return await act()
            except ApiRefused as refused:
                if refused.error_code in done:
                    return None
                if refused.status < 500 or not refused.message or not refused.what_to_do:
                    raise AssertionError(f"{refused.status} {refused.error_code}: {refused.message}") from refused
            except Unavailable:
                pass
            await asyncio.sleep(0.05)


async def asked(world: Deployment, id: str) -> None:
    body = {"id": id, "target": TARGET, "condition": CONDITION, "reason": "down", "minutes": 30}
    await again(world, lambda: world.alice.call("POST", "/api/requests", body))


async def granted(world: Deployment, id: str) -> str:
    await asked(world, id)
    for login in ("bo", "dana"):
        await again(world, lambda login=login: world.decide(login, id), "already_approved", "wrong_state")
    grant: str = (await again(world, lambda: world.until(lambda: world.part(id, "grant"), LEASES)))["id"]
    return grant


async def denied(world: Deployment) -> None:
    path = f"/api/requests/{DENIED}"
    text = (await world.bo.call("POST", f"{path}/statement", {"kind": "deny", "reason": "It works."}))["text"]
    await world.bo.call("POST", f"{path}/denials", {"signature": await world.bo.sign(text)})


async def _connected(world: Deployment) -> bool:
    ran: Ran = await world.ssh("echo in")
    return ran.out.strip() == "in"


async def _killed(world: Deployment) -> None:
    """Bo cuts alice's session; she may lose it before to a crash, and then connects again."""
    if (await world.part(KILLED, "grant"))["state"] == "revoked":
        return  # the answer to Bo's word was lost
    talking = asyncio.create_task(world.ssh("echo in; sleep 60"))
    try:
        while True:
            running = [one for one in await world.bo.call("GET", "/api/sessions") if one["state"] == "running"]
            if running:
                await world.bo.call("POST", f"/api/sessions/{running[0]['id']}/kill", {"why": "not agreed"})
                return
            if talking.done():
                raise Unavailable("The session was lost.", what_to_do="Connect again.")
            await asyncio.sleep(0.05)
    finally:
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)


async def reviewed(world: Deployment, id: str) -> None:
    await again(world, lambda: world.settled(LEASES))
    await again(world, lambda: world.review(id), "wrong_state")


async def _estate_changed(world: Deployment) -> None:
    roster = await world.carol.call("GET", "/api/roster")
    if roster["version"] == 0:
        open_ = await world.carol.call("GET", "/api/roster/proposals")
        if not open_:
            from datetime import UTC, datetime

            from breakglass.trust import drafting
            from breakglass.trust.roster import parse

            present = roster["document"].encode()
            estate = yaml.safe_load(yaml.safe_dump(drafting.estate_of(present)))
            estate["policies"]["pol_dual"]["max_seconds"] = 3600
            document = drafting.following(estate, parse(present), at=datetime.now(UTC).replace(microsecond=0))
            open_ = [await propose(world, document)]
        for login in ("carol", "cem"):
            person, path = world.people[login], f"/api/roster/proposals/{open_[0]['id']}"
            with contextlib.suppress(ApiRefusedBefore):
                text = (await person.call("POST", f"{path}/statement"))["text"]
                await before(person.call("POST", f"{path}/sign", {"signature": await person.sign(text)}))
        raise Unavailable("Look again.", what_to_do="")


async def propose(world: Deployment, document: bytes) -> Any:
    api = world.carol._api
    assert api is not None
    import httpx

    try:
        answer = await api.post(
            "/api/roster/proposals", content=document, headers={"Content-Type": "application/octet-stream"}
        )
    except httpx.HTTPError as error:
        raise Unavailable(f"no answer: {error}", what_to_do="") from None
    if answer.status_code >= 400:
        raise ApiRefused(answer.status_code, answer.json()["error"])
    return answer.json()


class ApiRefusedBefore(Exception):
    """It had been signed before."""


async def before(act: Any) -> None:
    try:
        await act
    except ApiRefused as refused:
        if refused.status < 500:
            raise ApiRefusedBefore(refused.message) from refused
        raise


# -- afterwards -------------------------------------------------------------------------------------------------------
ONCE = {
    "request.made": 4,
    "request.approval": 4,
    "request.denied": 1,
    "request.cancelled": 1,
    "request.approved": 2,
    "grant.opened": 2,
    "grant.closed": 1,
    "grant.revoked": 1,
    "review.signed": 2,
    "roster.adopted": 2,  # the founding one, too
    "duty.dead": 0,
}


async def all_is_well(world: Deployment) -> None:
    """What was acknowledged is there, once; nothing hangs; the log verifies; the stored password opens the account."""
    states = {one["id"]: one["state"] for one in await again(world, lambda: world.alice.call("GET", "/api/requests"))}
    assert states == {DENIED: "denied", CANCELLED: "cancelled", REQUEST: "approved", KILLED: "approved"}
    assert (await world.ssh("true")).code != 0, "an ended grant opens again"
    # The proof that no credential was lost: it is changed once more, with what is stored.
    await again(world, lambda: world.carol.call("POST", f"/api/accounts/{ACCOUNT}/rotate"), "wrong_state")
    await again(world, lambda: world.settled(LEASES))
    await world.until(lambda: nothing_owed(world), LEASES)
    assert rows(world, "SELECT id, state FROM session WHERE state <> 'ended'") == []
    assert rows(world, "SELECT id, state FROM recording WHERE state NOT IN ('complete', 'truncated')") == []
    counted = dict(rows(world, "SELECT kind, count(*) FROM entry GROUP BY kind"))
    found = {kind: counted.get(kind, 0) for kind in ONCE}
    assert found == ONCE, counted
    told = (world.home.path / "alerts.jsonl").read_text()
    for kind in ("request.made", "grant.opened", "grant.closed", "review.signed", "roster.adopted"):
        assert f'"kind": "{kind}"' in told, f"nobody was told of {kind}"
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err
