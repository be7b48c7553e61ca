"""What somebody who may write to the database can do to it: with sqlite3, and all the hashing that needs no key."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from breakglass.codec import note
from breakglass.trust.tree import Frontier, leaf_hash
from breakglass.vault.keys import NoteKey
from tests.audit.kit import LOG_KEY

Attack = Callable[[sqlite3.Connection], Any]


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA synchronous=OFF")
    try:
        yield conn
        conn.commit()
    finally:
        conn.close()


def attacked(original: Path, copy: Path, attack: Attack) -> Any:
    """Copies the database, attacks the copy; returns what the attack returned."""
    shutil.copy(original, copy)
    with opened(copy) as conn:
        return attack(conn)


def index_of(conn: sqlite3.Connection, kind: str, nth: int = 0) -> int:
    found = conn.execute("SELECT idx FROM entry WHERE kind = ? ORDER BY idx", (kind,)).fetchall()
    index: int = found[nth][0]
    return index


def leaf_of(conn: sqlite3.Connection, index: int) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(conn.execute("SELECT leaf FROM entry WHERE idx = ?", (index,)).fetchone()[0])
    return event


def put_leaf(conn: sqlite3.Connection, index: int, event: dict[str, Any] | bytes, *, columns: bool = True) -> None:
    """Another leaf with its own hash, and the columns that are derived from it."""
    leaf = event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()
    conn.execute("UPDATE entry SET leaf = ?, leaf_hash = ? WHERE idx = ?", (leaf, leaf_hash(leaf), index))
    if columns and isinstance(event, dict):
        row = (event["kind"], event["about"], event["by"], index)
        conn.execute('UPDATE entry SET kind = ?, about = ?, "by" = ? WHERE idx = ?', row)


def rebuild(conn: sqlite3.Connection, *, key: NoteKey | None = None) -> None:
    """Everything that follows from the leaves: hashes, tiles, frontier; with a stolen `key` the checkpoints too."""
    conn.execute("DELETE FROM node")
    sizes = {size for (size,) in conn.execute("SELECT size FROM checkpoint")}
    tree = Frontier()
    for index, leaf in conn.execute("SELECT idx, leaf FROM entry ORDER BY idx").fetchall():
        hashed = leaf_hash(leaf)
        conn.execute("UPDATE entry SET leaf_hash = ? WHERE idx = ?", (hashed, index))
        tree.add(hashed)
        level, width = 1, 256
        while tree.size % width == 0:
            row = (level, tree.size // width - 1, tree.last(width))
            conn.execute("INSERT INTO node (level, n, hash) VALUES (?, ?, ?)", row)
            level, width = level + 1, width * 256
        if key and tree.size in sizes:
            signed = signed_by(key, tree.size, tree.root())
            conn.execute("UPDATE checkpoint SET note = ? WHERE size = ?", (signed, tree.size))
    at = conn.execute("SELECT at FROM entry ORDER BY idx DESC LIMIT 1").fetchone()[0]
    conn.execute("UPDATE head SET size = ?, frontier = ?, at = ?", (tree.size, tree.packed(), at))


def signed_by(key: NoteKey, size: int, root: bytes, origin: str = LOG_KEY.name) -> bytes:
    return key.sign(note.Checkpoint(origin=origin, size=size, root=root).body())


def renumber(conn: sqlite3.Connection, start: int, by: int) -> None:
    conn.execute("UPDATE entry SET idx = -(idx + ?) - 1 WHERE idx >= ?", (by, start))
    conn.execute("UPDATE entry SET idx = -(idx + 1) WHERE idx < 0")
