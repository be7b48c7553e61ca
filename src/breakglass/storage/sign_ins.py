"""Who is signed in, at the API or in a browser: short-lived tokens, kept as hashes only."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, insert, select, update

from breakglass.storage.books import sign_in
from breakglass.storage.work import Read, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    id: str
    """`sgn_…`"""
    person: str
    login: str
    key: str
    """Fingerprint of the key that signed; the roster says at each use whether it still holds. Empty: by a password."""
    made_at: datetime
    proved_at: datetime
    """When a key of this person signed last."""
    until: datetime
    """It ends then, unless it is used before."""
    ends_at: datetime
    """Use moves `until` on, but not past this."""
    from_address: str
    device: str
    """What the browser says of itself; empty for programs."""


_COLUMNS = [sign_in.c[one.name] for one in fields(SignIn)]


def hashed(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def put(work: Work, token: str, made: SignIn) -> None:
    work.conn.execute(delete(sign_in).where(sign_in.c.until < work.now))
    row = {one.name: getattr(made, one.name) for one in fields(SignIn)}
    work.conn.execute(insert(sign_in), {"token_hash": hashed(token), **row})


def find(look: Read, token: str) -> SignIn | None:
    """A live token's."""
    s = sign_in.c
    live = (s.until > look.now) & (s.ends_at > look.now)
    row = look.conn.execute(select(*_COLUMNS).where(s.token_hash == hashed(token), live)).first()
    return None if row is None else SignIn(**row._mapping)


def of(look: Read, person: str) -> Sequence[SignIn]:
    """All live ones of this person, the newest first."""
    s = sign_in.c
    rows = look.conn.execute(
        select(*_COLUMNS).where(s.person == person, s.until > look.now).order_by(s.made_at.desc(), s.id)
    )
    return [SignIn(**row._mapping) for row in rows]


def one_of(look: Read, person: str, id: str) -> SignIn | None:
    """A live one of this person."""
    s = sign_in.c
    live = (s.until > look.now) & (s.ends_at > look.now)
    row = look.conn.execute(select(*_COLUMNS).where(s.id == id, s.person == person, live)).first()
    return None if row is None else SignIn(**row._mapping)


def move(work: Work, id: str, until: datetime) -> None:
    work.conn.execute(update(sign_in).where(sign_in.c.id == id), {"until": until})


def change(work: Work, token: str, **values: str | datetime) -> None:
    """New values of its columns; a new token is given as `token_hash`, by `hashed`."""
    work.conn.execute(update(sign_in).where(sign_in.c.token_hash == hashed(token)), values)


def not_later(work: Work, until: datetime) -> None:
    """Forget tokens that would last longer than `until`: they were given out while the clock stood wrong."""
    work.conn.execute(delete(sign_in).where(sign_in.c.until > until))


def drop(work: Work, token: str) -> None:
    work.conn.execute(delete(sign_in).where(sign_in.c.token_hash == hashed(token)))


def drop_one(work: Work, person: str, id: str) -> bool:
    """Whether there was one."""
    s = sign_in.c
    return work.conn.execute(delete(sign_in).where(s.person == person, s.id == id)).rowcount > 0
