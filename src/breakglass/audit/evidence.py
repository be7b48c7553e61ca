"""Evidence for the vault: one entry of the log, its place in the tree, and the checkpoint that covers it."""

from sqlalchemy import select

from breakglass.audit.store_tree import prove
from breakglass.errors import Sealed
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.vault.evidence import Evidence


def of(look: Read, index: int) -> Evidence:
    """The newest checkpoint and the entry's proof in it. Raises `Sealed` while no checkpoint covers the entry yet."""
    c, e = books.checkpoint.c, books.entry.c
    row = look.conn.execute(select(c.size, c.note).where(c.size > index).order_by(c.size.desc()).limit(1)).first()
    if row is None:
        raise Sealed(
            "The vault has not signed the log up to here.",
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


def newest_checkpoint(look: Read) -> bytes | None:
    c = books.checkpoint.c
    return look.conn.execute(select(c.note).order_by(c.size.desc()).limit(1)).scalar_one_or_none()
