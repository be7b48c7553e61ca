"""The log: facts become numbered leaves of one Merkle tree, in the transaction of the state that they explain.

`head` is one row. Whoever writes locks it first (`FOR UPDATE`; SQLite: `BEGIN IMMEDIATE`), so nodes take turns and
there is no leader, no pending queue and no gap. Each node has a vault of its own, with the same log key: before it
signs on top of another node's entries, it is shown that they continue what it has signed itself (`catch_up`). While the
vault is sealed the log goes on growing unsigned; the first batch after unsealing signs over everything before it. A
checkpoint leaves the node only after COMMIT.
"""

import asyncio
import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sqlalchemy import Connection, insert, select, update

from breakglass import faults
from breakglass.audit import next_logs
from breakglass.audit.leaf import leaf
from breakglass.audit.store_tree import TILE, hash_of
from breakglass.errors import Tampered, Unavailable
from breakglass.storage import books, openings
from breakglass.storage.columns import micros
from breakglass.storage.many import insert_many
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

    def confirm(self, checkpoint: bytes) -> bool:
        """What this signed was committed: it is on the line of heads for good."""
        ...


class Log:
    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.tampered: Tampered | None = None
        """What the vault found wrong with this log; then nothing is signed any more."""
        self._latest, self._guard = BEGINNING, threading.Lock()
        self._size = self._seen = 0
        self._appended = 0, BEGINNING
        self._head: Any = None
        """The head row of the write transaction that runs."""
        self._noted: tuple[int, bytes] | None = None
        self._late = False
        """The vault was behind, and nothing says yet that what it signs is of the present log."""
        self._committed = b""
        """The newest checkpoint that this node's vault signed and that was committed, until the vault was told."""
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
            self._size = head.size
            self._saw(head.size, head.at)

    def lock(self, conn: Connection) -> None:
        """Wait for this node's turn, and take in what others appended. First in each write transaction."""
        self._head = conn.execute(select(books.head).with_for_update()).one()
        self._noted = None
        self._take_in(self._head)

    def follow(self, conn: Connection) -> None:
        """Take in what others appended, from a snapshot."""
        self._take_in(conn.execute(select(books.head)).one())

    def append(self, conn: Connection, stamped: Sequence[Stamped]) -> int:
        """Number, hash and sign, after `lock`; the writer commits. Returns the log's new size."""
        head = self._head
        tree, rows, hashes, nodes = Frontier.unpack(head.size, head.frontier), [], [], []
        opened: list[tuple[int, str, bytes, str]] = []
        for one in stamped:
            data, values = leaf(one)
            hashed = leaf_hash(data)
            opened += openings.rows(tree.size, values)
            rows.append((tree.size, data, hashed, one.fact.kind, one.fact.about, one.by, micros(one.at)))
            hashes.append(hashed)
            tree.add(hashed)
            nodes += _full_tiles(tree)
        insert_many(conn, books.entry, rows)
        insert_many(conn, books.opening, opened)
        if nodes:
            conn.execute(insert(books.node), nodes)
        at = stamped[-1].at  # it goes back where custodians confirmed the time, and only there (flow.clock)
        conn.execute(update(books.head), {"size": tree.size, "frontier": tree.packed(), "at": at})
        note = self._sign(conn, head.size, head.frontier, hashes)
        faults.reach("log.signed")
        if note:
            conn.execute(insert(books.checkpoint), {"size": tree.size, "note": note})
            self._noted = tree.size, note
        self._appended = tree.size, at
        return tree.size

    def vouch(self, conn: Connection) -> int:
        """Bring this node's vault to the present head, whichever node's vault signed it; after `lock`.

        Returns the head's size: the vault knows the checkpoint of that size, and it is stored. Raises `Unavailable`,
        `Sealed`, `Tampered`."""
        head = self._head
        note = self._signed(conn, head.size, head.frontier, ())
        size: int = head.size
        c = books.checkpoint.c
        if conn.execute(select(c.size).where(c.size == size)).first() is None:
            conn.execute(insert(books.checkpoint), {"size": size, "note": note})
        return size

    def settle(self) -> None:
        """At an orderly end: have the vault know that what it signed last was committed. Its mark would lie a batch
        behind what others may have seen. Raises `Unavailable`, `Sealed`."""
        if self._committed:
            self.signer.confirm(self._committed)
            self._committed = b""

    def latest(self) -> datetime:
        return self._latest

    @property
    def size(self) -> int:
        """Entries that are durable."""
        return self._size

    def committed(self, size: int) -> None:
        self._saw(*self._appended)
        if self._noted and self._noted[0] == size:
            self._committed = self._noted[1]
        self._advance_to(size)

    def _take_in(self, head: Any) -> None:
        self._saw(head.size, head.at)
        if head.size > self._size:
            self._advance_to(head.size)

    def _saw(self, size: int, at: datetime) -> None:
        """The instant of the longest log that was seen. (The latest of all would not do: see flow.clock.)"""
        with self._guard:  # readers and the writer are threads
            if size >= self._seen:
                self._seen, self._latest = size, at

    def _advance_to(self, size: int) -> None:
        if self._loop:
            self._loop.call_soon_threadsafe(self._advance, size)
        else:
            self._size = max(self._size, size)

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
            return self._signed(conn, base, frontier, hashes)
        except Unavailable:
            return None
        except Tampered as found:
            if self.tampered is None:
                _log.critical("the vault refuses this log: %s", found)
            self.tampered = found
            return None

    def _signed(self, conn: Connection, base: int, frontier: bytes, hashes: Sequence[bytes]) -> bytes:
        try:
            note = self.signer.sign(base, hashes, frontier)
        except Behind as behind:
            self._late = True  # others appended since, and what they appended may be that the log goes on as another
            note = self._signed_after_others(conn, behind.mark, base, frontier, hashes)
        if self._late:
            next_logs.must_not_be_over(conn, note)
            self._late = False
        return note

    def _signed_after_others(
        self, conn: Connection, mark: int, base: int, frontier: bytes, hashes: Sequence[bytes]
    ) -> bytes:
        if self._committed:
            # What this vault signed last was committed: told so, it goes on knowing that head.
            self.signer.confirm(self._committed)
            self._committed = b""
            try:
                return self.signer.sign(base, hashes, frontier)
            except Behind as behind:
                mark = behind.mark
        _log.debug("the vault catches up from %d to %d", mark, base)
        self._catch_up(conn, mark, base, frontier)
        return self.signer.sign(base, hashes, frontier)

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
