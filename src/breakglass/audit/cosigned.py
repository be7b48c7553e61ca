"""Checkpoints with what witnesses said below them, and a release's proof in one that enough of them cosigned.

checkpoint ──witness──▶ its line, kept as an anchor `witness <name>` ──┐
checkpoint ──witness──▶ its line ──────────────────────────────────────┴▶ one note with both, for who must be shown
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from sqlalchemy import select

from breakglass.audit.store_tree import hash_of, prove
from breakglass.codec import note
from breakglass.codec.cosignature import parse_lines
from breakglass.errors import NotWitnessed
from breakglass.storage import anchors, books
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.tree import consistency_proof
from breakglass.trust.witnesses import Witnesses
from breakglass.vault.evidence import Evidence, Witnessed

_LOOK_EVERY: Final = 0.2
_ROUNDS: Final = 16
"""Checkpoints that are looked at; the newest ones have the fewest lines yet."""


def kind_of(name: str) -> str:
    """The anchor's kind of what this witness says."""
    return f"witness {name}"


def checkpoint_over(look: Read, witnesses: Witnesses, index: int) -> bytes | None:
    """The newest checkpoint over the entry `index` that enough witnesses cosigned, with all their lines; else None."""
    kinds = {kind_of(one.key.name) for one in witnesses.known}
    found = anchors.covering(look, kinds, index, most=_ROUNDS * max(1, len(kinds)))
    for size in dict.fromkeys(one.size for one in found):
        signed = note_at(look, size, [one.receipt for one in found if one.size == size])
        if signed and witnesses.are_enough(witnesses.who(note.parse(signed))):
            return signed
    return None


def note_at(look: Read, size: int, lines: list[bytes]) -> bytes | None:
    c = books.checkpoint.c
    signed = look.conn.execute(select(c.note).where(c.size == size)).scalar_one_or_none()
    if signed is None:
        return None
    return parse_lines(b"".join(lines), signed).encode() if lines else bytes(signed)


class Cosigned:
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
        asked for. Raises `NotWitnessed`."""
        witnesses = self.witnesses()
        if not witnesses.quorum:
            return evidence
        try:
            async with asyncio.timeout(timeout):
                while True:
                    again = self._kept
                    found = await self.store.read(_witnessed, witnesses, evidence)
                    if found:
                        return replace(evidence, witnessed=found)
                    try:  # another node may have asked them: its lines are in the database, and nobody tells us
                        async with asyncio.timeout(_LOOK_EVERY):
                            await again.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise NotWitnessed(
                f"Not yet {witnesses.quorum} of the {len(witnesses.known)} witnesses have cosigned the log up to here.",
                what_to_do="Try again. If they can't be reached, custodians let releases go on without them: "
                "`breakglass audit override`.",
            ) from None


def _witnessed(look: Read, witnesses: Witnesses, evidence: Evidence) -> tuple[Witnessed, ...]:
    """Empty while too few of them cosigned what holds the entry; they need not have seen the same checkpoint."""
    lines: dict[int, list[bytes]] = {}
    for one in witnesses.known:
        last = anchors.newest(look, kind_of(one.key.name))
        if last is not None and last.size > evidence.index:
            lines.setdefault(last.size, []).append(last.receipt)
    found, names = [], set[str]()
    for size, told in lines.items():
        signed = note_at(look, size, told)
        if signed is not None:
            names |= {one.witness.name for one in witnesses.who(note.parse(signed))}
            found.append(_shown(look, evidence, size, signed))
    return tuple(found) if len(names) >= witnesses.quorum else ()


def _shown(look: Read, evidence: Evidence, size: int, signed: bytes) -> Witnessed:
    old, new = sorted([size, evidence.size])
    consistency = consistency_proof(old, new, lambda a, b: hash_of(look.conn, a, b)) if old < new else []
    proof = tuple(prove(look.conn, evidence.index, size))
    return Witnessed(size=size, proof=proof, consistency=tuple(consistency), note=signed)
