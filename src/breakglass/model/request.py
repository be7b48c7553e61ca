"""An access request: one person asks for one account, for a while, for a reason.

pending ─┬─ quorum met ──▶ approved   (the vault then opens a Grant)
         ├─ any denial ──▶ denied
         ├─ withdrawn ───▶ cancelled
         └─ deadline ────▶ expired
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from breakglass.errors import AlreadyApproved, Forbidden, Malformed, NeedsSshSignature, SelfApproval, WrongState
from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import ApprovalId, RequestId, UserId
from breakglass.model.policy import Lacking, Policy
from breakglass.model.target import AccountId

REASON_MAX = 500
SHORTEST = timedelta(minutes=1)


class State(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    MOVES: ClassVar[Moves] = {
        State.PENDING: frozenset({State.APPROVED, State.DENIED, State.CANCELLED, State.EXPIRED}),
    }
    id: RequestId
    by: UserId
    key: str
    """Fingerprint of the requester's key: only it can use the grant."""
    account: AccountId
    condition: str
    reason: str
    access_for: timedelta
    asked_at: datetime
    decide_by: datetime
    state: State = State.PENDING

    def must_be_open(self, now: datetime) -> None:
        """Raises `WrongState` unless the request still waits for decisions at `now`."""
        if self.state is not State.PENDING:
            raise WrongState(
                f"This request is {self.state}.", what_to_do="Look at it with `breakglass status`.", about=self.id
            )
        if now >= self.decide_by:
            raise WrongState(
                "This request waited too long and has expired.", what_to_do="Make a new request.", about=self.id
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's signed word for one request. The database only keeps it; the vault believes the signature."""

    id: ApprovalId
    request: RequestId
    by: UserId
    statement: str
    signature: str
    at: datetime


def plain(text: str) -> str:
    """One line with single spaces: what a person typed, in the form that a statement can carry."""
    return " ".join(text.split())


def ask(request: AccessRequest, policy: Policy) -> Change[AccessRequest]:
    """Put the question. The log keeps the whole of it, so that approvals can be read against it later.

    Raises `Malformed` for an empty or over-long reason, or a duration outside the policy.
    """
    if not request.reason:
        raise Malformed("A reason is missing.", what_to_do="Say in one sentence what happened.")
    if len(request.reason) > REASON_MAX:
        raise Malformed(
            f"The reason has {len(request.reason)} characters.", what_to_do=f"Say it in {REASON_MAX} or fewer."
        )
    if not SHORTEST <= request.access_for <= policy.max_for:
        longest = int(policy.max_for.total_seconds() // 60)
        raise Malformed("Access for that long is not allowed.", what_to_do=f"Ask for 1 to {longest} minutes.")
    facts = Fact(
        "request.made",
        request.id,
        {
            "account": request.account,
            "condition": request.condition,
            "reason": request.reason,
            "seconds": int(request.access_for.total_seconds()),
            "key": request.key,
            "decide_by": request.decide_by.isoformat(),
        },
    )
    return Change(request, (facts,))


def approve(
    request: AccessRequest,
    given: Sequence[Approval],
    new: Approval,
    *,
    policy: Policy,
    groups: Mapping[str, Iterable[str]],
    by_ssh: Collection[str],
    now: datetime,
) -> Change[AccessRequest]:
    """Add one approval; when the quorum is met the request becomes approved. `groups` are those of everybody concerned,
    `by_ssh` the people whose approval (the new one too) an SSH key signed.

    Raises `WrongState` once decided or late, `SelfApproval` for the requester, `AlreadyApproved` the second time,
    `Forbidden` for somebody whose groups the policy does not name, `NeedsSshSignature` for a passkey's word where only
    places for SSH signatures are open.
    """
    request.must_be_open(now)
    if new.by == request.by:
        raise SelfApproval(
            "This is your own request.",
            what_to_do=f"Others must approve it: {policy.words()}.",
            about=request.id,
        )
    if any(new.by == other.by for other in given):
        raise AlreadyApproved(
            "You have approved this request before.", what_to_do="Nothing: your approval counts.", about=request.id
        )
    if not policy.counts(groups.get(new.by, ())):
        raise Forbidden(
            "Your word does not count for this account.",
            what_to_do=f"It needs {policy.words()}.",
            about=request.id,
        )
    said = Fact(
        "request.approval",
        request.id,
        {"approval": new.id, "statement": new.statement, "signature": new.signature},
    )
    before = [other.by for other in given]
    if new.by not in by_ssh:
        must_leave_room(policy, policy.lacks(before, by_ssh, groups), about=request.id)
    if policy.lacks([*before, new.by], by_ssh, groups):
        return Change(request, (said,), also=(new,))
    return Change(replace(request, state=State.APPROVED), (said, Fact("request.approved", request.id)), also=(new,))


def must_leave_room(policy: Policy, lacking: Lacking, *, about: str) -> None:
    """Raises `NeedsSshSignature` when a passkey's word would take a place that the policy keeps for an SSH
    signature: that person can still sign with an SSH key, and nobody's word is spent in vain."""
    if lacking.only_ssh_is_left:
        raise NeedsSshSignature(
            f"This account asks for {policy.words()}; what is still missing must be signed with an SSH key.",
            what_to_do=f"`ssh gate statement {about} > file`, read it, `ssh-keygen -Y sign -n breakglass -f KEY file`, "
            f"`ssh gate approve {about} < file.sig`.",
            about=about,
        )


def deny(request: AccessRequest, statement: str, signature: str, *, now: datetime) -> Change[AccessRequest]:
    """One denial by somebody who could have approved ends the request."""
    request.must_be_open(now)
    fact = Fact("request.denied", request.id, {"statement": statement, "signature": signature})
    return Change(replace(request, state=State.DENIED), (fact,))


def cancel(request: AccessRequest, *, by: UserId, now: datetime) -> Change[AccessRequest]:
    request.must_be_open(now)
    if by != request.by:
        raise Forbidden("Only the requester withdraws a request.", what_to_do="Deny it instead.", about=request.id)
    return Change(replace(request, state=State.CANCELLED), (Fact("request.cancelled", request.id),))


def undo(request: AccessRequest, *, why: str) -> Change[AccessRequest]:
    """It was asked for at an instant that never was: its deadline means nothing."""
    fact = Fact("request.expired", request.id, {"why": why})
    return Change(replace(request, state=State.EXPIRED), (fact,))


def expire(request: AccessRequest, *, now: datetime) -> Change[AccessRequest]:
    """What the sweeper does at the deadline; until then `must_be_open` has refused every use already."""
    if request.state is not State.PENDING or now < request.decide_by:
        raise WrongState("This request has not expired.", what_to_do="Nothing.", about=request.id)
    return Change(replace(request, state=State.EXPIRED), (Fact("request.expired", request.id),))
