"""Passwords' sealed seeds, and recovery codes as hashes. Nobody's password is here, in any form."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from breakglass.storage.books import password, recovery_code
from breakglass.storage.work import Read, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    person: str
    salt: bytes
    sealed: bytes
    step: int
    """The latest step whose one-time code was taken: no code serves twice."""
    set_at: datetime


_COLUMNS = [password.c[one.name] for one in fields(Password)]


def of(look: Read, person: str) -> Password | None:
    row = look.conn.execute(select(*_COLUMNS).where(password.c.person == person)).first()
    return None if row is None else Password(**row._mapping)


def put(work: Work, made: Password, recovery: Iterable[str]) -> None:
    """In the place of an earlier one and its recovery codes, which are given as hashes."""
    drop(work, made.person)
    work.conn.execute(insert(password), {one.name: getattr(made, one.name) for one in fields(Password)})
    work.conn.execute(insert(recovery_code), [{"hash": one, "person": made.person} for one in recovery])


def drop(work: Work, person: str) -> bool:
    """Whether there was one."""
    work.conn.execute(delete(recovery_code).where(recovery_code.c.person == person))
    return work.conn.execute(delete(password).where(password.c.person == person)).rowcount > 0


def use_step(work: Work, held: Password, step: int) -> bool:
    """Whether this step's code was still good; it is no more. False too when the password was changed meanwhile."""
    p = password.c
    good = (p.person == held.person) & (p.salt == held.salt) & (p.step < step)
    return work.conn.execute(update(password).where(good), {"step": step}).rowcount == 1


def use_code(work: Work, person: str, hash: str) -> bool:
    """Whether this recovery code was still there; it is gone now."""
    r = recovery_code.c
    return work.conn.execute(delete(recovery_code).where(r.person == person, r.hash == hash)).rowcount == 1


def codes_left(look: Read, person: str) -> int:
    count = select(func.count()).select_from(recovery_code).where(recovery_code.c.person == person)
    return int(look.conn.execute(count).scalar_one())


def people(look: Read) -> frozenset[str]:
    """Who has one."""
    return frozenset(look.conn.execute(select(password.c.person)).scalars())
