"""Step 4 of the story: a session begins, runs, and ends. The release is in the log before the vault is asked for the
secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from breakglass.errors import Refused, Unavailable
from breakglass.flow.rotate import owe_after
from breakglass.identity.access import permit
from breakglass.model import credential as credentials
from breakglass.model import grant as grants
from breakglass.model import recording as recordings
from breakglass.model import session as sessions
from breakglass.model.change import Fact
from breakglass.model.credential import Credential
from breakglass.model.grant import Grant
from breakglass.model.ids import RecordingId, SessionId, UserId
from breakglass.model.recording import Recording
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.session import Session
from breakglass.model.target import Account, AccountId, RotateAt
from breakglass.storage.work import Read, Work

AT_ONCE = 32
"""Live sessions under one grant: some tools open several connections, nobody opens hundreds."""
BUSY_WAITS = timedelta(seconds=20)


class Busy(Unavailable):
    """The account's password is being changed at this moment."""

    code = "rotation_running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    session: Session
    grant: Grant
    credential: Credential


def begin(
    work: Work, account: Account, *, session: SessionId, recording: RecordingId, node: str, from_address: str
) -> Begun:
    """Put down the session and its release. Raises what keeps the door shut, with what to do about it."""
    permit(work.actor, "connect", account.id)
    grant = _live_grant(work, account)
    if grant.key != work.actor.key:
        raise Refused(
            "This grant was given to another of your keys.",
            what_to_do=f"Connect with the key {grant.key}, or make a new request with this one.",
            about=grant.id,
        )
    running = [s for s in work.find(Session, grant=grant.id) if s.state is not sessions.State.ENDED]
    if len(running) >= AT_ONCE:
        raise Refused("Too many connections are open.", what_to_do="Close some of them first.", about=grant.id)
    credential = usable(work, account.id)
    new = Session(
        id=session,
        grant=grant.id,
        by=work.actor.id,
        account=account.id,
        recording=recording,
        node=node,
        from_address=from_address,
        started_at=work.now,
    )
    value = work.apply(sessions.begin(new))
    work.apply(recordings.reached(Recording(id=recording, session=session), chunks=0, head="", size=0))
    release = {"purpose": "session", "account": account.id, "grant": grant.id, "credential": credential.id}
    work.note(Fact("secret.release", session, release))
    return Begun(session=value, grant=grant, credential=credential)


def still_allowed(look: Read, session: SessionId, grant: str) -> None:
    """The last look before the secret is used: a kill may have come while the log was being written."""
    look.get(Grant, grant).must_be_live(look.now)
    if look.get(Session, session).wanted is sessions.State.ENDED:
        raise Refused("This session was ended.", what_to_do="Make a new request.", about=session)


def started(work: Work, account: Account, id: SessionId) -> Session:
    """The target accepted the login; from here on the password is used up, where the policy says so."""
    permit(work.actor, "run", id)
    session = work.apply(sessions.started(work.get(Session, id)))
    work.get(Grant, session.grant).must_be_live(work.now)
    if account.rotate_at is RotateAt.LOGIN:
        owe_after(work, account.id, Because.LOGIN, session.grant)
    return session


def ended(work: Work, id: SessionId, why: str) -> Session:
    permit(work.actor, "run", id)
    session = work.get(Session, id)
    if session.state is sessions.State.ENDED:
        return session
    return work.apply(sessions.ended(session, why=why, now=work.now))


def want_end(work: Work, id: SessionId, why: str) -> Session:
    permit(work.actor, "close", id)
    return work.apply(sessions.want_end(work.get(Session, id), why=why))


def has_live_grant(look: Read, person: UserId, account: AccountId) -> bool:
    return bool(_live(look, look.find(Grant, account=account, to=person)))


def _live(look: Read, found: Sequence[Grant]) -> list[Grant]:
    return [g for g in found if g.state is grants.State.ACTIVE and look.now < g.ends_at]


def _live_grant(work: Work, account: Account) -> Grant:
    mine = work.find(Grant, account=account.id, to=work.actor.id)
    if live := _live(work, mine):
        return max(live, key=lambda g: g.ends_at)
    if mine:
        max(mine, key=lambda g: g.ends_at).must_be_live(work.now)
    raise Refused(
        f"You have no live grant for {account.username} ({account.id}).",
        what_to_do="Ask for access first: `breakglass request`, or `ssh gate request`.",
        about=account.id,
    )


def usable(work: Work, account: AccountId) -> Credential:
    """The current credential, unless a rotation may have touched the target: then no stored secret is sure to work."""
    if any(r.touched for r in work.find(Rotation, account=account) if r.state is not State.DONE):
        raise Busy(
            "The password of this account is being changed.",
            what_to_do="Try again in a moment. If it lasts: `breakglass rotate list` says why.",
            about=account,
        )
    found = work.find(Credential, account=account, state=credentials.State.CURRENT)
    if not found:
        raise Refused(
            "No credential is stored for this account.",
            what_to_do="A custodian stores it with `breakglass estate store`.",
            about=account,
        )
    return found[0]
