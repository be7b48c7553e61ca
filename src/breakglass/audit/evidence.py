"""Evidence for the vault: one entry of the log, its place in the tree, and the checkpoint that covers it.

Nodes on one database have a vault each, and a vault believes only checkpoints that it signed or was shown. So before it
brings evidence, a node shows its vault the log's present head (`Log.vouch`) and proves from there.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select

from breakglass.audit.log import Log
from breakglass.audit.store_tree import prove
from breakglass.errors import Sealed
from breakglass.model.people import SYSTEM
from breakglass.storage import books, openings
from breakglass.storage.openings import Openings
from breakglass.storage.store import Store
from breakglass.storage.work import Read, Work
from breakglass.vault.evidence import Evidence

SOME = 256


async def proven(store: Store, log: Log, *indexes: int) -> Sequence[Evidence]:
    """Evidence of these entries for this node's own vault. Raises `Sealed`, `Unavailable`, `Tampered`."""
    size = (await store.run(SYSTEM, vouch, log)).value if store.shared else None
    return await store.read(lambda look: [of(look, index, size) for index in indexes])


def vouch(work: Work, log: Log) -> int:
    """Show this node's vault the log's present head. Returns its size."""
    return log.vouch(work.conn)


def of(look: Read, index: int, size: int | None = None) -> Evidence:
    """The newest checkpoint, or the one of this size, and the entry's proof in it. Raises `Sealed` while no checkpoint
    covers the entry yet."""
    c, e = books.checkpoint.c, books.entry.c
    covers = c.size > index if size is None else (c.size > index) & (c.size == size)
    row = look.conn.execute(select(c.size, c.note).where(covers).order_by(c.size.desc()).limit(1)).first()
    if row is None:
        raise Sealed(
            "The vault is sealed or does not answer: it has not signed the log up to here.",
            what_to_do="Custodians unseal the vault: `breakglass unseal`.",
        )
    leaf = look.conn.execute(select(e.leaf).where(e.idx == index)).scalar_one()
    proof = tuple(prove(look.conn, index, row.size))
    return Evidence(leaf=leaf, index=index, size=row.size, proof=proof, note=row.note)


def entry_of(look: Read, kind: str, about: str, *, newest: bool = True) -> int | None:
    """Index of the newest, or the oldest, entry of this kind about this thing."""
    e = books.entry.c
    query = select(e.idx).where(e.about == about, e.kind == kind).order_by(e.idx.desc() if newest else e.idx).limit(1)
    return look.conn.execute(query).scalar_one_or_none()


def entries_after(look: Read, index: int, kinds: Collection[str], *, since: datetime) -> Sequence[tuple[int, str, str]]:
    """(index, kind, about) of the entries of these kinds behind `index` and not before `since`, in order; some at a
    time."""
    e = books.entry.c
    query = select(e.idx, e.kind, e.about).where(e.kind.in_(kinds), e.idx > index, e.at >= since)
    return [(row.idx, row.kind, row.about) for row in look.conn.execute(query.order_by(e.idx).limit(SOME))]


def leaves_from(look: Read, start: int, most: int) -> Sequence[tuple[int, bytes, Openings]]:
    """(index, leaf, openings) of the entries from `start` on, in order, up to `most`."""
    e = books.entry.c
    query = select(e.idx, e.leaf).where(e.idx >= start).order_by(e.idx).limit(most)
    rows = look.conn.execute(query).all()
    opened = openings.of(look, [row.idx for row in rows])
    return [(row.idx, row.leaf, opened.get(row.idx, {})) for row in rows]


def newest_checkpoint(look: Read) -> bytes | None:
    c = books.checkpoint.c
    return look.conn.execute(select(c.note).order_by(c.size.desc()).limit(1)).scalar_one_or_none()
