"""The tables. One model class is one table, its fields the columns; `ENTITIES` says which, a test holds the names
equal.

Three kinds: state (one row an entity), books (the log, duties, offers, sign-ins), and what is derived from the signed
roster for queries only (`person`, `key`, `target`, `account`): nothing is ever opened because of a derived row.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
)
from sqlalchemy import (
    text as sql,
)

from breakglass.model import credential, dormancy, grant, recording, request, review, rotation, session, ticket, trace
from breakglass.storage.columns import Instant, Span, Word, guard, text

META = MetaData()


def _table(name: str, *columns: Any, **options: Any) -> Table:
    return guard(Table(name, META, *columns, **options))


def _id() -> Column[str]:
    return text("id", primary_key=True)


request_t = _table(
    "request",
    _id(),
    text("by"),
    text("key"),
    text("account", index=True),
    text("condition"),
    text("reason"),
    Column("access_for", Span, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("decide_by", Instant, nullable=False),
    Column("state", Word(request.State), nullable=False),
    Index("request_due", "state", "decide_by"),
)
approval_t = _table(
    "approval",
    _id(),
    text("request", ForeignKey("request.id")),
    text("by"),
    text("statement"),
    text("signature"),
    Column("at", Instant, nullable=False),
    UniqueConstraint("request", "by"),
)
grant_t = _table(
    "grant",
    _id(),
    text("request", ForeignKey("request.id"), unique=True),
    text("to", index=True),
    text("key"),
    text("account"),
    text("token"),
    Column("opened_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("state", Word(grant.State), nullable=False),
    Index("grant_due", "state", "ends_at"),
)
session_t = _table(
    "session",
    _id(),
    text("grant", ForeignKey("grant.id"), index=True),
    text("by"),
    text("account"),
    text("recording"),
    text("node"),
    text("from_address"),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    text("why"),
    Column("wanted", Word(session.State), nullable=False),
    Column("state", Word(session.State), nullable=False),
    Index("session_node", "node", "state"),
)
recording_t = _table(
    "recording",
    _id(),
    text("session", ForeignKey("session.id"), index=True),
    Column("chunks", Integer, nullable=False),
    text("head"),
    Column("size", BigInteger, nullable=False),
    Column("state", Word(recording.State), nullable=False),
    text("lost"),
)
credential_t = _table(
    "credential",
    _id(),
    text("account"),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("state", Word(credential.State), nullable=False),
    UniqueConstraint("account", "version"),
    Index(
        "credential_current", "account", unique=True,
        sqlite_where=sql("state = 'current'"), postgresql_where=sql("state = 'current'"),
    ),
)  # fmt: skip
rotation_t = _table(
    "rotation",
    _id(),
    text("account", index=True),
    Column("because", Word(rotation.Because), nullable=False),
    text("grant"),
    Column("owed_at", Instant, nullable=False),
    text("candidate", nullable=True),
    Column("fence", Integer, nullable=False),
    Column("leased_until", Instant),
    text("holder"),
    Column("tries", Integer, nullable=False),
    Column("guesses", Integer, nullable=False),
    Column("guessed_at", Instant),
    Column("next_at", Instant, nullable=False),
    text("problem"),
    text("remains"),
    text("proof"),
    Column("done_at", Instant),
    Column("state", Word(rotation.State), nullable=False),
    Index("rotation_due", "state", "next_at"),
)
look_t = _table(
    "look",
    _id(),
    Column("taken_at", Instant, nullable=False),
    text("traces"),
)
dormancy_t = _table(
    "dormancy",
    _id(),
    Column("state", Word(dormancy.State), nullable=False),
    Column("since", Instant, nullable=False),
)
review_t = _table(
    "review",
    _id(),
    text("grant", ForeignKey("grant.id"), unique=True),
    text("request"),
    text("account", index=True),
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    text("by", nullable=True),
    Column("classification", Word(review.Classification)),
    text("summary"),
    text("statement"),
    text("signature"),
    Column("signed_at", Instant),
    Column("state", Word(review.State), nullable=False),
)
ticket_t = _table(
    "ticket",
    _id(),
    text("request", ForeignKey("request.id"), unique=True),
    text("title"),
    Column("opened_at", Instant, nullable=False),
    Column("state", Word(ticket.State), nullable=False),
)
ticket_line_t = _table(
    "ticket_line",
    _id(),
    text("ticket", ForeignKey("ticket.id"), index=True),
    text("text"),
    Column("at", Instant, nullable=False),
)

ENTITIES: dict[type[Any], Table] = {
    request.AccessRequest: request_t,
    request.Approval: approval_t,
    grant.Grant: grant_t,
    session.Session: session_t,
    recording.Recording: recording_t,
    credential.Credential: credential_t,
    rotation.Rotation: rotation_t,
    trace.Look: look_t,
    dormancy.Dormancy: dormancy_t,
    review.Review: review_t,
    ticket.Ticket: ticket_t,
    ticket.TicketLine: ticket_line_t,
}
