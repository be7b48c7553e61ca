"""The log as people see it: entries with a sentence each, a request's timeline, and one entry with its proof.

What is shown is read from the leaf, the bytes that the tree covers; the columns beside it only find it. A grant's token
is never shown: its entry is proven by its hash.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select

from breakglass.audit import evidence, gather
from breakglass.audit.bundle import Bundle
from breakglass.errors import Malformed, NotFound, Tampered
from breakglass.storage import books, openings
from breakglass.storage.openings import Openings
from breakglass.storage.work import Read
from breakglass.views import shapes
from breakglass.views.book import Book
from breakglass.views.facts import sentence

HELD_BACK = frozenset({"token"})
"""Members of a fact that no view shows."""
_e = books.entry.c


def listed(
    look: Read,
    book: Book,
    *,
    after: int = -1,
    before: int | None = None,
    about: str = "",
    kind: str = "",
    by: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 100,
) -> tuple[shapes.Entry, ...]:
    """Entries behind `after`, in order; without it the last ones, those before `before`. `kind`: `session.ended`, or
    `session.` for all; `since` is the first instant, `until` the first one behind."""
    where: list[ColumnElement[bool]] = []
    if about:
        where.append(_e.about == about)
    if kind:
        where.append(_e.kind.startswith(kind, autoescape=True) if kind.endswith(".") else _e.kind == kind)
    if by:
        where.append(_e.by == by)
    if since is not None:
        where.append(_e.at >= since)
    if until is not None:
        where.append(_e.at < until)
    if before is not None:
        where.append(_e.idx < before)
    query = select(_e.idx, _e.leaf).where(*where)
    if after >= 0:
        rows = list(look.conn.execute(query.where(_e.idx > after).order_by(_e.idx).limit(limit)))
    else:
        rows = list(look.conn.execute(query.order_by(_e.idx.desc()).limit(limit)))[::-1]
    return tuple(_shown(look, book, rows))


def private(look: Read, book: Book, *, about: str = "", by: str = "") -> tuple[shapes.Entry, ...]:
    """Entries whose private values are still there; the first ten thousand."""
    indexes = [one.index for one in openings.held(look, about=about, by=by)]
    query = select(_e.idx, _e.leaf).where(_e.idx.in_(indexes)).order_by(_e.idx)
    return tuple(_shown(look, book, look.conn.execute(query).all()))


def timeline(
    look: Read, book: Book, about: Sequence[str], *, replays_of: Sequence[str] = (), also: Sequence[int] = ()
) -> tuple[shapes.Event, ...]:
    """What happened with these things, in the log's order. A replay stands under `session/auditor`. `also`: indexes of
    further entries."""
    replays = [f"{session}/{person}" for session in replays_of for person in book.roster.people]
    query = select(_e.idx, _e.leaf).where(_e.about.in_([*about, *replays]) | _e.idx.in_(also)).order_by(_e.idx)
    entries = _shown(look, book, look.conn.execute(query).all())
    return tuple(
        shapes.Event(index=one.index, at=one.at, kind=one.kind, text=one.text)
        for one in entries
        if one.kind not in _MACHINERY
    )


def proven(look: Read, book: Book, index: int) -> shapes.ProvenEntry:
    """One entry, its inclusion proof, and the checkpoint. Raises `NotFound`; `Sealed` while no checkpoint covers it."""
    if look.conn.execute(select(_e.idx).where(_e.idx == index)).first() is None:
        raise NotFound(f"There is no log entry {index}.", what_to_do="Look at `breakglass audit tail`.")
    found = evidence.of(look, index)
    hashed = look.conn.execute(select(_e.leaf_hash).where(_e.idx == index)).scalar_one()
    opened = openings.of(look, [index]).get(index, {})
    return shapes.ProvenEntry(
        entry=shown(book, index, found.leaf, opened),
        leaf="" if HELD_BACK & data_of(found.leaf).keys() else found.leaf.decode(),
        opened={name: (one.salt.hex(), one.value) for name, one in sorted(opened.items())},
        leaf_hash=hashed.hex(),
        size=found.size,
        proof=tuple(one.hex() for one in found.proof),
        checkpoint=found.note.decode(),
    )


def bundle(look: Read, request: str, export: str) -> Bundle:
    """What an export named, with its proofs. It is the one answer that holds a grant's token, of a grant that is over
    (flow.evidence)."""
    return gather.bundle(look, request, export)


def checkpoint(look: Read) -> shapes.Checkpoint:
    """The latest signed head. Raises `NotFound` while there is none."""
    c = books.checkpoint.c
    row = look.conn.execute(select(c.size, c.note).order_by(c.size.desc()).limit(1)).first()
    if row is None:
        raise NotFound(
            "The vault has signed no checkpoint yet.", what_to_do="Custodians unseal it: `breakglass unseal`."
        )
    return shapes.Checkpoint(size=row.size, note=row.note.decode())


def _shown(look: Read, book: Book, rows: Sequence[Any]) -> list[shapes.Entry]:
    opened = openings.of(look, [row.idx for row in rows])
    return [shown(book, row.idx, row.leaf, opened.get(row.idx, {})) for row in rows]


def shown(book: Book, index: int, leaf: bytes, opened: Openings) -> shapes.Entry:
    event = _read(index, leaf, opened)
    data = event["data"]
    return shapes.Entry(
        index=index,
        at=datetime.fromisoformat(event["at"]),
        kind=event["kind"],
        about=event["about"],
        by=event["by"],
        data={name: value for name, value in data.items() if name not in HELD_BACK},
        text=sentence(book, kind=event["kind"], about=event["about"], by=event["by"], data=data),
    )


def data_of(leaf: bytes) -> dict[str, Any]:
    """Of the machine's own facts, which hold nothing private."""
    data: dict[str, Any] = _read(-1, leaf, {})["data"]
    return data


def _read(index: int, leaf: bytes, opened: Openings) -> dict[str, Any]:
    try:
        event = openings.event(leaf, opened)
        if not {"at", "kind", "about", "by"} <= event.keys():
            raise TypeError
        datetime.fromisoformat(event["at"])
    except (ValueError, KeyError, TypeError, AttributeError, Malformed, Tampered):
        raise Tampered(
            f"Entry {index} of the log can't be read." if index >= 0 else "An entry of the log can't be read.",
            what_to_do="Run `breakglass audit verify`; call the auditors.",
        ) from None
    return event


_MACHINERY = frozenset(
    {
        "rotation.claimed",
        "rotation.waits",
        "rotation.woken",
        "rotation.freed",
        "recording.head",
        "credential.previous",
        "account.enabling",
        "account.disabling",
    }
)
"""Marks for the machine: true, in the log, and of no help to somebody who reads a story."""
