"""One walk along a log: leaves, their tree, checkpoints, and what the entries say; what is wrong becomes findings.

    leaves ─▶ tree ─▶ roots ◀─ checkpoints          each entry ─▶ statements, rosters, grants, the story

It keeps nothing of the log but tile roots and what the story needs, and it goes along it once, in chunks.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from breakglass.audit import event as events
from breakglass.audit import next_logs
from breakglass.audit.checkpoints import Checkpoints
from breakglass.audit.erasing import Erasures
from breakglass.audit.event import Event
from breakglass.audit.follow import Follow
from breakglass.audit.grown import Grown
from breakglass.audit.kept import Kept, Row
from breakglass.audit.report import Findings, Report, Window
from breakglass.audit.said import ADOPTED, Said, version_of
from breakglass.audit.times import CONFIRMED
from breakglass.codec import private
from breakglass.codec.private import NOT_SHOWN
from breakglass.errors import BreakglassError
from breakglass.trust import next_log
from breakglass.trust.chain import Version
from breakglass.trust.statement import Statement
from breakglass.trust.tree import leaf_hash

Progress = Callable[[int, int], None]


class Walk:
    def __init__(
        self,
        kept: Kept,
        pin: str,
        log_vkey: str | None,
        progress: Progress | None = None,
        *,
        all_checkpoints: bool = True,
    ) -> None:
        """`all_checkpoints`: each batch's checkpoint is kept, so that a missing one is worth a word."""
        self.progress, self.all_checkpoints = progress, all_checkpoints
        self.kept, self.findings, self.log_vkey = kept, Findings(), log_vkey
        self.grown = Grown(self._leaves)
        self.erasures = Erasures()
        self.said = Said(pin, self.grown.root, self.erasures)
        self.followed = Follow()
        self.checkpoints = Checkpoints(kept, self.grown, self.findings, log_vkey)
        self.versions: dict[int, Version] = {}
        self.stamped = ""
        self.entries = self.compared = self.tapes = self.lost = self.unsigned_batches = self.witnessed = 0
        self.whole = True
        """False once an entry is missing: from there on no hash can be recomputed."""
        self.micros = 0
        """The last entry's instant."""
        self._at = ""

    def log(self) -> None:
        expected = 0
        total = self.kept.count() if self.progress else 0
        for chunk in self.kept.entries():
            if self.progress:
                self.progress(self.entries, total)
            for row in chunk:
                index = row.index
                if index != expected:
                    self._gap(index, expected)
                    if not isinstance(index, int) or index < expected:
                        continue
                expected = index + 1
                self.entries += 1
                self._entry(index, row)
        self.checkpoints.rest(whole=self.whole)
        for index, words in self.erasures.unexplained():
            self.findings.entry("private", index, words)
        if not self.entries:
            self.findings.add("roster", "entry 0", "The log is empty: not even its founding roster is there.", index=0)

    def _entry(self, index: int, row: Row) -> None:
        leaf = row.leaf
        if not isinstance(leaf, bytes):
            self.findings.entry("leaf", index, "The leaf is not stored as bytes.")
            leaf = str(leaf).encode("utf-8", "surrogateescape")
        hashed = leaf_hash(leaf)
        if row.hash != hashed:
            self.findings.entry("leaf", index, "The leaf's bytes do not have the hash that is stored with them.")
        event = self._event(index, leaf, row)
        if event is not None:
            self._meaning(index, event)
        if self.whole:
            self.grown.add(hashed)
            self.checkpoints.up_to(self.grown.size)

    def _gap(self, index: Any, expected: int) -> None:
        if not isinstance(index, int) or index < expected:
            self.findings.add("leaf", f"entry {index}", f"There can't be an entry {index}.")
            return
        missing = f"Entry {expected} is" if index == expected + 1 else f"Entries {expected} to {index - 1} are"
        self.findings.entry("leaf", expected, f"{missing} missing.")
        self.whole = False

    def _event(self, index: int, leaf: bytes, row: Row) -> Event | None:
        columns = row.columns
        try:
            event = events.parse(leaf)
            if event.at != self._at:
                self._instant(index, event)
        except BreakglassError as error:
            self.findings.entry("leaf", index, error.message)
            return None
        if columns is not None and columns != (event.kind, event.about, event.by, self.micros):
            told = (event.kind, event.about, event.by, self.micros)
            names = [n for n, a, b in zip(("kind", "about", "by", "at"), columns, told, strict=True) if a != b]
            self.findings.entry("column", index, f"The columns {', '.join(names)} say something else than the leaf.")
        try:
            return self.erasures.opened(index, event, row.openings)
        except BreakglassError as error:
            self.findings.entry("private", index, error.message)
        with suppress(BreakglassError):  # what else it says is judged all the same
            return event._replace(data=private.restore(event.data, {}, NOT_SHOWN))
        return None

    def _instant(self, index: int, event: Event) -> None:
        if self.all_checkpoints and index and self.checkpoints.size < index:
            self.unsigned_batches += 1
        at = events.micros(event.at)
        if event.at < self._at and event.kind != CONFIRMED:  # whether that one may is `said`'s question
            self.findings.entry("time", index, f"Its instant {event.at} lies before the entry before it ({self._at}).")
        self._at, self.micros = event.at, at

    def _meaning(self, index: int, event: Event) -> None:
        """What the entry says beyond its bytes: statements, rosters, the story."""
        said: Statement | None = None
        if index == 0 or event.kind == ADOPTED:
            self._roster(index, event)
        try:
            said = self.said.take(index, event) if self.whole else None
        except BreakglassError as error:
            self.findings.entry("statement", index, f"The {event.kind}'s statement does not hold: {error.message}")
        if event.kind in (next_logs.SIGNED, next_logs.BEGUN):
            self._next_log(index, event)
        try:
            self.erasures.take(event, self.said.approved)
        except BreakglassError as error:
            self.findings.entry("private", index, error.message)
        try:
            # After a gap no checkpoint can be judged any more: then it is nobody's fault that none covers this.
            covered = self.checkpoints.size if self.whole and self.all_checkpoints else index
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
            self.checkpoints.know(roster)
        elif self.said.chain and roster.keys.log != self.said.chain.rosters[0].keys.log:
            self.findings.entry("roster", index, "This version names another log key than the founding roster.")

    def _next_log(self, index: int, event: Event) -> None:
        logs, chain = self.said.logs, self.said.chain
        if event.kind == next_logs.SIGNED:
            with suppress(ValueError):  # its instant is told elsewhere
                key = logs.may_begin(chain.head, datetime.fromisoformat(event.at)) if chain else None
                if key is not None:
                    self.checkpoints.may_go_on(key)
        elif logs.begun and logs.begun[-1].index == index:
            self.checkpoints.go_on(logs.begun[-1])

    def _leaves(self, start: int, end: int) -> Sequence[bytes]:
        found = self.kept.leaves(start, end)
        return [leaf_hash(leaf if isinstance(leaf, bytes) else str(leaf).encode()) for leaf in found]

    def tiles(self) -> Iterator[tuple[int, int, bytes]]:
        """(level, n, root) of every full tile: what the stored tree must be, above the leaves."""
        for level, roots in enumerate(self.grown.tiles, 1):
            for n, root in enumerate(roots):
                yield level, n, root

    def outside(self, notes: Sequence[bytes]) -> None:
        self.checkpoints.outside(notes, whole=self.whole)

    def report(self, seconds: float, skipped: Sequence[str]) -> Report:
        chain, checkpoints = self.said.chain, self.checkpoints
        return Report(
            deployment=chain.head.deployment if chain else "",
            origin=next_log.origin_of(chain.head.origin, self.said.logs.number) if chain else "",
            continued=tuple(one.in_words() for one in self.said.logs.begun),
            root=b64encode(self.grown.root(self.grown.size)).decode() if self.whole else "",
            roster=chain.head.version if chain else -1,
            checkpoints=checkpoints.count,
            statements=self.said.count,
            grants=len(self.followed.rows["grant"]),
            rows=self.compared,
            recordings=self.tapes,
            lost=self.lost,
            stamped=self.stamped,
            erased=self.erasures.erased,
            not_shown=self.erasures.not_shown,
            seconds=seconds,
            skipped=skipped,
            window=Window(
                entries=self.entries,
                signed=checkpoints.size,
                seen_by_people=self.said.seen,
                outside=checkpoints.known_outside,
                witnessed=self.witnessed,
                unsigned_batches=self.unsigned_batches,
            ),
            findings=self.findings.all(),
        )
