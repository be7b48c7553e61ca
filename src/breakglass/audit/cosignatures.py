"""Checkpoints with the cosignatures that witnesses gave for them, and a release's proof in those.

checkpoint ──witness──▶ its line, kept as an anchor `witness <name>` ──┐
checkpoint ──witness──▶ its line ──────────────────────────────────────┴▶ one note with both, for who must be shown
"""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace
from typing import Final

from sqlalchemy import select

from breakglass.audit import overrides
from breakglass.audit.store_tree import hash_of, prove
from breakglass.codec.cosignature import WitnessKey, cosigned, parse_lines
from breakglass.codec.note import Note, Signature, parse
from breakglass.errors import BreakglassError
from breakglass.storage import anchors, books
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.tree import consistency_proof
from breakglass.trust.witnesses import Witnesses, furthest, not_witnessed
from breakglass.vault.evidence import Evidence, Witnessed

_LOOK_EVERY: Final = 0.2
SOON: Final = 5.0
"""Seconds that somebody waits for witnesses who can do without them."""
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
                    await self._until(again)
        except TimeoutError:
            raise not_witnessed(f"Not yet {witnesses.quorum} of the {len(witnesses.known)}", "") from None

    async def reach(self, size: int, *, timeout: float = SOON) -> None:
        """Until as many as are asked for, and at least one, have seen this log up to here; no longer than `timeout`,
        and not at all where the roster names none."""
        witnesses = self.witnesses()
        if not witnesses.known:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while True:
                    again = self._kept
                    if await self.store.read(_seen_up_to, witnesses) >= size:
                        return
                    await self._until(again)

    async def _until(self, kept: asyncio.Event) -> None:
        """Somebody's line was kept; or a moment is over: another node may have asked them, and nobody tells us."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY):
                await kept.wait()


def cosigned_by(look: Read, keys: Collection[WitnessKey]) -> list[tuple[int, Note]]:
    """What each of these said last, by rising size: the log's checkpoint with the lines of all who said it."""
    lines: dict[int, list[Signature]] = {}
    for name in sorted({key.name for key in keys}):
        last = anchors.newest(look, kind_of(name))
        if last is None:
            continue
        with suppress(BreakglassError):  # as below: a line that was spoilt is no reason to withhold the others
            for one in cosigned(parse_lines(last.receipt, _checkpoint(look, last.size)), keys):
                lines.setdefault(last.size, []).append(one.line)
    signed = {size: parse(_checkpoint(look, size)) for size in sorted(lines)}
    return [(size, replace(one, signatures=(*one.signatures, *lines[size]))) for size, one in signed.items()]


def _seen_up_to(look: Read, witnesses: Witnesses) -> int:
    said = [anchors.newest(look, kind_of(one.key.name)) for one in witnesses.known]
    return furthest([one.size if one else 0 for one in said], witnesses.quorum)


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
