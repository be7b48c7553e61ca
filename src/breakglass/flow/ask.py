"""Step 2 of the story: somebody asks for one account, in a named emergency, for a while."""

from datetime import timedelta

from breakglass.codec.lines import clean
from breakglass.errors import Refused, WrongState
from breakglass.identity.access import permit
from breakglass.model import credential as credentials
from breakglass.model import request as requests
from breakglass.model import review as reviews
from breakglass.model.credential import Credential
from breakglass.model.ids import RequestId
from breakglass.model.people import Role
from breakglass.model.policy import Policy
from breakglass.model.request import AccessRequest, State
from breakglass.model.review import Review
from breakglass.model.target import Account, Protocol
from breakglass.storage.work import Work
from breakglass.trust.roster import Roster


def ask(
    work: Work,
    roster: Roster,
    id: RequestId,
    *,
    target: str,
    account: str | None,
    condition: str,
    reason: str,
    access_for: timedelta,
) -> AccessRequest:
    """`target` and `account` are the short names that people type. The caller makes the id, so that asking again
    after a
    lost answer finds the same request."""
    permit(work.actor, "request")
    again = work.find(AccessRequest, id=id)
    if again and again[0].by == work.actor.id:
        return again[0]
    if again:
        raise WrongState("This id belongs to another request.", what_to_do="Leave it out, or make a new one.", about=id)
    wanted = roster.find_account(target, account)
    _has_a_door(roster, wanted)
    policy = roster.policy_of(wanted)
    asked = AccessRequest(
        id=id,
        by=work.actor.id,
        key=_key_for(work, roster),
        account=wanted.id,
        condition=roster.condition(condition).id,
        reason=clean(reason),
        access_for=access_for,
        asked_at=work.now,
        decide_by=work.now + policy.decide_for,
    )
    change = requests.ask(asked, policy)
    _no_review_owed(work, asked)
    _nothing_open(work, asked)
    _has_credential(work, asked)
    _can_be_approved(work, roster, policy, asked)
    return work.apply(change)


def _key_for(work: Work, roster: Roster) -> str:
    """With which key the access is used: the one that signed in; after a password, their first."""
    if work.actor.key:
        return work.actor.key
    keys = roster.person(work.actor.id).keys
    if not keys:
        raise Refused(
            "The estate holds no key of yours, so nothing could be opened to you.",
            what_to_do="Ask a custodian for a link with which you add a passkey.",
        )
    return keys[0].fingerprint


def _has_a_door(roster: Roster, wanted: Account) -> None:
    """Its secrets are kept and changed, but nobody would be let in with them."""
    endpoint = roster.endpoint_of(wanted)
    if endpoint.protocol is not Protocol.SSH:
        raise Refused(
            f"There is no door for sessions to {endpoint.protocol} targets yet.",
            what_to_do="Ask for an SSH account on the same host.",
            about=wanted.id,
        )


def _no_review_owed(work: Work, asked: AccessRequest) -> None:
    owed = work.find(Review, account=asked.account, state=reviews.State.OPEN)
    if owed:
        raise WrongState(
            "The last use of this account has not been reviewed.",
            what_to_do=f"An auditor signs the review {owed[0].id} first; or ask for another account.",
            about=owed[0].id,
        )


def _nothing_open(work: Work, asked: AccessRequest) -> None:
    pending = work.find(AccessRequest, account=asked.account, by=asked.by, state=State.PENDING)
    if any(work.now < other.decide_by for other in pending):
        raise WrongState(
            "You have asked for this account already.",
            what_to_do=f"Wait for {pending[0].id}, or withdraw it with `breakglass request cancel {pending[0].id}`.",
            about=pending[0].id,
        )


def _has_credential(work: Work, asked: AccessRequest) -> None:
    if not work.find(Credential, account=asked.account, state=credentials.State.CURRENT):
        raise WrongState(
            "No credential is stored for this account: nobody could get in with it.",
            what_to_do="A custodian stores it with `breakglass estate store`; or ask for another account.",
            about=asked.account,
        )


def _can_be_approved(work: Work, roster: Roster, policy: Policy, asked: AccessRequest) -> None:
    groups = roster.groups_of(work.now)
    others = [id for id, one in roster.people.items() if Role.APPROVER in one.roles and id != asked.by and id in groups]
    with_ssh = {id for id in others if roster.people[id].has_ssh_key}
    if lacking := policy.lacks(sorted(others), with_ssh, groups):
        raise Refused(
            f"Nobody could approve this: {lacking} are missing.",
            what_to_do="Custodians add approvers to the roster; meanwhile ask for an account with another policy.",
            about=asked.account,
        )
