"""What custodians have said about the present instant, since the last time that their word was taken or refused."""

from typing import Any

from sqlalchemy import select

from breakglass.audit import event
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust.statement import Signed

SIGNED, REFUSED, CONFIRMED = "clock.signed", "clock.refused", "clock.confirmed"
_e = books.entry.c


def words(look: Read, about: str) -> list[Signed]:
    """Statements that wait for others, oldest first. `about`: the clock's subject (trust.clock)."""
    settled = _e.about == about, _e.kind.in_([REFUSED, CONFIRMED])
    last = look.conn.execute(select(_e.idx).where(*settled).order_by(_e.idx.desc()).limit(1)).scalar_one_or_none()
    return _signed(look, about, _e.idx > (-1 if last is None else last))


def ever(look: Read, about: str) -> list[Signed]:
    """All of them: no statement counts twice."""
    return _signed(look, about, _e.idx >= 0)


def _signed(look: Read, about: str, where: Any) -> list[Signed]:
    query = select(_e.leaf).where(_e.about == about, _e.kind == SIGNED, where).order_by(_e.idx)
    found = [event.parse(leaf) for leaf in look.conn.execute(query).scalars()]
    return [Signed(one.text("statement"), one.text("signature")) for one in found]
