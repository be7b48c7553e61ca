"""An erasure of private values as people see it: the text to sign, what waits for the other one, what it took away."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select

from breakglass.audit import erasing
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust import erasure
from breakglass.trust.statement import parse as parse_statement
from breakglass.views.book import Book
from breakglass.views.shapes import Who

HOLDS = timedelta(days=1)
_e = books.entry.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    id: str
    text: str = ""
    left: int = 0
    """More of the person's entries that can't be erased, or not yet."""
    erased: int = 0
    """Entries whose private values are gone now; 0 while the other signature is missing."""


def lines(one: Erasure) -> list[str]:
    if one.erased:
        return [f"Private values of {one.erased} entries are erased. The log says so, and by whose word."]
    return [f"Signed. Nothing is erased yet: the other one runs `breakglass audit erase --erasure {one.id}`."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One that somebody signed, and that waits for the other one."""

    id: str
    signed_by: tuple[Who, ...]
    entries: tuple[int, ...]
    because: str


def waiting(look: Read, book: Book) -> Sequence[Waiting]:
    """As long as a statement about it holds, which is a day; the newest first."""
    query = select(_e.about).where(_e.kind == erasing.SIGNED, _e.at > look.now - HOLDS).order_by(_e.idx.desc())
    found = []
    for id in dict.fromkeys(look.conn.execute(query).scalars()):
        done = select(_e.idx).where(_e.about == id, _e.kind == erasing.DONE)
        if look.conn.execute(done).first() is None:
            said = [parse_statement(one.text) for one in erasing.words(look, id)]
            found.append(
                Waiting(
                    id=id,
                    signed_by=book.people(one.person for one in said),
                    entries=erasure.read_entries(said[0].facts["entries"]),
                    because=said[0].facts["because"],
                )
            )
    return found
