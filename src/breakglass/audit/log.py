"""The log: facts become numbered leaves of one Merkle tree, in the transaction of the state that they explain.

`head` is one row. Whoever appends locks it (`FOR UPDATE`; SQLite: `BEGIN IMMEDIATE`), so nodes take turns and there
is no leader, no pending queue and no gap. While the vault is sealed the log goes on growing unsigned; the first batch
after unsealing signs over everything before it. A checkpoint leaves the node only after COMMIT.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy import Connection, insert, select, update

from breakglass.audit.leaf import leaf
from breakglass.audit.store_tree import TILE, hash_of
from breakglass.errors import Tampered, Unavailable
from breakglass.storage import books
from breakglass.storage.work import Stamped
from breakglass.trust.tree import Frontier, consistency_proof, leaf_hash

_log = logging.getLogger(__name__)
SIGN_AT_MOST = 4096
"""Leaves that the signer takes in one call."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Behind(Exception):
    """The signer's own head is not where this batch begins."""

    def __init__(self, mark: int) -> None:
        super().__init__(mark)
        self.mark = mark


class Signer(Protocol):
    """The vault, as the log sees it."""

    def sign(self, base: int, hashes: Sequence[bytes], frontier: bytes) -> bytes:
        """A checkpoint over the first `base` leaves, whose tree is `frontier`, and these.

        Raises `Behind`, `Unavailable`, `Tampered`."""
        ...

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None: ...


class Log:
    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.tampered: Tampered | None = None
        """What the vault found wrong with this log; then nothing is signed any more."""
        self._latest = BEGINNING
        self._size = 0
        self._moved = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, conn: Connection, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Read where the log stands. The database's first use puts the head row down."""
        self._loop = loop
        head = conn.execute(select(books.head)).one_or_none()
        if head is None:
            row = {"id": 1, "size": 0, "frontier": b"", "at": BEGINNING}
            conn.execute(insert(books.head), row)
        else:
            self._latest, self._size = head.at, head.size

    def append(self, conn: Connection, stamped: Sequence[Stamped]) -> int:
        """Number, hash and sign; the writer commits. Returns the log's new size."""
        head = conn.execute(select(books.head).with_for_update()).one()
        tree, rows, hashes, nodes = Frontier.unpack(head.size, head.frontier), [], [], []
        for one in stamped:
            data = leaf(one)
            hashed = leaf_hash(data)
            rows.append(
                {
                    "idx": tree.size,
                    "leaf": data,
                    "leaf_hash": hashed,
                    "kind": one.fact.kind,
                    "about": one.fact.about,
                    "by": one.by,
                    "at": one.at,
                }
            )
            hashes.append(hashed)
            tree.add(hashed)
            nodes += _full_tiles(tree)
        conn.execute(insert(books.entry), rows)
        if nodes:
            conn.execute(insert(books.node), nodes)
        at = max(head.at, stamped[-1].at)
        conn.execute(update(books.head), {"size": tree.size, "frontier": tree.packed(), "at": at})
        note = self._sign(conn, head.size, head.frontier, hashes)
        if note:
            conn.execute(insert(books.checkpoint), {"size": tree.size, "note": note})
        self._latest = at
        return tree.size

    def latest(self) -> datetime:
        return self._latest

    @property
    def size(self) -> int:
        """Entries that are durable."""
        return self._size

    def committed(self, size: int) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(self._advance, size)
        else:
            self._size = size

    async def durable(self, size: int, *, timeout: float) -> None:
        """Wait until the first `size` entries are durable. Raises `Unavailable`: then release nothing."""
        try:
            async with asyncio.timeout(timeout):
                while self._size < size:
                    await self._moved.wait()
        except TimeoutError:
            raise Unavailable(
                "The log did not take the entry in time.", what_to_do="Look at the server's disk."
            ) from None

    def _advance(self, size: int) -> None:
        self._size = max(self._size, size)
        self._moved.set()
        self._moved = asyncio.Event()

    def _sign(self, conn: Connection, base: int, frontier: bytes, hashes: Sequence[bytes]) -> bytes | None:
        """The checkpoint, or None while the vault can't sign: the log grows all the same."""
        if len(hashes) > SIGN_AT_MOST:
            return None  # the next batch catches up over this one
        try:
            try:
                return self.signer.sign(base, hashes, frontier)
            except Behind as behind:
                _log.info("the vault catches up from %d to %d", behind.mark, base)
                self._catch_up(conn, behind.mark, base, frontier)
                return self.signer.sign(base, hashes, frontier)
        except Unavailable:
            return None
        except Tampered as found:
            if self.tampered is None:
                _log.critical("the vault refuses this log: %s", found)
            self.tampered = found
            return None

    def _catch_up(self, conn: Connection, mark: int, size: int, frontier: bytes) -> None:
        proof: Sequence[bytes] = ()
        if 0 < mark < size:
            proof = consistency_proof(mark, size, lambda a, b: hash_of(conn, a, b))
        self.signer.catch_up(size, frontier, proof)


def _full_tiles(tree: Frontier) -> list[dict[str, object]]:
    """The tiles that the last leaf completed, as rows: usually none."""
    rows: list[dict[str, object]] = []
    level, width = 1, TILE
    while tree.size % width == 0:
        rows.append({"level": level, "n": tree.size // width - 1, "hash": tree.last(width)})
        level, width = level + 1, width * TILE
    return rows
