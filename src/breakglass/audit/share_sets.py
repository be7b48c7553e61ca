"""What the log knows of the sets of shares that open the vault."""

from sqlalchemy import select

from breakglass.audit import event
from breakglass.storage import books
from breakglass.storage.work import Read

BEGUN, DONE = "vault.rekey_begun", "vault.rekeyed"
_e = books.entry.c


def is_news(look: Read, about: str, share_set: str) -> bool:
    """Whether this set, with which the vault opens now, was handed out and its being in force was not told yet.

    The set of the founding was never handed out by a rekey, so it is none."""
    query = select(_e.kind, _e.leaf).where(_e.about == about, _e.kind.in_((BEGUN, DONE))).order_by(_e.idx.desc())
    for row in look.conn.execute(query):
        if event.parse(row.leaf).text("set") == share_set:
            return bool(row.kind == BEGUN)
    return False
