"""What custodians have said about going on without the witnesses: what waits for another one, and what holds now."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from breakglass.audit import event
from breakglass.codec import instant
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust import override
from breakglass.trust.statement import Signed, Statement, parse

SIGNED, REFUSED, BEGUN = "override.signed", "override.refused", "override.begun"
_e = books.entry.c


def words(look: Read) -> Sequence[tuple[Statement, Signed]]:
    """Signed statements whose time is not over and that the vault did not refuse, oldest first."""
    refused = select(_e.idx).where(_e.kind == REFUSED).order_by(_e.idx.desc()).limit(1)
    after = look.conn.execute(refused).scalar_one_or_none()
    query = select(_e.leaf).where(_e.kind == SIGNED, _e.idx > (-1 if after is None else after))
    found = []
    for leaf in look.conn.execute(query.where(_e.at > look.now - override.LONGEST).order_by(_e.idx)).scalars():
        said = event.parse(leaf)
        signed = Signed(said.text("statement"), said.text("signature"))
        statement = parse(signed.text)
        if override.holds(until(statement), look.now):
            found.append((statement, signed))
    return found


def together(look: Read) -> Sequence[tuple[Statement, Signed]]:
    """Those that most custodians signed alike: the vault says whether they are enough."""
    alike: dict[tuple[str, str], list[tuple[Statement, Signed]]] = defaultdict(list)
    for statement, signed in words(look):
        alike[statement.facts["until"], statement.facts["because"]].append((statement, signed))
    return max(alike.values(), key=len, default=[])


def holds(look: Read) -> datetime | None:
    """Until when releases go on without the witnesses; None where they do not."""
    query = select(_e.leaf).where(_e.kind == BEGUN).order_by(_e.idx.desc()).limit(1)
    leaf = look.conn.execute(query).scalar_one_or_none()
    end = instant.read(event.parse(leaf).text("until")) if leaf else None
    return end if end and override.holds(end, look.now) else None


def until(statement: Statement) -> datetime:
    return instant.read(statement.facts["until"])
