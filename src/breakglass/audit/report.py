"""What a verification found: the first bad record of each level, in words, and what nothing outside covers yet."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from breakglass.codec.lines import clean

LONGEST = 600
LEVELS: Mapping[str, str] = {
    "database": "the database's file and tables",
    "leaf": "every entry's bytes and hash",
    "column": "the columns beside the entries",
    "time": "the order of their instants",
    "roster": "the estate, step by step from the pin",
    "private": "private values beside the log, by what it committed to",
    "statement": "statements, signatures, and the heads that people saw",
    "grant": "the vault's grants",
    "story": "what can have followed from what",
    "checkpoint": "every stored checkpoint",
    "tree": "the stored nodes of the tree",
    "head": "the log's head and root",
    "anchor": "checkpoints kept elsewhere",
    "witness": "the witnesses' cosignatures",
    "timestamp": "a timestamp authority's receipts",
    "row": "the tables that follow from the log",
    "recording": "recordings, by their hashes",
}
"""What is verified, level by level, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    level: str
    """One of `LEVELS`."""
    where: str
    """The record: `entry 12`, `checkpoint 40`, `approval apr_1f…`."""
    index: int | None
    """The entry's index, or the checkpoint's size; None for other records."""
    words: str
    more: int
    """Further findings of this level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How far which head reaches, counted in entries: what lies beyond can still be changed by whoever has the log key
    (or, beyond `signed`, by whoever writes to the database)."""

    entries: int
    signed: int
    """The newest checkpoint's size."""
    seen_by_people: int
    """The largest log head that a person's statement names."""
    outside: int
    """The largest checkpoint that came from outside the database."""
    witnessed: int
    """The size up to which enough of the roster's witnesses have cosigned, by the lines beside the log."""
    unsigned_batches: int
    """Batches after which no checkpoint stands: the vault was sealed then, or somebody took the checkpoint away."""

    @property
    def unsigned(self) -> int:
        return self.entries - self.signed

    @property
    def reached(self) -> int:
        return max(self.seen_by_people, self.outside, self.witnessed)

    @property
    def uncovered(self) -> int:
        return self.entries - self.reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    deployment: str
    origin: str
    continued: Sequence[str]
    """Where custodians went on with a next log, in words."""
    root: str
    """Base64 of the tree's root over all entries, recomputed; empty when it could not be."""
    roster: int
    """The last version of the roster that holds; -1 for none."""
    checkpoints: int
    statements: int
    grants: int
    rows: int
    """Rows of tables that were compared with the log."""
    recordings: int
    lost: int
    """Recordings whose file is not what it was, as the log says too."""
    erased: int
    """Entries whose private values were erased, as the log says."""
    not_shown: int
    """Private values that are not kept where the log was read: what depends on them was not compared."""
    stamped: str
    """What the last timestamp says, in words; empty without one."""
    seconds: float
    skipped: Sequence[str]
    """Levels for which the caller gave nothing to check."""
    window: Window
    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        window = {**asdict(self.window), "unsigned": self.window.unsigned, "uncovered": self.window.uncovered}
        levels = {level: self._level(level) for level in LEVELS}
        return {**asdict(self), "ok": self.ok, "levels": levels, "seconds": round(self.seconds, 3), "window": window}

    def _level(self, level: str) -> str:
        """`bad`, `not checked`, or `holds`; beside a finding elsewhere `no finding`: not all may have been seen."""
        if any(one.level == level for one in self.findings):
            return "bad"
        if level in self.skipped:
            return "not checked"
        return "no finding" if self.findings else "holds"

    def in_words(self) -> list[str]:
        """Lines for a terminal."""
        window = self.window
        counts = (
            f"{window.entries} entries, {self.checkpoints} checkpoints, {self.statements} statements, "
            f"roster version {self.roster}, {self.grants} grants, {self.rows} rows, {self.recordings} recordings "
            f"in {self.seconds:.1f} s"
        )
        told = [f"{self._level(level):<11}  {words}" for level, words in LEVELS.items()]
        told += [counts, f"Root over all entries: {self.root or 'could not be computed'}"]
        told += self.continued
        if self.stamped:
            told.append(self.stamped)
        if self.lost:
            told.append(f"{self.lost} recordings are lost; the log says which, since when and why.")
        if self.erased:
            told.append(f"Private values of {self.erased} entries were erased; the log says by whom.")
        if self.not_shown:
            told.append(f"{self.not_shown} private values are not kept here: what was approved was not compared there.")
        if window.unsigned:
            told.append(f"The last {window.unsigned} entries have no checkpoint: a database writer can change them.")
        if window.unsigned_batches:
            told.append(
                f"{window.unsigned_batches} batches have no checkpoint of their own (vault sealed, or it was removed)."
            )
        if window.witnessed:
            told.append(f"The roster's witnesses have cosigned the first {window.witnessed} entries.")
        told.append(
            f"Heads outside reach up to {window.reached} entries: the {window.uncovered} after them can still be "
            "changed by somebody who holds the log's key."
        )
        for one in self.findings:
            more = f" (and {one.more} more)" if one.more else ""
            told.append(f"BAD {one.level}, {one.where}: {one.words}{more}")
        if not self.ok:
            return [*told, "Stop. Keep everything as it is; call the auditors."]
        if window.unsigned:
            return [
                *told,
                f"All that is signed holds. The last {window.unsigned} entries are NOT signed: find out why.",
            ]
        return [*told, "All of it holds."]


class Findings:
    """Collects them: the first of each level is kept, the others are counted."""

    def __init__(self) -> None:
        self._first: dict[str, Finding] = {}
        self._more: dict[str, int] = {}

    def add(self, level: str, where: str, words: str, *, index: int | None = None) -> None:
        if level in self._first:
            self._more[level] = self._more.get(level, 0) + 1
            return
        # Some words come out of the database: nothing of them may move a terminal's cursor.
        self._first[level] = Finding(
            level=level, where=clean(where)[:100], index=index, words=clean(words)[:LONGEST], more=0
        )

    def entry(self, level: str, index: int, words: str) -> None:
        self.add(level, f"entry {index}", words, index=index)

    def all(self) -> tuple[Finding, ...]:
        """In the order in which they were found: the first bad record first."""
        more: Mapping[str, int] = self._more
        return tuple(
            Finding(level=one.level, where=one.where, index=one.index, words=one.words, more=more.get(one.level, 0))
            for one in self._first.values()
        )
