"""Sessions as people see them: who is where, since when, and how far its recording reaches."""

from collections.abc import Sequence

from breakglass.model.people import Actor
from breakglass.model.recording import Recording
from breakglass.model.session import Session, State
from breakglass.storage.work import Read
from breakglass.views import say, shapes
from breakglass.views.book import Book, sees_all
from breakglass.views.rows import columns, found

_RECORDING = {
    "open": "It is being recorded.",
    "complete": "The recording is complete.",
    "truncated": "The recording is CUT SHORT: the node stopped before its end was written.",
}


def listed(
    look: Read, book: Book, viewer: Actor, *, live: bool, limit: int = 50, skip: int = 0
) -> tuple[shapes.Session, ...]:
    """The newest first; `live`: only those that run now."""
    s = columns(Session)
    where = [] if sees_all(viewer) else [s.by == viewer.id]
    if live:
        where.append(s.state != State.ENDED)
    return shown(look, book, found(look, Session, *where, newest="started_at", limit=limit, skip=skip))


def of_grant(look: Read, book: Book, grant: str) -> tuple[shapes.Session, ...]:
    s = columns(Session)
    return shown(look, book, list(reversed(found(look, Session, s.grant == grant, newest="started_at"))))


def shown(look: Read, book: Book, sessions: Sequence[Session]) -> tuple[shapes.Session, ...]:
    r = columns(Recording)
    recordings = found(look, Recording, r.session.in_([one.id for one in sessions])) if sessions else []
    by_session = {one.session: one for one in recordings}
    return tuple(_one(look, book, session, by_session.get(session.id)) for session in sessions)


def _one(look: Read, book: Book, session: Session, recording: Recording | None) -> shapes.Session:
    place, who, now = book.place(session.account), book.who(session.by), look.now
    if session.ended_at is None:
        words = "is being ended" if session.wanted is State.ENDED else session.state.value
        sentence = f"{who.name}, {say.where(place)}: {words}, since {say.at(session.started_at, now)}."
    else:
        lasted = say.span(session.ended_at - session.started_at)
        sentence = (
            f"{who.name}, {say.where(place)}: ended {say.at(session.ended_at, now)} after {lasted} ({session.why})."
        )
    if recording is None:
        known = "There is NO recording of it."
    elif recording.lost:
        known = f"The recording is LOST: {recording.lost}"
    else:
        known = _RECORDING[recording.state.value]
    return shapes.Session(
        id=session.id,
        grant=session.grant,
        by=who,
        place=place,
        from_address=session.from_address,
        node=session.node,
        started_at=session.started_at,
        ended_at=session.ended_at,
        state=session.state.value,
        why=session.why,
        recording=None
        if recording is None
        else shapes.Recording(
            id=recording.id,
            state=recording.state.value,
            size=recording.size,
            chunks=recording.chunks,
            head=recording.head,
            lost=recording.lost,
        ),
        sentence=f"{sentence} {known}",
    )
