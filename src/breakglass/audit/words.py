"""What people have signed in the log about one thing, and what of it still waits for others.

signed ─▶ settled (done, refused …) ─▶ signed ─▶ signed          since: the last two
                                                                 alike: those that say what the last one says
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from breakglass.audit import event
from breakglass.audit.event import Event
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust.statement import Signed, Statement, parse

e = books.entry.c
"""The log's columns, to ask with."""


@dataclass(frozen=True, slots=True)
class Word:
    statement: Statement
    signed: Signed


def since(look: Read, signed: str, settled: Sequence[str], *where: ColumnElement[bool]) -> list[Word]:
    """The statements in entries of the kind `signed` after the last one of a kind of `settled`, oldest first. `where`
    holds for all of these entries."""
    last = select(e.idx).where(e.kind.in_(settled), *where).order_by(e.idx.desc()).limit(1)
    after = look.conn.execute(last).scalar_one_or_none()
    query = select(e.leaf).where(e.kind == signed, e.idx > (-1 if after is None else after), *where).order_by(e.idx)
    return [_word(event.parse(leaf)) for leaf in look.conn.execute(query).scalars()]


def alike(found: Iterable[Word]) -> list[Word]:
    """Each person's newest; and of these the ones that say what the newest of all says."""
    by: dict[str, Word] = {}
    for one in found:
        by.pop(one.statement.person, None)
        by[one.statement.person] = one
    words = list(by.values())
    return [one for one in words if one.statement.facts == words[-1].statement.facts]


def newest(look: Read, kinds: Sequence[str], *where: ColumnElement[bool]) -> Event | None:
    """The last entry of one of these kinds."""
    query = select(e.leaf).where(e.kind.in_(kinds), *where).order_by(e.idx.desc()).limit(1)
    leaf = look.conn.execute(query).scalar_one_or_none()
    return event.parse(leaf) if leaf else None


def _word(said: Event) -> Word:
    signed = Signed(said.text("statement"), said.text("signature"))
    return Word(parse(signed.text), signed)
