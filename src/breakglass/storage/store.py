"""The store: one writer thread through which every change goes, a few readers beside it.

    await store.run(actor, approve, request_id, …)
        │ async: any task                    ┌────────────── the writer's thread, sync ──────────────┐
        └─ queue ───────────────────────────▶│ BEGIN  step  step  step  append facts, sign  COMMIT    │─▶ results
                                             └─────────────────────────────────────────────────────────┘

Steps that queue up share a transaction, each in its savepoint, and one signature and one fsync between them. State,
facts and duties are durable together or not at all. A caller who is cancelled does not stop the writer, and their
step may still happen: whoever must know later supplies the ids.

Nodes on one database take turns: a batch begins with the lock on the log's head row, as BEGIN IMMEDIATE does on SQLite.
So a step sees all that was committed before it, on whichever node, and nothing else is written while it decides.
"""

import logging
import queue
import threading
from asyncio import wrap_future
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from breakglass import faults
from breakglass.errors import BreakglassError, Refused, Unavailable
from breakglass.model.change import Fact
from breakglass.model.people import Actor
from breakglass.storage.books import outbox
from breakglass.storage.engine import READERS, open_engine, snapshot, words
from breakglass.storage.work import Consequences, Ledger, Read, Stamped, Step, Work

P = ParamSpec("P")
T = TypeVar("T")
BATCH = 256
_log = logging.getLogger(__name__)


class Clock(Protocol):
    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return monotonic()


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    value: T
    size: int
    """Size of the log that holds this step's facts; 0 when its batch noted none."""
    first: int
    """Index of this step's first entry in the log; its facts follow each other."""


@dataclass(slots=True)
class _Job:
    actor: Actor
    name: str
    run: Callable[[Work], Any]
    future: "Future[Done[Any]]"
    result: Any = None
    error: Exception | None = None
    stamped: Sequence[Stamped] = ()


class Store:
    def __init__(self, url: str, ledger: Ledger, consequences: Consequences, clock: Clock, node: str = "") -> None:
        self.engine, self.ledger, self.consequences, self.clock = open_engine(url), ledger, consequences, clock
        self.shared = self.engine.dialect.name != "sqlite"
        """Other nodes may write to the same database."""
        self.node = node
        """Whose leases are taken here: after a crash the same node need not wait for their end."""
        self.after_commit: list[Callable[[], None]] = []
        """Bells, rung from the writer's thread after each commit that wrote facts."""
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(READERS, "read")
        self._writer = threading.Thread(target=self._write_forever, name="writer", daemon=True)

    def start(self) -> None:
        self._writer.start()

    def stop(self) -> None:
        """Finish what was queued, then close."""
        self._jobs.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    async def run(self, actor: Actor, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> Done[T]:
        """Run one step; returns once it is durable. Raises what the step raised: then nothing but the refusal was
        written.
        """
        return await wrap_future(self.submit(actor, step, *args, **kwargs))

    def submit(self, actor: Actor, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[Done[T]]":
        future: Future[Done[T]] = Future()
        future.set_running_or_notify_cancel()  # a cancelled caller must not stop the writer
        self._jobs.put(_Job(actor, faults.name_of(step), lambda work: step(work, *args, **kwargs), future))
        return future

    async def read(self, query: Callable[Concatenate[Read, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Look, in one consistent snapshot, on a reader's thread."""
        return await wrap_future(self._readers.submit(lambda: self.look(query, *args, **kwargs)))

    def look(self, query: Callable[Concatenate[Read, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, on the caller's thread. Raises what `query` raises, and `Unavailable`."""
        try:
            with snapshot(self.engine) as conn:
                if self.shared:
                    self.ledger.follow(conn)
                return query(Read(conn, self.now()), *args, **kwargs)
        except (OperationalError, PoolTimeout) as error:
            raise Unavailable(
                f"The database does not answer: {words(error)}",
                what_to_do="Try again in a moment; if it lasts, look at the database server.",
            ) from None

    def scrub(self) -> None:
        """What was erased may lie in SQLite's write-ahead log still: fold it into the file, and empty it. While
        somebody reads, some of it stays until the next time."""
        if not self.shared:
            with self.engine.connect() as conn:
                conn.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def now(self) -> datetime:
        """Never before the log's last entry: turning the clock back lengthens no deadline. While the clock is behind,
        time stands still here; custodians settle that (flow.clock)."""
        return max(self.clock.now(), self.ledger.latest())

    def _write_forever(self) -> None:
        while (job := self._jobs.get()) is not None:
            jobs, last = [job], False
            while len(jobs) < BATCH and not self._jobs.empty():
                if (more := self._jobs.get()) is None:
                    last = True
                    break
                jobs.append(more)
            self._batch(jobs)
            if last:
                return

    def _batch(self, jobs: Sequence[_Job]) -> None:
        try:
            with self.engine.begin() as conn:
                self.ledger.lock(conn)
                now = self.now()
                stamped: list[Stamped] = []
                for job in jobs:
                    job.stamped = self._one(conn, job, now)
                    stamped += job.stamped
                    if job.stamped and job.stamped[-1].at < now:  # custodians set the time back: `Work.set_time`
                        now = job.stamped[-1].at
                size = self.ledger.append(conn, stamped) if stamped else 0
                duties = [
                    {
                        "kind": duty,
                        "entry": size - len(stamped) + n,
                        "tries": 0,
                        "due_at": now,
                        "dead": 0,
                        "problem": "",
                        "holder": "",
                    }
                    for n, one in enumerate(stamped)
                    for duty in self.consequences.get(one.fact.kind, ())
                ]
                if duties:
                    conn.execute(insert(outbox), duties)
                _reach("before-commit", jobs)
        except Exception as error:
            _log.exception("a batch of %d steps was not written", len(jobs))
            for job in jobs:
                job.future.set_exception(_not_written(error))
            return
        _reach("after-commit", jobs)
        if stamped:
            self.ledger.committed(size)
        first = size - len(stamped)
        for job in jobs:
            if job.error:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(Done(job.result, size, first))
            first += len(job.stamped)
        if stamped:
            for ring in self.after_commit:
                ring()

    def _one(self, conn: Any, job: _Job, now: datetime) -> Sequence[Stamped]:
        work = Work(conn, now, job.actor, self.node)
        try:
            job.result = job.run(work)
            if work.saved:
                conn.exec_driver_sql("RELEASE SAVEPOINT step")
            return work.stamped
        except Exception as error:
            if work.saved:
                conn.exec_driver_sql("ROLLBACK TO SAVEPOINT step")
                conn.exec_driver_sql("RELEASE SAVEPOINT step")
            job.error = _not_written(error) if isinstance(error, DBAPIError) else error
            if not isinstance(error, Refused):
                if not isinstance(error, BreakglassError):
                    _log.exception("a step failed")
                return []
            return [Stamped(Fact("refused", error.about, {"code": error.code}), job.actor.id, now)]


def _reach(point: str, jobs: Sequence[_Job]) -> None:
    """The batch's point, and that of each of its steps."""
    faults.reach(f"work.{point}")
    for job in jobs:
        with faults.inside("step", job.name):
            faults.reach(point)


def _not_written(error: Exception) -> Unavailable:
    """The words for a person; the statement and its values stay in neither."""
    if isinstance(error, Unavailable):
        return error
    said = words(error)
    full = "full" in said.lower() or "no space" in said.lower()
    return Unavailable(
        f"The database did not take it: {said}",
        what_to_do="Make room on the server's disk, then try again." if full else "Try again; see the server's log.",
    )
