"""Facts into the log, a thousand to a batch: numbered, hashed into the tree, signed by the vault, durable.

Against pymerkle (the same leaves into its SQLite tree, then its root) and against SQLite alone (the same leaves in one
durable transaction, with no tree at all).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from pymerkle import SqliteTree

from bench.measure import OURS, Row, Wanted, in_turn, rows
from bench.office import Office, opened
from bench.sqlite_insert import Inserts
from breakglass.audit.leaf import leaf
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.storage.work import Stamped, Work

SUITE = "audit"
BATCH = 1000
LAPS = 7
BATCHES = 3
"""In a lap."""


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    if not wanted("audit.append_batch"):
        return
    facts = _facts()
    leaves = [leaf(Stamped(fact, SYSTEM.id, datetime.now(UTC))).data for fact in facts]
    async with opened(folder, 1) as office:
        tree = SqliteTree(str(folder / "pymerkle.db"))
        with tree, Inserts(folder / "plain.db") as plain:
            sides = {
                OURS: lambda: _ours(office, facts),
                "pymerkle": lambda: asyncio.to_thread(_pymerkle, tree, leaves),
                "sqlite insert": lambda: asyncio.to_thread(_inserts, plain, leaves),
            }
            for row in rows("audit.append_batch", "entries/s", await in_turn(LAPS, sides)):
                yield row


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
