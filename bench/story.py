"""Steps of the story a second, each durable, in the log and signed over; against one-row inserts into SQLite.

A step is one `store.run`: ask, approve, approve, and ask, deny. Every approval is a real signed statement that is
verified against the roster and the log head that it names; people's signing is no work of ours and is done before the
clock starts.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.measure import OURS, Row, Wanted, in_turn, rows
from bench.office import Office, opened
from bench.sqlite_insert import Inserts
from breakglass.audit import heads
from breakglass.flow.approve import approve, deny
from breakglass.flow.ask import ask
from breakglass.model.ids import RequestId
from breakglass.model.people import Actor
from breakglass.trust import terms
from breakglass.trust.statement import Kind, Statement
from tests.deployment import CONDITION, TARGET

SUITE = "story"
TASKS = 64
LAPS = 5
ROUNDS = 20
"""Rounds of five steps in a lap of `steps_1`; `steps_64` runs one round in each task, twice."""
ROW_BYTES = 512
REASON = "Sign-in is down; the historian has stopped."
MINUTES = 30
Head = tuple[int, str]
Step = tuple[Actor, Callable[..., Any], tuple[Any, ...], dict[str, Any]]


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    async with opened(folder, TASKS) as office:
        with Inserts(folder / "plain.db") as plain:
            if wanted("story.steps_1"):
                laps = await in_turn(
                    LAPS, {OURS: lambda: _one_by_one(office), "sqlite insert": lambda: _rows(plain, 5 * ROUNDS, 1)}
                )
                for row in rows("story.steps_1", "steps/s", laps):
                    yield row
            if wanted("story.steps_64"):
                laps = await in_turn(
                    LAPS, {OURS: lambda: _together(office), "sqlite insert": lambda: _rows(plain, 10 * TASKS, TASKS)}
                )
                for row in rows("story.steps_64", "steps/s", laps):
                    yield row


async def _one_by_one(office: Office) -> float:
    head = await office.store.read(heads.present)
    steps = [step for _ in range(ROUNDS) for step in _round(office, 0, head)]
    began = time.perf_counter()
    await _run(office, steps)
    return len(steps) / (time.perf_counter() - began)


async def _together(office: Office) -> float:
    head = await office.store.read(heads.present)
    plans = [[*_round(office, n, head), *_round(office, n, head)] for n in range(TASKS)]
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for steps in plans:
            group.create_task(_run(office, steps))
    return sum(map(len, plans)) / (time.perf_counter() - began)


async def _run(office: Office, steps: Sequence[Step]) -> None:
    for actor, step, args, more in steps:
        await office.store.run(actor, step, *args, **more)


def _round(office: Office, account: int, head: Head) -> list[Step]:
    """Five steps on one account: asked and approved by both, asked again and denied."""
    chain, alice = office.estate.chain, office.actor("alice")
    granted, denied = _new_request(), _new_request()
    asked = {
        "target": TARGET,
        "account": f"a{account}",
        "condition": CONDITION,
        "reason": REASON,
        "access_for": timedelta(minutes=MINUTES),
    }
    steps: list[Step] = [(alice, ask, (office.roster, granted), asked)]
    for login in ("bo", "dana"):
        text = _approval(office, login, granted, account, head)
        steps.append((office.actor(login), approve, (chain, granted, office.sign(login, text), text), {}))
    text = _denial(office, "dana", denied, account, head)
    steps.append((alice, ask, (office.roster, denied), asked))
    steps.append((office.actor("dana"), deny, (chain, denied, office.sign("dana", text), text), {}))
    return steps


def _approval(office: Office, login: str, request: RequestId, account: int, head: Head) -> str:
    alice = office.actor("alice")
    agreed = terms.terms(
        office.roster,
        requester=alice.id,
        key=alice.key,
        account=f"acc_db1-a{account}",
        condition=CONDITION,
        reason=REASON,
        duration=timedelta(minutes=MINUTES),
    )
    return _statement(office, login, Kind.APPROVE, request, head, agreed.facts())


def _denial(office: Office, login: str, request: RequestId, account: int, head: Head) -> str:
    facts = {"requester": office.actor("alice").id, "account": f"acc_db1-a{account}", "reason": "Not now."}
    return _statement(office, login, Kind.DENY, request, head, facts)


def _statement(office: Office, login: str, kind: Kind, request: RequestId, head: Head, facts: dict[str, str]) -> str:
    actor, roster = office.actor(login), office.roster
    return Statement(
        kind=kind,
        deployment=roster.deployment,
        subject=request,
        person=actor.id,
        key=actor.key,
        roster_version=roster.version,
        roster_hash=roster.hash,
        log_size=head[0],
        log_root=head[1],
        nonce=secrets.token_hex(16),
        not_after=office.store.now().replace(microsecond=0) + timedelta(hours=1),
        facts=facts,
    ).text()


def _new_request() -> RequestId:
    return RequestId(f"req_{secrets.token_hex(10)}")


async def _rows(plain: Inserts, count: int, tasks: int) -> float:
    """`tasks` tasks that each wait for the durable insert of one row after the other; one thread inserts."""
    data, loop = secrets.token_bytes(ROW_BYTES), asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:

        async def insert() -> None:
            for _ in range(count // tasks):
                await loop.run_in_executor(thread, plain.one, data)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(insert())
        return count / (time.perf_counter() - began)
