"""Who is signed in at the API: short-lived tokens, kept as hashes only."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, insert, select

from breakglass.storage.books import sign_in
from breakglass.storage.work import Read, Work


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def put(work: Work, *, token: str, person: str, login: str, key: str, until: datetime) -> str:
    id = work.new_id("sgn")
    work.conn.execute(delete(sign_in).where(sign_in.c.until < work.now))
    row = {"id": id, "token_hash": _hash(token), "person": person, "login": login, "key": key, "until": until}
    work.conn.execute(insert(sign_in), row)
    return id


def find(look: Read, token: str) -> tuple[str, str] | None:
    """(login, key fingerprint) of a live token. The roster says at each use whether they still hold."""
    s = sign_in.c
    row = look.conn.execute(select(s.login, s.key).where(s.token_hash == _hash(token), s.until > look.now)).first()
    return None if row is None else (row.login, row.key)


def not_later(work: Work, until: datetime) -> None:
    """Forget tokens that would last longer than `until`: they were given out while the clock stood wrong."""
    work.conn.execute(delete(sign_in).where(sign_in.c.until > until))


def drop(work: Work, token: str) -> None:
    work.conn.execute(delete(sign_in).where(sign_in.c.token_hash == _hash(token)))
