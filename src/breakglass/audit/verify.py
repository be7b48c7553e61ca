"""The verifier: is this log, and everything that claims to follow from it, what the founding roster's hash vouches for?

    pin ─▶ roster 0 ─▶ log key ─▶ checkpoints ─▶ roots ◀─ tree ◀─ leaves ─▶ statements, grants ─▶ rows of tables
                 └─▶ roster 1 … (each step signed as the version before asks)

It only reads, asks neither node nor vault, recomputes everything, and believes nothing that it has not recomputed.
Keys, the roster's hash and earlier checkpoints come from outside. It goes once through the log, in chunks.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from time import monotonic

from cryptography import x509
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from breakglass.audit import copies, cosigners, rows, tapes, timestamps
from breakglass.audit.beside import anchors, as_bytes
from breakglass.audit.event import parse
from breakglass.audit.kept import InDatabase
from breakglass.audit.pinned import must_be_pin
from breakglass.audit.report import Report
from breakglass.audit.source import Source, reading
from breakglass.audit.timestamps import RFC3161
from breakglass.audit.walk import Progress, Walk
from breakglass.codec import note
from breakglass.errors import BreakglassError

_STAMPED = "SELECT leaf FROM entry WHERE kind = 'anchor.made' ORDER BY idx"
_PAGES = 20
"""Damaged places that are counted."""


def verify(
    source: Engine | str,
    *,
    pin: str,
    log_vkey: str | None = None,
    outside: Sequence[bytes] = (),
    recordings: Path | None = None,
    authorities: Sequence[x509.Certificate] = (),
    progress: Progress | None = None,
) -> Report:
    """Everything that is wrong, or nothing.

    `source`: the database's address, or an engine on it (it is opened anew, read-only). `pin`: hex SHA-256 of the
    founding roster. `log_vkey`: the log's key, where the caller knows it from elsewhere too. `outside`: checkpoints
    that were kept elsewhere (signed notes): against them a log that was cut or restored shows. `recordings`: the folder
    of the containers, to be checked too. `authorities`: who is believed about timestamps. `progress` is told (entries
    done, entries in all), now and then.
    Raises `Malformed` for a pin or key of another shape, `NotFound` and `Unavailable` when there is nothing to read.
    """
    must_be_pin(pin)
    if log_vkey is not None:
        note.parse_vkey(log_vkey)
    began = monotonic()
    with reading(source) as db:
        run = _Run(db, pin, log_vkey, progress)
        for part in (run.schema, run.pages, run.log, run.tree, run.head, lambda: run.outside(outside),
                     run.copies, run.cosignatures, lambda: run.timestamps(authorities), run.tables):  # fmt: skip
            try:
                part()
            except DBAPIError as error:
                run.findings.add("database", "the file", f"It can't be read: {error.orig}")
        if recordings is not None:
            run.tapes, run.lost = tapes.check(recordings, run.followed, run.findings)
        given = {"anchor": outside, "timestamp": authorities, "recording": recordings}
        skipped = [level for level, one in given.items() if not one]
        return run.report(monotonic() - began, skipped)


class _Run(Walk):
    """The walk, and what stands beside the entries in the database."""

    def __init__(self, db: Source, pin: str, log_vkey: str | None, progress: Progress | None = None) -> None:
        kept = InDatabase(db)
        super().__init__(kept, pin, log_vkey, progress)
        self.db, self.strays = db, kept.strays

    def schema(self) -> None:
        rows.schema(self.db, self.findings)

    def pages(self) -> None:
        """The file itself: a page that no query above happens to read may be damaged all the same."""
        if not self.db.sqlite:
            return
        for look in ("quick_check", "integrity_check"):  # the first names the page, the second compares the indexes too
            said = [words for (words,) in self.db.rows(f"PRAGMA {look}({_PAGES})") if words != "ok"]
            for words in said:
                self.findings.add("database", "the file", f"A page of it is damaged. SQLite says: {words}")
            if said:
                return

    def copies(self) -> None:
        copies.check(anchors(self.db), self.findings)

    def cosignatures(self) -> None:
        chain = self.said.chain
        self.witnessed = cosigners.seen_up_to(anchors(self.db), chain.rosters if chain else (), self.findings)

    def timestamps(self, authorities: Sequence[x509.Certificate]) -> None:
        """Every receipt that the log names is there as it came; with `authorities` also what it says."""
        held = {one.size: one for one in anchors(self.db) if one.kind == RFC3161}
        for (leaf,) in self.db.rows(_STAMPED):
            try:
                named = parse(as_bytes(leaf))
                size, hashed = named.number("size"), named.text("receipt")
            except BreakglassError:
                continue  # no such entry, whatever its column says: found among the entries
            one = held.pop(size, None)
            receipt, checkpoint = (one.receipt, one.checkpoint) if one else (b"", None)
            where = f"timestamp of checkpoint {size}"
            if sha256(receipt).hexdigest() != hashed:
                self.findings.add("timestamp", where, "It is gone, or is not the receipt that came.", index=size)
            elif checkpoint is None:
                self.findings.add("timestamp", where, "Its checkpoint is gone.", index=size)
            elif authorities:
                try:
                    stamp = timestamps.check(receipt, checkpoint, authorities)
                except BreakglassError as error:
                    self.findings.add("timestamp", where, error.message, index=size)
                else:
                    by = f" ({stamp.by})" if stamp.by else ""
                    self.stamped = (
                        f"A timestamp authority{by} says that the first {size} entries were there at "
                        f"{stamp.at:%Y-%m-%d %H:%M:%S} UTC."
                    )
        for size in held:
            words = "The log does not name this receipt."
            self.findings.add("timestamp", f"timestamp of checkpoint {size}", words, index=size)

    def tree(self) -> None:
        wanted = self.tiles()
        due = next(wanted, None)
        for level, n, hashed in self.db.rows("SELECT level, n, hash FROM node ORDER BY level, n"):
            while due is not None and (due[0], due[1]) < (level, n):
                self.findings.add("tree", f"node {due[0]}/{due[1]}", "This tile's root is missing.", index=due[1])
                due = next(wanted, None)
            if due is None or (level, n) != due[:2]:
                if self.whole:
                    self.findings.add("tree", f"node {level}/{n}", "The log has no such tile.", index=n)
                continue
            if hashed != due[2]:
                self.findings.add("tree", f"node {level}/{n}", "This tile's root is not that of its entries.", index=n)
            due = next(wanted, None)
        while due is not None:
            self.findings.add("tree", f"node {due[0]}/{due[1]}", "This tile's root is missing.", index=due[1])
            due = next(wanted, None)

    def head(self) -> None:
        found = list(self.db.rows("SELECT size, frontier, at FROM head"))
        if len(found) != 1:
            self.findings.add("head", "head", f"The table head has {len(found)} rows instead of one.")
            return
        [(size, frontier, at)] = found
        if size != self.entries:
            self.findings.add("head", "head", f"The head counts {size} entries, and there are {self.entries}.")
        elif self.whole and frontier != b"".join(self.grown.frontier(self.grown.size)):
            self.findings.add("head", "head", "The head's frontier is not that of the entries.")
        if self.entries and at != self.micros:
            self.findings.add("head", "head", "The head's instant is not that of the last entry.")

    def tables(self) -> None:
        for index, name in self.strays:
            self.findings.add("private", f"opening {index}/{name}", "No entry of the log has such a private value.")
        self.compared = rows.compare(self.db, self.followed.rows, self.findings)
        if self.said.chain is not None:
            self.compared += rows.compare_roster(self.db, self.said.chain, self.versions, self.findings)
