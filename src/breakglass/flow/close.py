"""Step 5 of the story: the grant ends, by its person, the clock or a kill. Sessions are cut, the password is owed a
change,
the review opens: all in the transaction of the end itself, so that none of it can be forgotten."""

from breakglass.errors import Forbidden
from breakglass.flow.rotate import owe_after
from breakglass.identity.access import permit
from breakglass.model import grant as grants
from breakglass.model import review as reviews
from breakglass.model import session as sessions
from breakglass.model.grant import Grant, State
from breakglass.model.ids import GrantId, ReviewId, SessionId
from breakglass.model.people import Role
from breakglass.model.review import Review
from breakglass.model.rotation import Because
from breakglass.model.session import Session
from breakglass.storage.work import Work


def close(work: Work, id: GrantId, why: str = "closed by its person") -> Grant:
    """The person is done."""
    grant = work.get(Grant, id)
    permit(work.actor, "close", id)
    if grant.to != work.actor.id and not {Role.SYSTEM, Role.CUSTODIAN, Role.AUDITOR, Role.APPROVER} & work.actor.roles:
        raise Forbidden("This is another person's grant.", what_to_do="Ask them, or an approver.", about=id)
    return end(work, grant, State.CLOSED, why)


def kill(work: Work, id: SessionId, why: str) -> Session:
    """Cut a session and revoke its grant: reconnecting is barred."""
    permit(work.actor, "kill", id)
    session = work.get(Session, id)
    grant = work.get(Grant, session.grant)
    if grant.state is State.ACTIVE:
        end(work, grant, State.REVOKED, why)
    elif session.wanted is not sessions.State.ENDED:
        work.apply(sessions.want_end(session, why=why))
    return work.get(Session, id)


def kill_all(work: Work, why: str) -> tuple[Session, ...]:
    """Cut every session that is not over yet, on all nodes, and revoke their grants: all of them, or none."""
    permit(work.actor, "kill")
    over = sessions.State.ENDED
    live = [one for state in sessions.State if state is not over for one in work.find(Session, state=state)]
    return tuple(kill(work, SessionId(one.id), why) for one in live)


def expire(work: Work, grant: Grant) -> Grant:
    return end(work, grant, State.EXPIRED, "its time is over")


def end(work: Work, grant: Grant, state: State, why: str) -> Grant:
    ended = work.apply(grants.end(grant, state, why=why, now=work.now))
    used = work.find(Session, grant=grant.id)
    for session in used:
        if session.wanted is not sessions.State.ENDED and session.state is not sessions.State.ENDED:
            work.apply(sessions.want_end(session, why=why))
    if used:
        owe_after(work, grant.account, Because.CLOSE, grant.id)
    review = Review(
        id=ReviewId(work.new_id("rev")),
        grant=grant.id,
        request=grant.request,
        account=grant.account,
        opened_at=work.now,
        due_at=work.now + reviews.DUE_AFTER,
    )
    work.apply(reviews.open_for(review))
    return ended
