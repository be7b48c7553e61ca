"""The verifier: is this log, and everything that claims to follow from it, what the founding roster's hash vouches for?

    pin ─▶ roster 0 ─▶ log key ─▶ checkpoints ─▶ roots ◀─ tree ◀─ leaves ─▶ statements, grants ─▶ rows of tables
                 └─▶ roster 1 … (each step signed as the version before asks)

It only reads, asks neither node nor vault, recomputes everything, and believes nothing that it has not recomputed.
Keys, the roster's hash and earlier checkpoints come from outside. It goes once through the log, in chunks.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from breakglass.audit import event as events
from breakglass.audit import rows, tapes
from breakglass.audit.checkpoints import Checkpoints
from breakglass.audit.event import Event
from breakglass.audit.follow import Follow
from breakglass.audit.grown import Grown
from breakglass.audit.pinned import must_be_pin
from breakglass.audit.report import Findings, Report, Window
from breakglass.audit.said import ADOPTED, Said, version_of
from breakglass.audit.source import Source, reading
from breakglass.audit.times import CONFIRMED
from breakglass.codec import note
from breakglass.errors import BreakglassError
from breakglass.trust.chain import Version
from breakglass.trust.statement import Statement
from breakglass.trust.tree import leaf_hash

_ENTRIES = 'SELECT idx, leaf, leaf_hash, kind, about, "by", at FROM entry ORDER BY idx'

Progress = Callable[[int, int], None]


def verify(
    source: Engine | str,
    *,
    pin: str,
    log_vkey: str | None = None,
    outside: Sequence[bytes] = (),
    recordings: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Everything that is wrong, or nothing.

    `source`: the database's address, or an engine on it (it is opened anew, read-only). `pin`: hex SHA-256 of the
    founding roster. `log_vkey`: the log's key, where the caller knows it from elsewhere too. `outside`: checkpoints
    that were kept elsewhere (signed notes): against them a log that was cut or restored shows. `recordings`: the folder
    of the containers, to be checked too. `progress` is told (entries done, entries in all), now and then.
    Raises `Malformed` for a pin or key of another shape, `NotFound` and `Unavailable` when there is nothing to read.
    """
    must_be_pin(pin)
    if log_vkey is not None:
        note.parse_vkey(log_vkey)
    began = monotonic()
    with reading(source) as db:
        run = _Run(db, pin, log_vkey, progress)
        for part in (run.schema, run.log, run.tree, run.head, lambda: run.outside(outside), run.tables):
            try:
                part()
            except DBAPIError as error:
                run.findings.add("database", "the file", f"It can't be read: {error.orig}")
        if recordings is not None:
            run.tapes = tapes.check(recordings, run.followed, run.findings)
        skipped = [level for level, given in (("anchor", outside), ("recording", recordings)) if not given]
        return run.report(monotonic() - began, skipped)


class _Run:
    def __init__(self, db: Source, pin: str, log_vkey: str | None, progress: Progress | None = None) -> None:
        self.progress = progress
        self.db, self.findings, self.log_vkey = db, Findings(), log_vkey
        self.grown = Grown(self._leaves)
        self.said = Said(pin, self.grown.root)
        self.followed = Follow()
        self.checkpoints = Checkpoints(db, self.grown, self.findings, log_vkey)
        self.versions: dict[int, Version] = {}
        self.entries = self.compared = self.tapes = self.unsigned_batches = 0
        self.whole = True
        """False once an entry is missing: from there on no hash can be recomputed."""
        self._at, self._micros = "", 0

    def schema(self) -> None:
        rows.schema(self.db, self.findings)

    # -- entries -------------------------------------------------------------------------------------------------------
    def log(self) -> None:
        expected = 0
        [(total,)] = self.db.rows("SELECT count(*) FROM entry") if self.progress else [(0,)]
        for chunk in self.db.chunks(_ENTRIES):
            if self.progress:
                self.progress(self.entries, total)
            for index, leaf, stored, kind, about, by, at in chunk:
                if index != expected:
                    self._gap(index, expected)
                    if not isinstance(index, int) or index < expected:
                        continue
                expected = index + 1
                self.entries += 1
                if not isinstance(leaf, bytes):
                    self.findings.entry("leaf", index, "The leaf is not stored as bytes.")
                    leaf = str(leaf).encode("utf-8", "surrogateescape")
                hashed = leaf_hash(leaf)
                if stored != hashed:
                    self.findings.entry(
                        "leaf", index, "The leaf's bytes do not have the hash that is stored with them."
                    )
                event = self._event(index, leaf, (kind, about, by, at))
                if event is not None:
                    self._meaning(index, event)
                if self.whole:
                    self.grown.add(hashed)
                    self.checkpoints.up_to(self.grown.size)
        self.checkpoints.rest(whole=self.whole)
        if not self.entries:
            self.findings.add("roster", "entry 0", "The log is empty: not even its founding roster is there.", index=0)

    def _gap(self, index: Any, expected: int) -> None:
        if not isinstance(index, int) or index < expected:
            self.findings.add("leaf", f"entry {index}", f"There can't be an entry {index}.")
            return
        missing = f"Entry {expected} is" if index == expected + 1 else f"Entries {expected} to {index - 1} are"
        self.findings.entry("leaf", expected, f"{missing} missing.")
        self.whole = False

    def _event(self, index: int, leaf: bytes, columns: tuple[Any, ...]) -> Event | None:
        try:
            event = events.parse(leaf)
            if event.at != self._at:
                self._instant(index, event)
        except BreakglassError as error:
            self.findings.entry("leaf", index, error.message)
            return None
        if columns != (event.kind, event.about, event.by, self._micros):
            told = (event.kind, event.about, event.by, self._micros)
            names = [n for n, a, b in zip(("kind", "about", "by", "at"), columns, told, strict=True) if a != b]
            self.findings.entry("column", index, f"The columns {', '.join(names)} say something else than the leaf.")
        return event

    def _instant(self, index: int, event: Event) -> None:
        if index and self.checkpoints.size < index:
            self.unsigned_batches += 1
        at = events.micros(event.at)
        if event.at < self._at and event.kind != CONFIRMED:  # whether that one may is `said`'s question
            self.findings.entry("time", index, f"Its instant {event.at} lies before the entry before it ({self._at}).")
        self._at, self._micros = event.at, at

    def _meaning(self, index: int, event: Event) -> None:
        """What the entry says beyond its bytes: statements, rosters, the story."""
        said: Statement | None = None
        if index == 0 or event.kind == ADOPTED:
            self._roster(index, event)
        try:
            said = self.said.take(index, event) if self.whole else None
        except BreakglassError as error:
            self.findings.entry("statement", index, f"The {event.kind}'s statement does not hold: {error.message}")
        try:
            # After a gap no checkpoint can be judged any more: then it is nobody's fault that none covers this.
            covered = self.checkpoints.size if self.whole else index
            self.followed.take(index, event, said, self.said.chain, covered)
        except BreakglassError as error:
            level = "grant" if event.kind == "grant.opened" else "story"
            self.findings.entry(level, index, f"This {event.kind} can't be: {error.message}")

    def _roster(self, index: int, event: Event) -> None:
        if event.kind != ADOPTED:
            self.findings.entry("roster", index, "The log does not begin with its founding roster.")
            return
        try:
            roster = self.said.adopt(event)
            self.versions[roster.version] = version_of(event)
        except BreakglassError as error:
            self.findings.entry("roster", index, error.message)
            return
        if roster.version == 0:
            self.checkpoints.know(roster.keys.log, roster.origin)
        elif self.said.chain and roster.keys.log != self.said.chain.rosters[0].keys.log:
            self.findings.entry("roster", index, "This version names another log key than the founding roster.")

    def _leaves(self, start: int, end: int) -> Sequence[bytes]:
        sql = f"SELECT leaf FROM entry WHERE idx >= {start} AND idx < {end} ORDER BY idx"  # noqa: S608 (two numbers)
        return [leaf_hash(leaf if isinstance(leaf, bytes) else str(leaf).encode()) for (leaf,) in self.db.rows(sql)]

    # -- what stands beside the entries --------------------------------------------------------------------------------
    def tree(self) -> None:
        wanted = self._tiles()
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

    def _tiles(self) -> Iterator[tuple[int, int, bytes]]:
        for level, roots in enumerate(self.grown.tiles, 1):
            for n, root in enumerate(roots):
                yield level, n, root

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
        if self.entries and at != self._micros:
            self.findings.add("head", "head", "The head's instant is not that of the last entry.")

    def outside(self, notes: Sequence[bytes]) -> None:
        self.checkpoints.outside(notes, whole=self.whole)

    def tables(self) -> None:
        self.compared = rows.compare(self.db, self.followed.rows, self.findings)
        if self.said.chain is not None:
            self.compared += rows.compare_roster(self.db, self.said.chain, self.versions, self.findings)

    def report(self, seconds: float, skipped: Sequence[str]) -> Report:
        chain, checkpoints = self.said.chain, self.checkpoints
        return Report(
            deployment=chain.head.deployment if chain else "",
            origin=chain.head.origin if chain else "",
            root=b64encode(self.grown.root(self.grown.size)).decode() if self.whole else "",
            roster=chain.head.version if chain else -1,
            checkpoints=checkpoints.count,
            statements=self.said.count,
            grants=len(self.followed.rows["grant"]),
            rows=self.compared,
            recordings=self.tapes,
            seconds=seconds,
            skipped=skipped,
            window=Window(
                entries=self.entries,
                signed=checkpoints.size,
                seen_by_people=self.said.seen,
                outside=checkpoints.known_outside,
                unsigned_batches=self.unsigned_batches,
            ),
            findings=self.findings.all(),
        )
