"""A ticket: the story of one request in sentences, for people who were not there. The built-in one; ITSM systems
follow.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import RequestId, TicketId


class State(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    MOVES: ClassVar[Moves] = {State.OPEN: frozenset({State.CLOSED})}
    id: TicketId
    request: RequestId
    title: str
    opened_at: datetime
    state: State = State.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketLine:
    """One sentence. Its id is made from the log entry that it tells of, so that telling twice writes it once."""

    id: str
    ticket: TicketId
    text: str
    at: datetime


def open_with(ticket: Ticket, line: TicketLine) -> Change[Ticket]:
    return Change(ticket, (Fact("ticket.opened", ticket.id, {"request": ticket.request}),), also=(line,))


def told(ticket: Ticket, line: TicketLine, *, last: bool) -> Change[Ticket]:
    value = replace(ticket, state=State.CLOSED) if last and ticket.state is State.OPEN else ticket
    kind = "ticket.closed" if value is not ticket else "ticket.updated"
    return Change(value, (Fact(kind, ticket.id, {"request": ticket.request}),), also=(line,))
