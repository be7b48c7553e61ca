"""What belongs to one request, found in the log: for the bundle that is given to outsiders (audit.bundle).

request ─▶ grant ─▶ sessions ─▶ recordings, replays          and every version of the roster: by them
   │         └────▶ rotations                                all of it is judged
   └─▶ review, ticket                                       erasures of private values: who signed them
                                                            that the log went on from one before: who signed
custody items that were taken out for it, and their return

First an entry is written that names all of it (`manifest`), then the bundle is made from just that. So whoever leaves
an entry out of a bundle later is found out, and the log tells who was given what.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from breakglass.audit import custody, evidence, next_logs
from breakglass.audit.bundle import EXPORTED, Bundle, CosignedHead, Proven, SeenHead, manifest
from breakglass.audit.cosignatures import cosigned_by
from breakglass.audit.erasing import GONE
from breakglass.audit.event import parse
from breakglass.audit.said import ADOPTED, statements_of, version_of
from breakglass.audit.store_tree import hash_of, prove
from breakglass.codec import note
from breakglass.errors import NotFound, Tampered, WrongState
from breakglass.model.grant import Grant
from breakglass.model.recording import Recording
from breakglass.model.request import AccessRequest
from breakglass.model.review import Review
from breakglass.model.rotation import Rotation
from breakglass.model.session import Session
from breakglass.model.ticket import Ticket
from breakglass.storage import books, openings
from breakglass.storage.work import Read
from breakglass.trust import next_log
from breakglass.trust.roster import Roster
from breakglass.trust.roster import parse as parse_roster
from breakglass.trust.statement import parse as parse_statement
from breakglass.trust.tree import EMPTY_ROOT, consistency_proof

_e = books.entry.c
_CALL = "Run `breakglass audit verify`; call the auditors."


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    size: int
    """What is in it was found among the first `size` entries of the log."""
    entries: int
    hash: str


def named(look: Read, request: str) -> Manifest:
    """What a bundle of this request would hold now. Raises `NotFound`."""
    look.get(AccessRequest, request)
    size = look.conn.execute(select(books.head.c.size)).scalar_one()
    found = _rows(look, request, size, _e.idx, _e.leaf_hash)
    return Manifest(size=size, entries=len(found), hash=manifest((row.idx, row.leaf_hash) for row in found))


def bundle(look: Read, request: str, export: str) -> Bundle:
    """The bundle that the entry of this export names. Raises `NotFound`; `Sealed` while no checkpoint covers it."""
    last = _exported(look, request, export)
    event = parse(last.leaf)
    newest = evidence.of(look, last.idx)
    found = _rows(look, request, event.number("size"), _e.idx, _e.leaf, _e.leaf_hash)
    if manifest((row.idx, row.leaf_hash) for row in found) != event.text("hash"):
        raise Tampered("The log no longer holds what this export named.", what_to_do=_CALL)
    _must_name_its_log(found, newest.note)
    rows = [*found, last]
    opened = openings.of(look, [row.idx for row in rows])
    proven = [
        Proven(
            index=row.idx,
            leaf=row.leaf,
            proof=tuple(prove(look.conn, row.idx, newest.size)),
            opened=opened.get(row.idx, {}),
        )
        for row in rows
    ]
    return Bundle(
        request=request,
        checkpoint=_plain(newest.note),
        entries=tuple(proven),
        heads=tuple(_heads(look, proven, newest.size)),
        witnessed=tuple(_witnessed(look, _rosters(proven), newest.size)),
    )


def _rows(look: Read, request: str, size: int, *columns: Any) -> Sequence[Any]:
    abouts = _abouts(look, request)
    query = select(_e.leaf).where(_e.idx < size, _e.kind == GONE, or_(*abouts))
    erasures = {parse(leaf).text("erasure") for leaf in look.conn.execute(query).scalars()}
    always = _e.kind.in_((ADOPTED, next_logs.SIGNED, next_logs.BEGUN))
    items = _e.idx.in_(custody.of_request(look, request, size=size))
    query = select(*columns).where(_e.idx < size, or_(always, items, _e.about.in_(erasures), *abouts))
    return look.conn.execute(query.order_by(_e.idx)).all()


def _must_name_its_log(rows: Sequence[Any], newest: bytes) -> None:
    """The bundle holds custodians' words for the log whose checkpoint it stands on. Raises `WrongState`."""
    said = [parse(row.leaf) for row in rows]
    founded = parse_roster(version_of(said[0]).document).origin
    begun = sum(event.kind == next_logs.BEGUN for event in said)
    present = note.parse_checkpoint(note.parse(newest).text).origin
    if present != next_log.origin_of(founded, next_log.FIRST + begun):
        raise WrongState(f"The log goes on as {present} since this was exported.", what_to_do="Export it again.")


def _abouts(look: Read, request: str) -> list[ColumnElement[bool]]:
    grants = [one.id for one in look.find(Grant, request=request)]
    sessions = [one.id for grant in grants for one in look.find(Session, grant=grant)]
    ids = [request, *grants, *sessions]
    ids += [one.id for session in sessions for one in look.find(Recording, session=session)]
    ids += [one.id for grant in grants for one in look.find(Rotation, grant=grant)]
    ids += [one.id for kind in (Review, Ticket) for one in look.find(kind, request=request)]
    replays = [_e.about.startswith(f"{session}/", autoescape=True) for session in sessions]
    return [_e.about.in_(ids), *replays]


def _exported(look: Read, request: str, export: str) -> Any:
    query = select(_e.idx, _e.leaf).where(_e.kind == EXPORTED, _e.about == request).order_by(_e.idx.desc())
    for row in look.conn.execute(query):
        if parse(row.leaf).data.get("export") == export:
            return row
    raise NotFound(f"There is no export {export[:60]!r} of this request.", what_to_do="Export it again.")


def _heads(look: Read, entries: Sequence[Proven], size: int) -> list[SeenHead]:
    """Of every statement in these entries, each once."""
    sizes = {parse_statement(signed.text).log_size for entry in entries for signed in statements_of(parse(entry.leaf))}
    return [
        SeenHead(
            size=seen,
            root=hash_of(look.conn, 0, seen) if seen else EMPTY_ROOT,
            proof=tuple(consistency_proof(seen, size, lambda a, b: hash_of(look.conn, a, b))),
        )
        for seen in sorted(sizes)
    ]


def _rosters(entries: Sequence[Proven]) -> list[Roster]:
    found = [parse(one.leaf) for one in entries]
    return [parse_roster(version_of(event).document) for event in found if event.kind == ADOPTED]


def _witnessed(look: Read, rosters: Sequence[Roster], size: int) -> list[CosignedHead]:
    """What each witness of these rosters said last."""
    return [
        CosignedHead(
            checkpoint=signed.encode(),
            proof=tuple(consistency_proof(seen, size, lambda a, b: hash_of(look.conn, a, b))),
        )
        for seen, signed in cosigned_by(look, {key for one in rosters for key in one.witnesses.keys})
        if seen <= size
    ]


def _plain(signed: bytes) -> bytes:
    """The checkpoint under the log's own signature alone: in a bundle stands no line that its reader can't check."""
    found = note.parse(signed)
    origin = note.parse_checkpoint(found.text).origin
    ours = tuple(one for one in found.signatures if one.name == origin)
    return note.Note(text=found.text, signatures=ours).encode()
