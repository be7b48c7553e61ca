"""Duties: effects that are owed after a commit. At least once, leased, retried with growing pauses, then dead and loud.

A claim is a lease, not a lock that is held during the effect: a crash lets the lease run out, and somebody does it
again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from breakglass import faults
from breakglass.errors import BreakglassError, NotFound
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.storage import openings
from breakglass.storage.books import entry, outbox
from breakglass.storage.store import Store
from breakglass.storage.work import Read, Work

LEASE = timedelta(seconds=60)
TRIES = 12
LONGEST_PAUSE = timedelta(minutes=5)
LOOK_EVERY = 0.5
WAITS = frozenset({"sealed", "clock_went_back", "roster_not_loaded"})
"""Problems that only custodians or the vault's next moment solve: waiting for them is no failure of the duty."""
_log = logging.getLogger(__name__)
o = outbox.c


@dataclass(frozen=True, slots=True)
class Told:
    """An entry of the log as a handler reads it."""

    index: int
    kind: str
    about: str
    by: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Duty:
    id: int
    kind: str
    tries: int
    entry: int
    problem: str = ""


Handler = Callable[[Told], Awaitable[None]]


def told(look: Read, index: int) -> Told:
    """The entry at `index`, read from its leaf."""
    leaf = look.conn.execute(select(entry.c.leaf).where(entry.c.idx == index)).scalar_one_or_none()
    if leaf is None:
        raise NotFound(f"There is no log entry {index}.", what_to_do="Run `breakglass audit verify`.")
    event = openings.event(leaf, openings.of(look, [index]).get(index, {}))
    at = datetime.fromisoformat(event["at"])
    return Told(index, event["kind"], event["about"], event["by"], at, event["data"])


def claim(work: Work, limit: int) -> Sequence[Duty]:
    """Lease what is due."""
    due = select(o.id, o.kind, o.tries, o.entry).where(o.dead == 0, o.due_at <= work.now)
    duties = [Duty(**row) for row in work.rows(due.order_by(o.id).limit(limit).with_for_update(skip_locked=True))]
    if duties:
        work.conn.execute(
            update(outbox).where(o.id.in_([d.id for d in duties])), {"due_at": work.now + LEASE, "holder": work.node}
        )
    return duties


def free(work: Work) -> None:
    """At a node's start: what it had leased when it died is due at once."""
    work.conn.execute(update(outbox).where(o.dead == 0, o.holder == work.node), {"due_at": work.now, "holder": ""})


def not_later(work: Work, now: datetime) -> None:
    """The time was set back to `now`: what is leased stays so for one lease, and nothing else waits any longer."""
    late = (o.dead == 0) & (o.due_at > now)
    work.conn.execute(update(outbox).where(late, o.holder == ""), {"due_at": now})
    work.conn.execute(update(outbox).where(late, o.due_at > now + LEASE), {"due_at": now + LEASE})


def due(look: Read) -> bool:
    return look.conn.execute(select(o.id).where(o.dead == 0, o.due_at <= look.now).limit(1)).first() is not None


def settle(work: Work, done: Sequence[Duty], failed: Sequence[Duty]) -> None:
    if done:
        work.conn.execute(delete(outbox).where(o.id.in_([d.id for d in done])))
    for duty in failed:
        waiting = duty.problem in WAITS
        tries = duty.tries + (not waiting)
        dead = tries >= TRIES
        pause = timedelta(seconds=1) if waiting else min(LONGEST_PAUSE, timedelta(seconds=2**duty.tries))
        values = {"tries": tries, "due_at": work.now + pause, "dead": int(dead), "problem": duty.problem, "holder": ""}
        work.conn.execute(update(outbox).where(o.id == duty.id), values)
        if dead:
            work.note(Fact("duty.dead", str(duty.entry), {"duty": duty.kind, "problem": duty.problem}))


async def work_off(store: Store, handlers: Mapping[str, Handler], bell: asyncio.Event) -> None:
    """Run for ever; `bell` rings after a commit, a look twice a second covers the rest."""
    while True:
        bell.clear()
        try:
            busy = await store.read(due) and await _round(store, handlers)
        except BreakglassError as error:
            _log.warning("duties wait: %s", error)
            busy = False
        if not busy:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await bell.wait()


async def _round(store: Store, handlers: Mapping[str, Handler]) -> bool:
    duties = (await store.run(SYSTEM, claim, 64)).value
    if not duties:
        return False
    faults.reach("outbox.claimed")
    outcomes = await asyncio.gather(*[_one(store, handlers[duty.kind], duty) for duty in duties])
    faults.reach("outbox.done")
    done = [duty for duty in outcomes if not duty.problem]
    await store.run(SYSTEM, settle, done, [duty for duty in outcomes if duty.problem])
    return bool(done)


def _reach(point: str, duty: Duty) -> None:
    with faults.inside("duty", duty.kind):
        faults.reach(point)


async def _one(store: Store, handle: Handler, duty: Duty) -> Duty:
    """The duty, with the problem that it met; a handler's failure is never the worker's."""
    try:
        async with asyncio.timeout(LEASE.total_seconds() / 2):
            _reach("began", duty)
            await handle(await store.read(told, duty.entry))
            _reach("ended", duty)
        problem = ""
    except BreakglassError as error:
        problem = error.code
        _log.warning("duty %s for entry %d: %s", duty.kind, duty.entry, error)
    except Exception as error:
        problem = type(error).__name__
        _log.exception("duty %s for entry %d", duty.kind, duty.entry)
    return Duty(duty.id, duty.kind, duty.tries, duty.entry, problem)
