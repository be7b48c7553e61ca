"""Statements that were handed out to be signed: kept, so that a signature alone can come back (`ssh gate approve`)."""

from datetime import datetime

from sqlalchemy import delete, insert, select

from breakglass.storage.books import offer
from breakglass.storage.work import Read, Work

KEPT = 20
"""Newest offers that are tried when a signature comes back for the same person, kind and subject."""


def put(work: Work, *, person: str, kind: str, subject: str, text: str, until: datetime) -> None:
    work.conn.execute(delete(offer).where(offer.c.until < work.now))
    row = {"id": work.new_id("ofr"), "person": person, "kind": kind, "subject": subject, "text": text, "until": until}
    work.conn.execute(insert(offer), row)


def not_later(work: Work, until: datetime) -> None:
    """Forget what would be on offer for longer than `until`: it was drawn up while the clock stood wrong."""
    work.conn.execute(delete(offer).where(offer.c.until > until))


def texts(look: Read, *, person: str, kind: str, subject: str) -> list[str]:
    """The texts on offer, newest first."""
    o = offer.c
    query = (
        select(o.text)
        .where(o.person == person, o.kind == kind, o.subject == subject, o.until >= look.now)
        .order_by(o.until.desc())
        .limit(KEPT)
    )
    return list(look.conn.execute(query).scalars())
