"""The private values that stand beside the log, by entry and name; each fits the commitment in its leaf, or is refused.

No other module reads the table `opening`, but the verifier, which believes nobody.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, select

from breakglass.codec.private import ERASED, Opening, restore
from breakglass.errors import Tampered
from breakglass.storage.books import entry, opening
from breakglass.storage.work import Read, Work

Openings = Mapping[str, Opening]
_o = opening.c
_MANY = 10_000


def of(look: Read, indexes: Iterable[int]) -> dict[int, dict[str, Opening]]:
    """Those that are there, by entry; an entry without one is not in it."""
    return found(look.conn, indexes)


def found(conn: Connection, indexes: Iterable[int]) -> dict[int, dict[str, Opening]]:
    wanted, result = list(indexes), dict[int, dict[str, Opening]]()
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        for row in conn.execute(select(opening).where(_o.idx.in_(some))):
            result.setdefault(row.idx, {})[row.name] = Opening(row.salt, row.value)
    return result


@dataclass(frozen=True, slots=True)
class Held:
    """An entry with private values that are still there."""

    index: int
    about: str
    by: str
    names: tuple[str, ...]


def held(look: Read, *, indexes: Sequence[int] | None = None, about: str = "", by: str = "") -> list[Held]:
    """Those of these entries, about this thing, by this person; in the log's order."""
    where: list[ColumnElement[bool]] = [entry.c.idx.in_(select(_o.idx) if indexes is None else list(indexes)[:_MANY])]
    where += [entry.c.about == about] if about else []
    where += [entry.c.by == by] if by else []
    query = select(entry.c.idx, entry.c.leaf).where(*where).order_by(entry.c.idx).limit(_MANY)
    rows = look.conn.execute(query).all()
    there = of(look, [row.idx for row in rows])
    read = [(row.idx, json.loads(row.leaf)) for row in rows if row.idx in there]
    return [Held(index, one["about"], one["by"], tuple(sorted(there[index]))) for index, one in read]


def rows(index: int, openings: Openings) -> list[tuple[int, str, bytes, str]]:
    """For the table, by `insert_many`."""
    return [(index, name, one.salt, one.value) for name, one in openings.items()]


def event(leaf: bytes, openings: Openings) -> dict[str, Any]:
    """A leaf's JSON with the values that it commits to; what was erased says so. Raises `Tampered`, and `ValueError`,
    `KeyError`, `TypeError`, `AttributeError` for what is no event."""
    read: dict[str, Any] = json.loads(leaf)
    read["data"] = restore(read["data"], openings, ERASED)
    return read


def erase(work: Work, index: int, names: Sequence[str]) -> None:
    """Take the values of one entry away. Raises `Tampered` when they are not there."""
    gone = work.conn.execute(delete(opening).where(_o.idx == index, _o.name.in_(names))).rowcount
    if gone != len(names):
        raise Tampered(f"Entry {index} has no such values.", what_to_do="Run `breakglass audit verify`.")
