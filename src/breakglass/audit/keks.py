"""What the log knows of the vault's key-encryption keys."""

from sqlalchemy import select

from breakglass.audit import event
from breakglass.storage import books
from breakglass.storage.work import Read

SIGNED, CREATED = "kek.signed", "kek.created"
_e = books.entry.c


def newest(look: Read, about: str) -> int:
    """Number of the newest key that the log tells of; the vault was founded with 1. `about`: `trust.kek.subject`."""
    query = select(_e.leaf).where(_e.about == about, _e.kind == CREATED).order_by(_e.idx.desc()).limit(1)
    leaf = look.conn.execute(query).scalar_one_or_none()
    return 1 if leaf is None else event.parse(leaf).number("kek")
