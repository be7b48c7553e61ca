"""A whole log in an attacker's hand: taken out of a database, bent, and put back into SQLite, PostgreSQL or tiles.

Whoever writes to the database can compute every hash again (`rebuild`); with the log's key also every checkpoint.
"""

import json
import sqlite3
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from breakglass.audit.tiles import bundle, levels, tiles
from breakglass.trust.tree import Frontier, leaf_hash, subtree_root
from breakglass.vault.keys import NoteKey
from tests.audit.attacks import signed_by


@dataclass
class Entry:
    leaf: bytes
    hash: bytes
    index: int

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.leaf)
        return found

    def say(self, event: dict[str, Any], *, hashed: bool = True) -> None:
        self.leaf = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
        if hashed:
            self.hash = leaf_hash(self.leaf)

    def row(self) -> tuple[Any, ...]:
        """As the table has it; the columns always fit the leaf."""
        event = self.event
        at = datetime.fromisoformat(event["at"]).timestamp()
        return (self.index, self.leaf, self.hash, event["kind"], event["about"], event["by"], round(at * 1_000_000))


@dataclass
class InHand:
    entries: list[Entry]
    checkpoints: dict[int, bytes]
    nodes: list[tuple[int, int, bytes]]
    head: tuple[int, bytes, int]
    """Size, frontier, instant."""
    openings: dict[tuple[int, str], tuple[bytes, str]]
    """(entry, name) -> salt and value, of private values."""

    @classmethod
    def take(cls, path: Path) -> "InHand":
        conn = sqlite3.connect(path)
        entries = [Entry(leaf, hashed, idx) for idx, leaf, hashed in conn.execute(
            "SELECT idx, leaf, leaf_hash FROM entry ORDER BY idx")]  # fmt: skip
        [head] = conn.execute("SELECT size, frontier, at FROM head")
        found = cls(
            entries,
            dict(conn.execute("SELECT size, note FROM checkpoint")),
            list(conn.execute("SELECT level, n, hash FROM node")),
            head,
            {
                (n, name): (salt, value)
                for n, name, salt, value in conn.execute("SELECT idx, name, salt, value FROM opening")
            },
        )
        conn.close()
        return found

    # -- what it holds -------------------------------------------------------------------------------------------------
    def find(self, kind: str, nth: int = 0) -> int:
        return [n for n, one in enumerate(self.entries) if one.event["kind"] == kind][nth]

    def edit(self, n: int, change: Callable[[dict[str, Any]], object], *, hashed: bool = True) -> None:
        event = self.entries[n].event
        change(event)
        self.entries[n].say(event, hashed=hashed)

    def cut(self, size: int) -> None:
        """As an older backup has the log: everything behind is gone."""
        del self.entries[size:]
        self.checkpoints = {n: one for n, one in self.checkpoints.items() if n <= size}
        self.rebuild()

    def rebuild(self, key: NoteKey | None = None) -> None:
        """Numbers, hashes, tiles, head; with a stolen `key` the checkpoints of all batches too."""
        tree, self.nodes = Frontier(), []
        for n, one in enumerate(self.entries):
            one.index, one.hash = n, leaf_hash(one.leaf)
            tree.add(one.hash)
            if tree.size % 256 == 0:
                self.nodes.append((1, tree.size // 256 - 1, tree.last(256)))
            if key and tree.size in self.checkpoints:
                self.checkpoints[tree.size] = signed_by(key, tree.size, tree.root())
        if key:
            kept = {n: one for n, one in self.checkpoints.items() if n <= tree.size}
            self.checkpoints = kept | {tree.size: signed_by(key, tree.size, tree.root())}
        self.head = (tree.size, tree.packed(), self.entries[-1].row()[-1])

    def root(self, size: int) -> bytes:
        return b64decode(self.checkpoints[size].split(b"\n")[2])

    def hash_of(self, start: int, end: int) -> bytes:
        """For proofs: the hash of leaves `[start, end)`."""
        return subtree_root([one.hash for one in self.entries[start:end]])

    # -- putting it back -----------------------------------------------------------------------------------------------
    def _rows(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            'entry (idx, leaf, leaf_hash, kind, about, "by", at)': [one.row() for one in self.entries],
            "checkpoint (size, note)": list(self.checkpoints.items()),
            "node (level, n, hash)": list(self.nodes),
            "opening (idx, name, salt, value)": [(*key, *one) for key, one in self.openings.items()],
        }

    def put_sqlite(self, path: Path) -> None:
        conn = sqlite3.connect(path)
        for table, rows in self._rows().items():
            conn.execute(f"DELETE FROM {table.split()[0]}")
            marks = ", ".join("?" * (table.count(",") + 1))
            conn.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        conn.execute("UPDATE head SET size = ?, frontier = ?, at = ?", self.head)
        conn.commit()
        conn.close()

    def put_postgres(self, conn: "psycopg.Connection[Any]") -> None:
        for table, rows in self._rows().items():
            conn.execute(f"DELETE FROM {table.split()[0]}".encode())
            marks = ", ".join(["%s"] * (table.count(",") + 1))
            with conn.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {table} VALUES ({marks})".encode(), rows)
        conn.execute("UPDATE head SET size = %s, frontier = %s, at = %s", self.head)

    def put_tiles(self, folder: Path) -> None:
        """What a web server that serves this log would have: the checkpoint is the newest one."""
        files = {"checkpoint": self.checkpoints[max(self.checkpoints)]} if self.checkpoints else {}
        hashes = [one.hash for one in self.entries]
        for level in levels(len(self.entries)):
            for tile in tiles(level, len(self.entries)):
                first, end = tile.index * 256, tile.index * 256 + tile.width
                files[tile.path] = b"".join(hashes[first:end])
                if level == 0:
                    files[tile.entries_path] = bundle([one.leaf for one in self.entries[first:end]])
            hashes = [subtree_root(hashes[n * 256 : n * 256 + 256]) for n in range(len(hashes) // 256)]
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
