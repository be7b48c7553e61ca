"""A session: one live connection under a grant. `wanted` is what people decided, `state` what its node has made true.

connecting ──▶ running ◀──▶ paused
     └────────────┴───────────┴──▶ ended
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from breakglass.errors import WrongState
from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import GrantId, RecordingId, SessionId, UserId
from breakglass.model.target import AccountId


class State(StrEnum):
    CONNECTING = "connecting"
    RUNNING = "running"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    MOVES: ClassVar[Moves] = {
        State.CONNECTING: frozenset({State.RUNNING, State.ENDED}),
        State.RUNNING: frozenset({State.PAUSED, State.ENDED}),
        State.PAUSED: frozenset({State.RUNNING, State.ENDED}),
    }
    id: SessionId
    grant: GrantId
    by: UserId
    account: AccountId
    recording: RecordingId
    node: str
    from_address: str
    started_at: datetime
    ended_at: datetime | None = None
    why: str = ""
    wanted: State = State.RUNNING
    state: State = State.CONNECTING


def begin(session: Session) -> Change[Session]:
    """Somebody connects: the row stands before the secret is released, so that no connection is without one."""
    data = {
        "grant": session.grant,
        "account": session.account,
        "recording": session.recording,
        "from": session.from_address,
    }
    return Change(session, (Fact("session.connecting", session.id, data),))


def started(session: Session) -> Change[Session]:
    """The target was reached and accepted the login."""
    if session.wanted is State.ENDED or session.state is not State.CONNECTING:
        raise WrongState("This session was ended before it began.", what_to_do="Make a new request.", about=session.id)
    return Change(
        replace(session, state=State.RUNNING), (Fact("session.started", session.id, {"grant": session.grant}),)
    )


def want_end(session: Session, *, why: str) -> Change[Session]:
    """Decide that it shall end; its node obeys. An ended session is wanted by nobody."""
    if session.wanted is State.ENDED:
        raise WrongState("This session has ended.", what_to_do="Nothing.", about=session.id)
    return Change(
        replace(session, wanted=State.ENDED, why=why), (Fact("session.end_wanted", session.id, {"why": why}),)
    )


def ended(session: Session, *, why: str, now: datetime) -> Change[Session]:
    """The node reports that nothing of it is left."""
    if session.state is State.ENDED:
        raise WrongState("This session has ended before.", what_to_do="Nothing.", about=session.id)
    value = replace(session, state=State.ENDED, wanted=State.ENDED, ended_at=now, why=session.why or why)
    return Change(value, (Fact("session.ended", session.id, {"grant": session.grant, "why": value.why}),))
