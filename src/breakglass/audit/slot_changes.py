"""What the log knows of changes of the seal's slots."""

from sqlalchemy import select

from breakglass.audit import event
from breakglass.audit.event import Event
from breakglass.storage import books
from breakglass.storage.work import Read

BEGUN, DONE = "vault.slot_begun", "vault.slot_changed"
_e = books.entry.c


def untold(look: Read, about: str, seal: str) -> Event | None:
    """The beginning of the change to this seal, where nobody told yet that it was done.

    A seal to which no change of slots led (the founding's, a rekey's) has none."""
    query = select(_e.kind, _e.leaf).where(_e.about == about, _e.kind.in_((BEGUN, DONE))).order_by(_e.idx.desc())
    for row in look.conn.execute(query):
        found = event.parse(row.leaf)
        if found.text("seal") == seal:
            return found if row.kind == BEGUN else None
    return None
