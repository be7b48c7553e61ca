"""What the log says of custody items: what two people did with each, and what waits for the second of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, select

from breakglass.audit import event
from breakglass.audit import words as words_of
from breakglass.audit.event import Event
from breakglass.audit.words import Word, e
from breakglass.model.custody import Act, Custody, Turn
from breakglass.storage.work import Read
from breakglass.trust import custody
from breakglass.trust.statement import parse

SIGNED = "custody.signed"
TAKEN, RETURNED, INSPECTED = "custody.taken", "custody.returned", "custody.inspected"
DONE: Mapping[Act, str] = {Act.CHECK_OUT: TAKEN, Act.RETURN: RETURNED, Act.INSPECTION: INSPECTED}
"""Each carries the statements of the people who did it."""
ACTS: Mapping[str, Act] = {kind: act for act, kind in DONE.items()}
FINDING, OVERDUE, UNSEEN = "custody.finding", "custody.overdue", "custody.unseen"


def turn_of(said: Event) -> Turn:
    """What an entry of a kind of `DONE` tells, by its statements."""
    statements = [parse(said.text(f"statement-{n}")) for n in range(said.number("statements"))]
    by = tuple(one.person for one in statements)
    return replace(custody.turn_of(statements[0]), by=by, at=datetime.fromisoformat(said.at))


def turns(look: Read, item: str) -> list[Turn]:
    """Oldest first."""
    return [turn for _, turn in _told(look, e.about == item)]


def states(look: Read) -> Mapping[str, Custody]:
    """Of all items with which anything was done."""
    found: dict[str, Custody] = {}
    for id, turn in _told(look):
        found[id] = found.get(id, Custody()).after(turn)
    return found


def waiting(look: Read, item: str) -> list[Word]:
    """What was signed since the item's last turn, alike, and whose time is not over."""
    found = words_of.since(look, SIGNED, tuple(DONE.values()), e.about == item)
    kind = found[-1].statement.kind if found else None
    return words_of.alike(one for one in found if one.statement.kind is kind and look.now < one.statement.not_after)


def warned(look: Read, item: str, kind: str) -> int:
    """The turn of the item about which this was told last; -1 for never."""
    found = words_of.newest(look, (kind,), e.about == item)
    return found.number("number") if found else -1


def of_request(look: Read, request: str, *, size: int | None = None) -> Sequence[int]:
    """Indexes of the entries that tell of items that were taken out for this request, among the first `size`."""
    first = select(e.idx).where(e.about == request).order_by(e.idx).limit(1).scalar_subquery()
    query = select(e.idx, e.leaf).where(e.kind.in_((TAKEN, RETURNED, FINDING, OVERDUE)), e.idx > first).order_by(e.idx)
    rows = look.conn.execute(query if size is None else query.where(e.idx < size))
    return [row.idx for row in rows if event.parse(row.leaf).data.get("request") == request]


def _told(look: Read, *where: ColumnElement[bool]) -> list[tuple[str, Turn]]:
    query = select(e.leaf).where(e.kind.in_(DONE.values()), *where).order_by(e.idx)
    found = [event.parse(leaf) for leaf in look.conn.execute(query).scalars()]
    return [(one.about, turn_of(one)) for one in found]
