"""Evidence: proof that an event stands in the log, which every grant and release must bring.

    leaf ──inclusion proof──▶ root of a checkpoint ──signature──▶ our own log key
                                       └── and on the vault's current line of heads

So nothing is released that the log does not tell of, even if the node is in wrong hands. A release's entry is fresh and
serves one release only; a request's approval is a fact that stays. Where the roster asks for witnesses, a release's
entry is also under a checkpoint that enough of them cosigned.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from breakglass.codec import note
from breakglass.errors import BreakglassError, NotEntitled
from breakglass.trust.tree import leaf_hash, verify_consistency, verify_inclusion
from breakglass.trust.witnesses import KNOWN_MAX, Witnesses, not_witnessed
from breakglass.vault.keys import NoteKey
from breakglass.vault.line import Line

FRESH_FOR = timedelta(seconds=120)
LEAF_MAX = 65_535
NOTE_MAX = 100_000
RELEASE = "secret.release"
APPROVED = "request.approved"
OPENED = "grant.opened"
RETIRED = "credential.previous"
_MEMBERS = {"v", "kind", "at", "by", "about", "data"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """The same entry in a checkpoint that witnesses cosigned. Where several nodes ask them, each witness may have been
    shown another one."""

    size: int
    proof: tuple[bytes, ...]
    """Inclusion proof in the tree of `size` entries."""
    consistency: tuple[bytes, ...]
    """From the smaller of the two trees to the larger one (RFC 9162, 2.1.4); empty when they are one."""
    note: bytes
    """The checkpoint with its cosignatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One log entry with its way to a checkpoint."""

    leaf: bytes
    """The entry's exact bytes."""
    index: int
    size: int
    """Size of the checkpoint's tree."""
    proof: tuple[bytes, ...]
    """Inclusion proof (RFC 9162, 2.1.3)."""
    note: bytes
    """The checkpoint, a C2SP signed note."""
    witnessed: tuple[Witnessed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A proven entry."""

    index: int
    size: int
    kind: str
    at: datetime
    about: str
    data: Mapping[str, Any]

    def must_say(self, **expected: str) -> None:
        """Raises `NotEntitled`, naming the first member of `data` that says something else."""
        for name, value in expected.items():
            if self.data.get(name) != value:
                raise _no(f"The log entry's {name} is not that of this release.", self.about)

    def must_not_contradict(self, **expected: str | int) -> None:
        """The same for members that an entry may leave out."""
        for name, value in expected.items():
            if self.data.get(name, value) != value:
                raise _no(f"The log entry's {name} is not that of this release.", self.about)

    def must_be_fresh(self, now: datetime) -> None:
        if abs(now - self.at) > FRESH_FOR:
            raise _no("The log entry of this release is not of this moment.", self.about)


def prove(evidence: Evidence, line: Line, key: NoteKey, *, kind: str, about: str) -> Entry:
    """The entry, when it is in the log.

    Raises `NotEntitled` for another entry or checkpoint, `Tampered` for a proof that does not join the two.
    """
    size, root = _checkpoint(evidence.note, key)
    if size != evidence.size or line.root_at(size) != root:
        raise _no("The checkpoint is not on the line of heads that the vault signed lately.", about)
    if len(evidence.leaf) > LEAF_MAX:
        raise _no("The log holds no entry of that length.", about)
    verify_inclusion(leaf_hash(evidence.leaf), evidence.index, size, evidence.proof, root)
    entry = _parsed(evidence)
    if entry.kind != kind or entry.about != about:
        raise _no(f"The log entry is about {entry.about[:60]} ({entry.kind[:40]}), not about this.", about)
    return entry


def must_be_witnessed(evidence: Evidence, entry: Entry, key: NoteKey, witnesses: Witnesses) -> None:
    """The proven entry is under a checkpoint that as many witnesses cosigned as the roster asks for.

    Raises `NotWitnessed` while they have not, `NotEntitled` for another log's checkpoint or a bad cosignature, and
    `Tampered` where the log that they saw is not the one that the vault signs.
    """
    if not witnesses.quorum:
        return
    if len(evidence.witnessed) > KNOWN_MAX:
        raise _no("There are more cosigned checkpoints than witnesses.", entry.about)
    for seen in evidence.witnessed:
        _must_continue(evidence, seen, key, entry.about)
    try:
        names = witnesses.seen_by(note.parse(seen.note) for seen in evidence.witnessed)
    except BreakglassError as error:
        raise _no(error.message, entry.about) from None
    if not witnesses.are_enough(names):
        raise not_witnessed(f"{len(names)} of the {witnesses.quorum}", entry.about)


def _must_continue(evidence: Evidence, seen: Witnessed, key: NoteKey, about: str) -> None:
    """The cosigned checkpoint holds the entry, and is of the same log as the one that the vault signed."""
    (size, root), (ours, our_root) = _checkpoint(seen.note, key), _checkpoint(evidence.note, key)
    if size != seen.size:
        raise _no("The witnessed checkpoint has another size.", about)
    verify_inclusion(leaf_hash(evidence.leaf), evidence.index, size, seen.proof, root)
    (old, old_root), (new, new_root) = sorted([(size, root), (ours, our_root)])
    verify_consistency(old, old_root, new, new_root, seen.consistency)


def _checkpoint(signed: bytes, key: NoteKey) -> tuple[int, bytes]:
    try:
        if len(signed) > NOTE_MAX:
            raise ValueError
        found = note.parse_checkpoint(note.verify(signed, [key.vkey]).text)
        if found.origin != key.name:
            raise ValueError
    except (BreakglassError, ValueError):
        raise _no("The checkpoint is not one that this vault signed.", "") from None
    return found.size, found.root


def _parsed(evidence: Evidence) -> Entry:
    try:
        event = json.loads(evidence.leaf.decode(), object_pairs_hook=_once)
        if (
            not isinstance(event, dict)
            or event.keys() != _MEMBERS
            or event["v"] != 1
            or not isinstance(event["data"], dict)
        ):
            raise ValueError
        at = datetime.fromisoformat(event["at"])
        if at.tzinfo is None or not isinstance(event["kind"], str) or not isinstance(event["about"], str):
            raise ValueError
    except (ValueError, TypeError, RecursionError):
        raise _no("The log entry does not have the shape of an event.", "") from None
    return Entry(
        index=evidence.index, size=evidence.size, kind=event["kind"], at=at, about=event["about"], data=event["data"]
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member stands twice")
    return dict(pairs)


def _no(message: str, about: str) -> NotEntitled:
    return NotEntitled(message, what_to_do="Try once more; if it stays so, call the auditors.", about=about)
