"""Step 3 of the story: others decide. Their word is the signed statement; the approval that completes the quorum
makes the
request approved, and the vault then opens the grant from the statements."""

from breakglass.errors import AlreadyApproved, BadSignature, Forbidden, SelfApproval
from breakglass.flow.statements import checked, draw_up, find_signed
from breakglass.identity.access import permit
from breakglass.model import request as requests
from breakglass.model.ids import ApprovalId, RequestId, UserId
from breakglass.model.people import Role
from breakglass.model.request import AccessRequest, Approval
from breakglass.storage.work import Work
from breakglass.trust import terms
from breakglass.trust.chain import Chain
from breakglass.trust.roster import Roster
from breakglass.trust.signature import may_approve, with_ssh_key
from breakglass.trust.statement import Kind, Statement


def offer(work: Work, chain: Chain, id: RequestId, kind: Kind, reason: str = "") -> Statement:
    """The text that the acting person would sign to approve or deny this request."""
    permit(work.actor, "decide", id)
    request = work.get(AccessRequest, id)
    request.must_be_open(work.now)
    _may_decide(chain.head, request, work.actor.id)
    if kind is Kind.DENY:
        facts = {"requester": request.by, "account": request.account, "reason": reason or "no reason given"}
    elif work.find(Approval, request=id, by=work.actor.id):
        raise AlreadyApproved(
            "You have approved this request before.", what_to_do="Nothing: your approval counts.", about=id
        )
    else:
        _leave_room(work, chain.head, request)
        facts = terms.draw_up(request, chain.head).facts()
    return draw_up(work, chain, kind, id, facts, until=request.decide_by)


def approve(work: Work, chain: Chain, id: RequestId, signature: str, text: str | None = None) -> AccessRequest:
    """Take an approval. It counts for the person who signed it, whoever brings it (offline approval)."""
    permit(work.actor, "bring", id)
    request = work.get(AccessRequest, id)
    request.must_be_open(work.now)
    signed = find_signed(work, work.actor, Kind.APPROVE, id, signature, text)
    statement = checked(work, chain, signed, Kind.APPROVE, id)
    roster = chain.head
    by = _may_decide(roster, request, UserId(statement.person))
    may_approve(statement, roster, work.now)
    if dict(statement.facts) != terms.draw_up(request, roster).facts():
        raise BadSignature(
            "The signed text does not fit this request any more.",
            what_to_do="Get a fresh statement, read it, and sign that one.",
            about=id,
        )
    policy = roster.policy_of(roster.account(request.account))
    new = Approval(
        id=ApprovalId(work.new_id("apr")),
        request=id,
        by=by,
        statement=signed.text,
        signature=signed.signature,
        at=work.now,
    )
    given = work.find(Approval, request=id)
    groups = roster.groups_of(work.now)
    by_ssh = {one.by for one in [*given, new] if with_ssh_key(one.signature)}
    return work.apply(requests.approve(request, given, new, policy=policy, groups=groups, by_ssh=by_ssh, now=work.now))


def deny(work: Work, chain: Chain, id: RequestId, signature: str, text: str | None = None) -> AccessRequest:
    permit(work.actor, "bring", id)
    request = work.get(AccessRequest, id)
    request.must_be_open(work.now)
    signed = find_signed(work, work.actor, Kind.DENY, id, signature, text)
    statement = checked(work, chain, signed, Kind.DENY, id)
    _may_decide(chain.head, request, UserId(statement.person))
    return work.apply(requests.deny(request, signed.text, signed.signature, now=work.now))


def cancel(work: Work, id: RequestId) -> AccessRequest:
    request = work.get(AccessRequest, id)
    permit(work.actor, "request", id)
    return work.apply(requests.cancel(request, by=work.actor.id, now=work.now))


def _leave_room(work: Work, roster: Roster, request: AccessRequest) -> None:
    """Told before anybody touches a passkey whose word would not be taken."""
    key = roster.person(work.actor.id).key(work.actor.key)
    if key is None or key.passkey is None:
        return
    given = work.find(Approval, request=request.id)
    by_ssh = {one.by for one in given if with_ssh_key(one.signature)}
    policy = roster.policy_of(roster.account(request.account))
    lacking = policy.lacks([one.by for one in given], by_ssh, roster.groups_of(work.now))
    requests.must_leave_room(policy, lacking, about=request.id)


def _may_decide(roster: Roster, request: AccessRequest, person: UserId) -> UserId:
    """Raises unless this person's word could count: so that nobody signs in vain."""
    policy = roster.policy_of(roster.account(request.account))
    found = roster.person(person)
    if person == request.by:
        raise SelfApproval(
            "This is your own request.", what_to_do=f"Others must decide: {policy.words()}.", about=request.id
        )
    if Role.APPROVER not in found.roles or not policy.counts(found.groups):
        raise Forbidden(
            f"The word of {found.name} does not count for this account.",
            what_to_do=f"It needs {policy.words()}.",
            about=request.id,
        )
    return found.id
