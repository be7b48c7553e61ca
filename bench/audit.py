"""Facts into the log (one by one, from 64 producers, a thousand to a batch): numbered, hashed into the tree, signed by
the vault, durable. Against pymerkle (the same leaves into its SQLite tree, then its root) and against SQLite alone (the
same leaves in one durable transaction, with no tree at all). And the verifier over a long log, against reading its
leaves and hashing each once. And four writers at once into one PostgreSQL.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymerkle import SqliteTree

from bench import writers
from bench.measure import OURS, Row, Side, Wanted, in_turn, rows
from bench.office import Office, opened
from bench.sqlite_insert import Inserts
from breakglass.audit.leaf import leaf
from breakglass.audit.verify import verify
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.storage.work import Stamped, Work
from breakglass.trust.tree import leaf_hash
from tests.audit.kit import make_log
from tests.servers.postgres import running_postgres

SUITE = "audit"
BATCH = 1000
LAPS = 7
BATCHES = 3
"""In a lap."""
ALONE, PRODUCERS, EACH = 150, 64, 10
"""Facts of a lap one by one; producers, and facts of each in a lap."""
SHARED_LAPS = 5
LONG = 1_000_000
"""Entries that are verified."""


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    appending = [name for name in ("audit.append_1", "audit.append_64", "audit.append_batch") if wanted(name)]
    if appending:
        facts = _facts()
        leaves = [leaf(Stamped(fact, SYSTEM.id, datetime.now(UTC))).data for fact in facts]
        async with opened(folder, 1) as office:
            tree = SqliteTree(str(folder / "pymerkle.db"))
            with tree, Inserts(folder / "plain.db") as plain:
                for name in appending:
                    sides = _sides(name, office, tree, plain, facts, leaves)
                    for row in rows(name, "entries/s", await in_turn(LAPS, sides)):
                        yield row
    if wanted("audit.append_shared"):
        with running_postgres() as server, server.database() as url:
            await asyncio.to_thread(writers.prepare, url)
            sharing: Mapping[str, Side] = {
                OURS: lambda: asyncio.to_thread(writers.rate, url, writers.into_the_log),
                "postgres insert": lambda: asyncio.to_thread(writers.rate, url, writers.into_a_table),
            }
            for row in rows("audit.append_shared", "entries/s", await in_turn(SHARED_LAPS, sharing)):
                yield row
    if wanted("audit.verify"):
        pin = await asyncio.to_thread(make_log, folder / "long.db", LONG)
        verifying: Mapping[str, Side] = {
            OURS: lambda: asyncio.to_thread(_verify, folder / "long.db", pin),
            "read and hash": lambda: asyncio.to_thread(_hash, folder / "long.db"),
        }
        for row in rows("audit.verify", "entries/s", await in_turn(1, verifying)):
            yield row
    if wanted("audit.entry_bytes"):
        for row in rows("audit.entry_bytes", "bytes", [await asyncio.to_thread(_sizes, folder)]):
            yield row


def _sides(
    name: str, office: Office, tree: SqliteTree, plain: Inserts, facts: list[Fact], leaves: list[bytes]
) -> Mapping[str, Side]:
    if name == "audit.append_batch":
        return {
            OURS: lambda: _ours(office, facts),
            "pymerkle": lambda: asyncio.to_thread(_pymerkle, tree, leaves),
            "sqlite insert": lambda: asyncio.to_thread(_inserts, plain, leaves),
        }
    producers, each = (1, ALONE) if name == "audit.append_1" else (PRODUCERS, EACH)

    def merkle(n: int) -> None:
        tree.append_entry(leaves[n % BATCH])
        tree.get_state()

    return {
        OURS: lambda: _from(producers, each, lambda n: office.store.run(SYSTEM, _note, [facts[n % BATCH]])),
        "pymerkle": lambda: _queued(producers, each, merkle),
        "sqlite insert": lambda: _queued(producers, each, lambda n: plain.one(leaves[n % BATCH])),
    }


async def _from(producers: int, each: int, act: Callable[[int], Any]) -> float:
    """Producers that each wait for one after the other."""

    async def produce(first: int) -> None:
        for n in range(each):
            await act(first + n)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for one in range(producers):
            group.create_task(produce(one * each))
    return producers * each / (time.perf_counter() - began)


async def _queued(producers: int, each: int, act: Callable[[int], object]) -> float:
    """The same, queueing for one thread."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as thread:
        return await _from(producers, each, lambda n: loop.run_in_executor(thread, act, n))


def _verify(database: Path, pin: str) -> float:
    began = time.perf_counter()
    report = verify(f"sqlite:///{database}", pin=pin)
    assert report.ok, report.findings
    return report.window.entries / (time.perf_counter() - began)


def _hash(database: Path) -> float:
    began, count = time.perf_counter(), 0
    with sqlite3.connect(database) as conn:
        for (data,) in conn.execute("SELECT leaf FROM entry ORDER BY idx"):
            leaf_hash(data)
            count += 1
    return count / (time.perf_counter() - began)


def _sizes(folder: Path) -> dict[str, float]:
    """Bytes on disk for each of 100,000 entries, and for the same leaves in a plain table."""
    count = 100_000
    make_log(folder / "sized.db", count)
    with sqlite3.connect(folder / "sized.db") as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        leaves = [data for (data,) in conn.execute("SELECT leaf FROM entry")]
    with Inserts(folder / "sized-plain.db") as plain:
        plain.many(leaves)
    with sqlite3.connect(folder / "sized-plain.db") as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sized = {OURS: "sized.db", "sqlite insert": "sized-plain.db"}
    return {name: (folder / file).stat().st_size / count for name, file in sized.items()}


def _facts() -> list[Fact]:
    """A thousand as a session's: three short values each."""
    return [
        Fact("recording.reached", f"rec_{n:020x}", {"chunks": n, "head": f"{n:064x}", "size": n * 65536})
        for n in range(BATCH)
    ]


def _note(work: Work, facts: list[Fact]) -> None:
    work.note(*facts)


async def _ours(office: Office, facts: list[Fact]) -> float:
    began = time.perf_counter()
    for _ in range(BATCHES):
        await office.store.run(SYSTEM, _note, facts)
    return BATCHES * BATCH / (time.perf_counter() - began)


def _pymerkle(tree: SqliteTree, leaves: list[bytes]) -> float:
    began = time.perf_counter()
    for _ in range(BATCHES):
        tree.append_entries(leaves)
        tree.get_state()
    return BATCHES * BATCH / (time.perf_counter() - began)


def _inserts(plain: Inserts, leaves: list[bytes]) -> float:
    began = time.perf_counter()
    for _ in range(BATCHES):
        plain.many(leaves)
    return BATCHES * BATCH / (time.perf_counter() - began)
