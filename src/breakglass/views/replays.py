"""A session's recording for whoever replays it: the log's entries beside it, and what was checked of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from breakglass.audit import evidence
from breakglass.errors import NotFound
from breakglass.model.grant import Grant
from breakglass.model.session import Session
from breakglass.storage.outbox import told
from breakglass.storage.work import Read
from breakglass.views import log, sessions, shapes
from breakglass.views.book import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry of the log, and how many seconds into the recording it happened."""

    event: shapes.Event
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPage:
    session: shapes.Session
    request: str
    rows: tuple[Row, ...]
    entry: int | None
    """Index of the log's last word about this recording; None when the log has none."""
    as_logged: bool
    """The head that the recording was checked against is the one in that entry, not only in a table."""
    whole: bool
    """Its signed end is there: nothing was cut."""


def page(look: Read, book: Book, id: str) -> ReplayPage:
    """Raises `NotFound`."""
    session = look.get(Session, id)
    [shown] = sessions.shown(look, book, [session])
    if shown.recording is None:
        raise NotFound("There is no recording of this session.", what_to_do="Tell the custodians.", about=id)
    grant = look.get(Grant, session.grant)
    about = [grant.request, grant.id, session.id]
    end = session.ended_at
    rows = tuple(
        Row(event=one, second=int((one.at - session.started_at).total_seconds()))
        for one in log.timeline(look, book, about)
        if one.at >= session.started_at and (end is None or one.at <= end)
    )
    entry = _last_word(look, shown.recording.id)
    logged = told(look, entry).data if entry is not None else {}
    return ReplayPage(
        session=shown,
        request=grant.request,
        rows=rows,
        entry=entry,
        as_logged=(logged.get("head"), logged.get("chunks"), logged.get("size"))
        == (shown.recording.head, shown.recording.chunks, shown.recording.size),
        whole=shown.recording.state == "complete",
    )


def _last_word(look: Read, recording: str) -> int | None:
    kinds: Sequence[str] = ("recording.complete", "recording.truncated", "recording.head")
    found = [evidence.entry_of(look, kind, recording) for kind in kinds]
    return next((one for one in found if one is not None), None)
