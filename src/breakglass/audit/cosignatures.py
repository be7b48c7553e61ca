"""Checkpoints with the cosignatures that witnesses gave for them, and a release's proof in those.

checkpoint ──witness──▶ its line, kept as an anchor `witness <name>` ──┐
checkpoint ──witness──▶ its line ──────────────────────────────────────┴▶ one note with both, for who must be shown
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from sqlalchemy import select

from breakglass.audit import overrides
from breakglass.audit.store_tree import hash_of, prove
from breakglass.codec.cosignature import parse_lines
from breakglass.errors import BreakglassError
from breakglass.storage import anchors, books
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.tree import consistency_proof
from breakglass.trust.witnesses import Witnesses, not_witnessed
from breakglass.vault.evidence import Evidence, Witnessed

_LOOK_EVERY: Final = 0.2
KEPT: Final = 64
"""Lines of each witness that are kept, the newest: a later one says all that an earlier one said."""


KIND: Final = "witness "
"""The anchor's kind of what a witness says begins so; its name follows."""


def kind_of(name: str) -> str:
    return KIND + name


class Cosignatures:
    """Who waits for witnesses waits here; whoever keeps a line tells it (`kept`)."""

    def __init__(self, store: Store, witnesses: Callable[[], Witnesses]) -> None:
        """`witnesses`: those of the roster that holds now."""
        self.store, self.witnesses = store, witnesses
        self._kept = asyncio.Event()

    def kept(self) -> None:
        self._kept.set()
        self._kept = asyncio.Event()

    async def over(self, evidence: Evidence, *, timeout: float) -> Evidence:
        """The same evidence with what the witnesses say, as soon as enough of them did; as it is, where none are
        asked for, or custodians let releases go on without. Raises `NotWitnessed`."""
        witnesses = self.witnesses()
        if not witnesses.quorum:
            return evidence
        try:
            async with asyncio.timeout(timeout):
                while True:
                    again = self._kept
                    found = await self.store.read(_witnessed, witnesses, evidence)
                    if found is not None:
                        return replace(evidence, witnessed=found)
                    try:  # another node may have asked them: its lines are in the database, and nobody tells us
                        async with asyncio.timeout(_LOOK_EVERY):
                            await again.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise not_witnessed(f"Not yet {witnesses.quorum} of the {len(witnesses.known)}", "") from None


def _witnessed(look: Read, witnesses: Witnesses, evidence: Evidence) -> tuple[Witnessed, ...] | None:
    """None while too few of them cosigned what holds the entry; they need not have seen the same checkpoint."""
    found: dict[int, bytes] = {}
    names = set[str]()
    for one in witnesses.known:
        last = anchors.newest(look, kind_of(one.key.name))
        if last is None or last.size <= evidence.index:
            continue
        with suppress(BreakglassError):  # a line that was spoilt counts for nothing, and spoils no other's
            checkpoint = found.get(last.size) or _checkpoint(look, last.size)
            cosigned = parse_lines(last.receipt, checkpoint)
            names |= witnesses.seen_by([cosigned])
            found[last.size] = cosigned.encode()
    if not witnesses.are_enough(names):
        return () if overrides.holds(look) else None
    return tuple(_shown(look, evidence, size, cosigned) for size, cosigned in found.items())


def _shown(look: Read, evidence: Evidence, size: int, cosigned: bytes) -> Witnessed:
    old, new = sorted([size, evidence.size])
    consistency = consistency_proof(old, new, lambda a, b: hash_of(look.conn, a, b)) if old < new else []
    proof = tuple(prove(look.conn, evidence.index, size))
    return Witnessed(size=size, proof=proof, consistency=tuple(consistency), note=cosigned)


def _checkpoint(look: Read, size: int) -> bytes:
    """The stored one of this size; no bytes where there is none."""
    c = books.checkpoint.c
    return bytes(look.conn.execute(select(c.note).where(c.size == size)).scalar_one_or_none() or b"")
