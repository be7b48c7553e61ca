"""The checkpoints beside the log, each held against the tree at its size; and those that were kept elsewhere.

Where a log lost its end and custodians went on with the next one (audit.continued), those of the log before reach up to
there, and those of the next one begin there: none of them may stand on the other's side.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from breakglass.audit.continued import Begun
from breakglass.audit.grown import Grown
from breakglass.audit.kept import Kept
from breakglass.audit.report import Findings
from breakglass.codec import note
from breakglass.codec.note import Checkpoint
from breakglass.errors import BadSignature, BreakglassError, Malformed
from breakglass.trust import next_log
from breakglass.trust.next_log import LogKey
from breakglass.trust.roster import Roster


class Checkpoints:
    def __init__(self, kept: Kept, grown: Grown, findings: Findings, log_vkey: str | None) -> None:
        self._grown, self._findings, self._wanted = grown, findings, log_vkey
        self._kept, self._rows = kept, kept.checkpoints()
        self._due: Sequence[Any] | None = None
        self._begun = False
        self._logs: list[LogKey] = []
        """This log's key, and before it those of the logs before it."""
        self._next: LogKey | None = None
        """The log that custodians signed for, and that may have begun."""
        self._former: list[int] = []
        """Entries that each log before had, as far as was known when the next one was begun."""
        self._newest: dict[str, int] = {}
        """The size of the newest checkpoint that holds, of each log by its origin."""
        self.count = 0
        self.size = 0
        """Of the newest one that holds."""
        self.known_outside = 0

    def know(self, roster: Roster) -> None:
        """The founding roster's word for who signs the log."""
        self._logs = [next_log.key_of(roster, next_log.FIRST)]
        if self._wanted is None:
            return
        with suppress(Malformed):
            number = next_log.number_of(note.parse_vkey(self._wanted).name, roster.origin)
            if next_log.key_of(roster, number).vkey == self._wanted:
                return
        words = "The founding roster names another log key than the one given."
        self._findings.add("roster", "entry 0", words, index=0)

    def may_go_on(self, key: LogKey) -> None:
        """Enough custodians signed for this log: its checkpoints may begin."""
        self._next = key

    def go_on(self, begun: Begun) -> None:
        """From here on only the checkpoints of this log count."""
        self._next = None
        self._logs.append(begun.key)
        self._former.append(begun.former)

    def up_to(self, size: int) -> None:
        """Check those of the tree's present size; smaller ones than can be are found here too."""
        if not self._begun:
            self._begun, self._due = True, next(self._rows, None)
        while self._due is not None and (not isinstance(self._due[0], int) or self._due[0] <= size):
            self._check(*self._due, present=self._due[0] == size)
            self._due = next(self._rows, None)

    def rest(self, *, whole: bool) -> None:
        """What is left when the entries are over: the log was cut. After a gap it can't be told."""
        self.up_to(self._grown.size)
        while self._due is not None:
            if whole:
                words = f"It covers {self._due[0]} entries, and there are {self._grown.size}: entries were taken away."
                self._bad(self._due[0], words)
            self._due = next(self._rows, None)

    def outside(self, notes: Sequence[bytes], *, whole: bool) -> None:
        """Checkpoints that somebody kept elsewhere: this log must begin with each, and still store it."""
        for number, data in enumerate(notes):
            where = f"outside checkpoint {number + 1}"
            try:
                seen = self._opened(data, self._logs)
            except BreakglassError as error:
                self._findings.add("anchor", where, error.message)
                continue
            if self._is_lost(seen, where):
                continue
            if seen.size > self._grown.size:
                if whole:
                    words = (
                        f"It covers {seen.size} entries, and the log has {self._grown.size}: it was cut or restored."
                    )
                    self._findings.add("anchor", where, words, index=seen.size)
            elif self._grown.root(seen.size) != seen.root:
                words = f"The first {seen.size} entries are not those that it was signed over."
                self._findings.add("anchor", where, words, index=seen.size)
            elif not self._kept.stores(seen.size):
                words = f"The log no longer stores its checkpoint over {seen.size} entries."
                self._findings.add("anchor", where, words, index=seen.size)
            else:
                self.known_outside = max(self.known_outside, seen.size)

    def _check(self, size: Any, data: Any, *, present: bool) -> None:
        self.count += 1
        if not present or not isinstance(data, bytes):
            self._bad(
                size, "There can't be a checkpoint of this size." if not present else "It is not stored as bytes."
            )
            return
        try:
            found = self._opened(data, [*self._logs[-1:], *([self._next] if self._next else [])])
        except BreakglassError as error:
            self._bad(size, error.message)
            return
        if found.size != size:
            self._bad(size, f"It is the checkpoint over {found.size} entries.")
        elif found.root != self._grown.root(size):
            first, last = self.size, size - 1
            entries = f"entry {last}" if first == last else f"one of the entries {first} to {last}"
            self._bad(
                size, f"It does not fit the entries: {entries} was changed, put in or taken away after it was signed."
            )
        else:
            self.size = self._newest[found.origin] = size

    def _is_lost(self, seen: Checkpoint, where: str) -> bool:
        """It covers entries of a log before that were lost: this log says so, or its custodians did not know of them.
        What it covers can't be compared with anything."""
        for log, former in zip(self._logs, self._former, strict=False):
            if seen.origin != log.origin or seen.size <= self._newest.get(log.origin, 0):
                continue
            if seen.size > former:
                words = (
                    f"It covers {seen.size} entries of the log {log.origin}, and custodians went on from it knowing of "
                    f"{former}: more is lost than they signed."
                )
                self._findings.add("anchor", where, words, index=seen.size)
            return True
        return False

    def _opened(self, data: bytes, logs: Sequence[LogKey]) -> Checkpoint:
        if not logs:
            raise BadSignature("No pinned roster says who signs this log.", what_to_do="Check the roster's hash.")
        found = note.parse_checkpoint(note.verify(data, [one.vkey for one in logs]).text)
        if found.origin not in [one.origin for one in logs] or found.extensions:
            words = f"It is of the log {found.origin}, not of {logs[-1].origin}."
            raise Malformed(words, what_to_do="Call the auditors.")
        return found

    def _bad(self, size: Any, words: str) -> None:
        self._findings.add("checkpoint", f"checkpoint {size}", words, index=size if isinstance(size, int) else None)
