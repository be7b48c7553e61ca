"""Four processes that write into one PostgreSQL at once: nodes of one deployment, or plain rows.

What is counted begins when all of them stand ready. A producer waits until its fact is durable before it goes on.
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from typing import Final

import psycopg

from breakglass.audit.log import Log
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.storage.store import Store, SystemClock
from breakglass.storage.tables import META
from breakglass.storage.work import Work
from tests.audit.kit import Signer

WRITERS: Final = 4
PRODUCERS, EACH = 16, 20
"""Of each writer; facts of each producer."""
_WITHIN = 60.0
Write = Callable[[str, str, Barrier], None]


def prepare(url: str) -> None:
    """The log's tables with an empty log, and a plain table beside them."""
    log = Log(Signer())
    store = Store(url, log, {}, SystemClock(), "first")
    META.create_all(store.engine)
    with store.engine.begin() as conn:
        log.open(conn)
    store.engine.dispose()
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as conn:
        conn.execute("CREATE TABLE plain (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data bytea NOT NULL)")


def rate(url: str, write: Write) -> float:
    """Entries a second, of all writers together."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(WRITERS + 1)
    writers = [spawn.Process(target=write, args=(url, f"n{n}", barrier), daemon=True) for n in range(WRITERS)]
    for one in writers:
        one.start()
    barrier.wait(_WITHIN)
    began = time.perf_counter()
    for one in writers:
        one.join(_WITHIN)
    took = time.perf_counter() - began
    assert all(one.exitcode == 0 for one in writers), "a writer failed"
    return WRITERS * PRODUCERS * EACH / took


def into_the_log(url: str, name: str, barrier: Barrier) -> None:
    """As a node does, but that its vault signs in this process: the same work, on the same cores."""
    log = Log(Signer())
    store = Store(url, log, {}, SystemClock(), name)
    with store.engine.begin() as conn:
        log.open(conn)
    store.start()
    barrier.wait(_WITHIN)

    def produce(first: int) -> None:
        for n in range(EACH):
            store.submit(SYSTEM, _note, f"rec_{name}-{first}-{n}").result(_WITHIN)

    _at_once(produce)
    store.stop()


def into_a_table(url: str, name: str, barrier: Barrier) -> None:
    """Rows as long as a leaf, each in a transaction of its own; producers queue for the one connection."""
    data = f'{{"v":1,"at":"{datetime.now(UTC).isoformat()}","by":"system","about":"rec_{name}"}}'.encode().ljust(200)
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as conn, ThreadPoolExecutor(1) as thread:
        barrier.wait(_WITHIN)

        def produce(_: int) -> None:
            for _n in range(EACH):
                thread.submit(conn.execute, "INSERT INTO plain (data) VALUES (%s)", (data,)).result(_WITHIN)

        _at_once(produce)


def _at_once(produce: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(PRODUCERS) as threads:
        for done in [threads.submit(produce, n) for n in range(PRODUCERS)]:
            done.result(_WITHIN)


def _note(work: Work, about: str) -> None:
    work.note(Fact("recording.reached", about, {"chunks": 1, "head": "0" * 64, "size": 65536}))
