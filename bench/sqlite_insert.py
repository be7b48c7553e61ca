"""The plainest thing that is as durable as the store: rows put into SQLite, WAL, `synchronous=FULL`."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Self


class Inserts:
    """One connection; may be used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE IF NOT EXISTS entry (id INTEGER PRIMARY KEY, data BLOB NOT NULL)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def one(self, data: bytes) -> None:
        """One row, durable when this returns."""
        self._db.execute("INSERT INTO entry (data) VALUES (?)", (data,))

    def many(self, batch: Sequence[bytes]) -> None:
        """A batch in one transaction, durable when this returns."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO entry (data) VALUES (?)", [(data,) for data in batch])
        self._db.execute("COMMIT")
