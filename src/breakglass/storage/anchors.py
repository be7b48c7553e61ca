"""What others said about checkpoints, word for word: receipts that only they could give."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, insert, select

from breakglass.storage.books import anchor
from breakglass.storage.work import Read, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    kind: str
    size: int
    """Of the checkpoint."""
    receipt: bytes
    at: datetime
    """When it was put down; what the receipt says of the time is in the receipt."""


_COLUMNS = [anchor.c[one.name] for one in fields(Anchor)]


def put(work: Work, made: Anchor) -> None:
    work.conn.execute(insert(anchor), {one.name: getattr(made, one.name) for one in fields(Anchor)})


def renew(work: Work, made: Anchor, *, kept: int) -> None:
    """Put it down, in the place of what the same one said about the same checkpoint before; the `kept` newest of this
    kind stay."""
    a = anchor.c
    work.conn.execute(delete(anchor).where(a.kind == made.kind, a.size == made.size))
    put(work, made)
    first = select(a.size).where(a.kind == made.kind).order_by(a.size.desc()).offset(kept).limit(1)
    oldest = work.conn.execute(first).scalar_one_or_none()
    if oldest is not None:
        work.conn.execute(delete(anchor).where(a.kind == made.kind, a.size <= oldest))


def replace(work: Work, made: Anchor) -> None:
    """Put it down in the place of all that there is of this kind."""
    work.conn.execute(delete(anchor).where(anchor.c.kind == made.kind))
    put(work, made)


def newest(look: Read, kind: str) -> Anchor | None:
    a = anchor.c
    row = look.conn.execute(select(*_COLUMNS).where(a.kind == kind).order_by(a.size.desc()).limit(1)).first()
    return None if row is None else Anchor(**row._mapping)


def listed(look: Read) -> Sequence[Anchor]:
    """All, the oldest first."""
    return [Anchor(**row._mapping) for row in look.conn.execute(select(*_COLUMNS).order_by(anchor.c.size))]
