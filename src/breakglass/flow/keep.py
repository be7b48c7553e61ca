"""Marks that the node itself puts down: how far a recording reaches, that a session is over, what a crash left
behind.
"""

import secrets

from breakglass.flow.connect import ended
from breakglass.identity.access import permit
from breakglass.model import recording as recordings
from breakglass.model import review as reviews
from breakglass.model import rotation as rotations
from breakglass.model import session as sessions
from breakglass.model.change import Fact
from breakglass.model.ids import RecordingId, SessionId
from breakglass.model.recording import Recording
from breakglass.model.review import Review
from breakglass.model.rotation import Rotation
from breakglass.model.session import Session
from breakglass.storage import outbox
from breakglass.storage.work import Read, Work


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"


def recording_reached(work: Work, id: RecordingId, chunks: int, head: str, size: int) -> None:
    permit(work.actor, "run", id)
    recording = work.get(Recording, id)
    if recording.state is recordings.State.OPEN:
        work.apply(recordings.reached(recording, chunks=chunks, head=head, size=size))


def session_over(
    work: Work,
    session: SessionId,
    recording: RecordingId,
    state: recordings.State,
    chunks: int,
    head: str,
    size: int,
    why: str,
) -> Session | None:
    """The session and its recording end in one transaction. None when it never began."""
    permit(work.actor, "run", session)
    if not work.find(Session, id=session):
        return None
    found = work.get(Recording, recording)
    if size < found.size:  # less than the log knows of is left: that must show, and never become the truth
        chunks, head, size = found.chunks, found.head, found.size
    if found.state is recordings.State.OPEN:
        work.apply(recordings.finished(found, state, chunks=chunks, head=head, size=size))
    return ended(work, session, why)


def recording_lost(work: Work, id: RecordingId, why: str) -> None:
    """Its file can't be played; told once, until it is there again."""
    permit(work.actor, "run", id)
    found = work.get(Recording, id)
    if not found.lost:
        work.apply(recordings.lost(found, why))


def recording_restored(work: Work, id: RecordingId) -> None:
    permit(work.actor, "run", id)
    found = work.get(Recording, id)
    if found.lost:
        work.apply(recordings.restored(found))


def kept_here(look: Read, node: str) -> list[tuple[Recording, bool]]:
    """Recordings of sessions that ended on this node, and for each whether its review is still owed."""
    over = {s.id: s.grant for s in look.find(Session, node=node) if s.state is sessions.State.ENDED}
    owed = {one.grant for one in look.find(Review, state=reviews.State.OPEN)}
    return [(r, over[r.session] in owed) for r in look.find(Recording) if r.session in over and r.size]


def session_alarm(work: Work, session: SessionId, account: str, code: str, why: str) -> None:
    """On the way to its target, evidence did not fit together (another host key): nothing was let through."""
    permit(work.actor, "run", session)
    work.note(Fact("session.alarm", session, {"account": account, "code": code, "why": why}))


def free_leases(work: Work) -> None:
    """At a node's start: what it was working on when it died need not wait for the lease's end. The fence moves on with
    the next claim, so that nothing of the dead one can still write."""
    permit(work.actor, "run")
    outbox.free(work)
    for state in (state for state in rotations.State if state is not rotations.State.DONE):
        for rotation in work.find(Rotation, state=state):
            if rotation.holder == work.node and rotation.leased_until is not None:
                work.apply(rotations.freed(rotation))


def left_behind(look: Read, node: str) -> list[Session]:
    """Sessions that this node had when it died."""
    return [s for s in look.find(Session, node=node) if s.state is not sessions.State.ENDED]
