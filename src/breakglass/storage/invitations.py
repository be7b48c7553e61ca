"""One-time links: kept as hashes only, gone once used or late."""

from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, insert, select

from breakglass.storage.books import invitation
from breakglass.storage.sign_ins import hashed
from breakglass.storage.work import Read, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    id: str
    """`inv_…`"""
    person: str
    by: str
    until: datetime


_COLUMNS = [invitation.c[one.name] for one in fields(Invitation)]


def put(work: Work, token: str, made: Invitation) -> None:
    work.conn.execute(delete(invitation).where(invitation.c.until < work.now))
    row = {one.name: getattr(made, one.name) for one in fields(Invitation)}
    work.conn.execute(insert(invitation), {"token_hash": hashed(token), **row})


def find(look: Read, token: str) -> Invitation | None:
    i = invitation.c
    row = look.conn.execute(select(*_COLUMNS).where(i.token_hash == hashed(token), i.until > look.now)).first()
    return None if row is None else Invitation(**row._mapping)


def drop(work: Work, id: str) -> None:
    work.conn.execute(delete(invitation).where(invitation.c.id == id))
