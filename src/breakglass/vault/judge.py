"""The judge: may this be granted, released, replayed? Pure: signatures, roster and the log's roots in, a verdict out.

    grant      a quorum of approvals that all say the same, and just what the roster says now
    session    the grant's terms are still the roster's; the person and key still stand in it
    replay     auditors who had no part in it
    clock      two custodians

It believes statements, never tables: what the node says is proven by a signature or compared with the roster.
Every refusal is a `Refused` with the reason in words; `Tampered` when a statement names a log that never was.
"""

from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from breakglass.codec import instant
from breakglass.errors import BreakglassError, Expired, Forbidden, Malformed, NotEntitled, SelfApproval, Tampered
from breakglass.model.ids import GrantId, RequestId, UserId
from breakglass.model.people import Role
from breakglass.model.target import Account, Endpoint
from breakglass.trust import clock, kek
from breakglass.trust.chain import Chain
from breakglass.trust.grant import Token
from breakglass.trust.roster import Roster
from breakglass.trust.signature import check_signature, may_approve, verify, with_ssh_key
from breakglass.trust.statement import Kind, Signed, Statement, parse
from breakglass.trust.terms import terms

APPROVALS_MAX = 64
AUDITORS = {"screen": 1, "keys": 2}
"""Streams of a recording, and how many auditors open each."""
_AGAIN = "Make a new request: the old approvals were for something else."


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """What the vault knows of the log: entries, and the root of a head that it remembers."""

    size: int
    root_at: Callable[[int], bytes | None]
    since: int = 0
    """Where this log began to go on from the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A grant that may be given: its token's content, who approved, and the terms word for word."""

    token: Token
    approvers: tuple[UserId, ...]
    terms: Mapping[str, str]


def judge_grant(
    chain: Chain, approvals: Sequence[Signed], *, request: RequestId, grant: GrantId, now: datetime, log: LogView
) -> Verdict:
    """The grant that these approvals entitle to, at `now`.

    Raises `BadSignature`, `Expired`, `Malformed` (a statement), `SelfApproval`, `Tampered`, `NotEntitled` (the rest).
    """
    if not 0 < len(approvals) <= APPROVALS_MAX:
        raise _no("There are no approvals, or too many.", request)
    roster = chain.head
    statements = [
        verify(signed, roster, kind=Kind.APPROVE, subject=request, now=now, known=chain.hashes) for signed in approvals
    ]
    for statement in statements:
        may_approve(statement, roster, now)
        must_know_the_log(statement, log)
    facts = statements[0].facts
    if any(statement.facts != facts for statement in statements):
        raise _no("The approvals are not all for the same terms.", request)
    account = _terms_of_now(roster, facts, about=request)
    approvers = _approvers(statements, roster, requester=facts["requester"], request=request)
    policy = roster.policy_of(account)
    duration = instant.read_span(facts["duration"])
    if duration > policy.max_for:
        raise _no(f"The policy {policy.id} does not give access for that long.", request)
    _must_be_requester(roster, facts["requester"], facts["requester-key"], now, about=request)
    by_ssh = {who for who, signed in zip(approvers, approvals, strict=True) if with_ssh_key(signed.signature)}
    if lacking := policy.lacks(approvers, by_ssh, _groups(roster, now)):
        raise _no(f"Approvals are missing: {lacking}.", request, "Ask them to approve it.")
    opened_at = now.astimezone(UTC).replace(microsecond=0)
    token = Token(
        deployment=roster.deployment,
        grant=grant,
        request=request,
        person=UserId(facts["requester"]),
        key=facts["requester-key"],
        account=account.id,
        username=account.username,
        endpoint=roster.endpoint_of(account),
        permissions=facts["permissions"],
        recording=facts["recording"],
        roster=f"{roster.version} {roster.hash}",
        opened_at=opened_at,
        not_after=opened_at + duration,
    )
    return Verdict(token=token, approvers=tuple(approvers), terms=facts)


def judge_session(
    roster: Roster, token: Token, agreed: Mapping[str, str], *, endpoint: Endpoint, now: datetime
) -> Account:
    """The account whose secret may go to `endpoint` under this grant, which the vault has found to be its own and live.

    `agreed` are the terms that were approved. Raises `Expired`, `NotEntitled`.
    """
    if now >= token.not_after:
        raise Expired("This grant's time is over.", what_to_do="Make a new request.", about=token.grant)
    account = _terms_of_now(roster, agreed, about=token.grant)
    if account.id != token.account or endpoint != token.endpoint or endpoint != roster.endpoint_of(account):
        raise _no("The secret was asked for another place than the one that was approved.", token.grant, _AGAIN)
    _must_be_requester(roster, token.person, token.key, now, about=token.grant)
    return account


def judge_place(roster: Roster, account: str, endpoint: Endpoint) -> Account:
    """The account, when the roster of now names this endpoint for it. Raises `NotEntitled`."""
    found = roster.accounts.get(account)
    if found is None or roster.endpoint_of(found) != endpoint:
        raise _no(
            "The roster does not name this place for the account.",
            account[:60],
            "Load the newest roster and take the endpoint from it.",
        )
    return found


def judge_help(roster: Roster, account: str, endpoint: Endpoint) -> Account:
    """The account that the roster of now names as this one's helper, on the same endpoint. Raises `NotEntitled`."""
    found = judge_place(roster, account, endpoint)
    helper = roster.accounts.get(found.helper or "")
    if helper is None or roster.endpoint_of(helper) != endpoint:
        raise _no("The roster names no account there that helps this one.", account[:60], "Load the newest roster.")
    return helper


def judge_replay(
    chain: Chain,
    statements: Sequence[Signed],
    *,
    session: str,
    stream: str,
    people: Collection[str],
    now: datetime,
    log: LogView,
) -> tuple[Statement, ...]:
    """The auditors' statements that open this stream. `people` had a part in it: requester and approvers."""
    needed = AUDITORS.get(stream)
    if needed is None:
        raise Malformed(f"A recording has no stream {stream[:20]!r}.", what_to_do="Ask for `screen` or `keys`.")
    if not 0 < len(statements) <= APPROVALS_MAX:
        raise _no("An auditor's statement is missing.", session, "Sign the replay statement first.")
    roster = chain.head
    found = tuple(
        verify(one, roster, kind=Kind.REPLAY, subject=session, now=now, known=chain.hashes) for one in statements
    )
    for statement in found:
        must_know_the_log(statement, log)
        if statement.facts["session"] != session or statement.facts["stream"] != stream:
            raise _no("The statement is for another session or stream.", session, "Sign the statement for this one.")
        if Role.AUDITOR not in roster.people[statement.person].roles:
            raise Forbidden("Only an auditor replays recordings.", what_to_do="Ask an auditor.", about=session)
        if statement.person in people:
            raise NotEntitled(
                "Who asked for or approved this access does not replay its recording.",
                what_to_do="Ask another auditor.",
                about=session,
            )
    if len({statement.person for statement in found}) < needed:
        raise _no(
            f"{needed} different auditors must sign for this stream.", session, "Ask another auditor to sign too."
        )
    return found


def judge_clock(
    chain: Chain, statements: Sequence[Signed], *, wall: datetime, seen: int, log: LogView
) -> tuple[tuple[Statement, ...], datetime]:
    """The present instant, on the word of custodians who saw a log of at least `seen` entries; and their statements.

    `wall` is what the clock says: people confirm it, they do not replace it.
    """
    if not 0 < len(statements) <= APPROVALS_MAX:
        raise _no("The custodians' statements are missing.", "", "Two custodians sign the time.")
    roster = chain.head
    subject = clock.subject(roster.deployment)
    found = tuple(
        verify(one, roster, kind=Kind.CLOCK, subject=subject, now=wall, known=chain.hashes) for one in statements
    )
    for statement in found:
        must_know_the_log(statement, log)
        if statement.log_size < seen:
            raise _no("The statement is from before the clock went back.", subject, "Sign a fresh one.")
        if Role.CUSTODIAN not in roster.people[statement.person].roles:
            raise Forbidden("Only custodians confirm the time.", what_to_do="Ask a custodian.", about=subject)
        if abs(instant.read(statement.facts["now"]) - wall) > clock.APART:
            raise _no(
                f"The clock says {instant.write(wall)}, the statement {statement.facts['now']}.",
                subject,
                "Set the vault's clock right first, then sign a fresh statement.",
            )
    if len({statement.person for statement in found}) < clock.needs(roster, wall):
        raise _no(f"{clock.CUSTODIANS} different custodians must sign.", subject, "Ask another custodian to sign too.")
    return found, wall


def judge_kek(chain: Chain, signed: Signed, *, now: datetime, held: int, log: LogView) -> int:
    """The number of the key-encryption key that a custodian asks for: the next one, or one that is `held` already.

    One custodian is enough: a new key opens nothing and shows nothing.
    """
    roster = chain.head
    subject = kek.subject(roster.deployment)
    statement = verify(signed, roster, kind=Kind.KEK, subject=subject, now=now, known=chain.hashes)
    must_know_the_log(statement, log)
    if Role.CUSTODIAN not in roster.people[statement.person].roles:
        raise Forbidden("Only custodians rotate the vault's keys.", what_to_do="Ask a custodian.", about=subject)
    wanted = statement.facts["next"]
    if wanted not in (str(number) for number in range(1, held + 2)):
        raise _no(f"The next key is {held + 1}, the statement says {wanted}.", subject, "Sign a fresh statement.")
    return int(wanted)


def judge_given(chain: Chain, token: Token, approvals: Sequence[Signed]) -> Verdict:
    """What a token of this deployment was given for, as its approvals say it. Whoever signed the token has judged them
    at that moment; here they only have to be the ones that it was given for.

    Raises `NotEntitled`."""
    people = judge_past(chain, token, approvals)
    facts = [parse(signed.text).facts for signed in approvals[:APPROVALS_MAX]]
    said = {
        "requester": token.person,
        "requester-key": token.key,
        "account": token.account,
        "permissions": token.permissions,
        "recording": token.recording,
        "duration": instant.write_span(token.not_after - token.opened_at),
    }
    if any(one != facts[0] for one in facts) or any(facts[0].get(name) != value for name, value in said.items()):
        raise _no("The approvals are not those of this grant.", token.grant)
    return Verdict(token=token, approvers=tuple(UserId(one) for one in sorted(people - {token.person})), terms=facts[0])


def judge_past(chain: Chain, token: Token, approvals: Sequence[Signed]) -> frozenset[str]:
    """The people of a grant that the vault has forgotten: from its own token, and from the approvals that carried it.

    The approvals must be a full quorum under the roster that the token names, so that none of those who were needed is
    left out. Raises `NotEntitled`.
    """
    version, _, hash = token.roster.partition(" ")
    if not version.isdigit() or chain.hashes.get(int(version)) != hash:
        raise _no("The grant names a roster that is not of this deployment.", token.grant)
    then, people, by_ssh = chain.at(int(version)), set[UserId](), set[UserId]()
    try:
        for signed in approvals[:APPROVALS_MAX]:
            statement = check_signature(signed, then)
            about = (statement.kind, statement.subject, statement.deployment)
            if about != (Kind.APPROVE, token.request, token.deployment) or (
                (statement.facts["requester"], statement.facts["account"]) != (token.person, token.account)
            ):
                raise _no("An approval is not one of this grant's.", token.grant)
            people.add(UserId(statement.person))
            if with_ssh_key(signed.signature):
                by_ssh.add(UserId(statement.person))
        policy = then.policy_of(then.account(token.account))
        lacking = policy.lacks(sorted(people), by_ssh, _groups(then, token.opened_at))
    except BreakglassError as error:
        raise _no(f"The grant's approvals do not fit: {error.message}", token.grant) from None
    if lacking:
        raise _no("The grant's approvals are not complete.", token.grant, "Bring all approvals of the request.")
    return frozenset({token.person, *people})


def _terms_of_now(roster: Roster, agreed: Mapping[str, str], *, about: str) -> Account:
    """The account, when the roster would draw up the very same terms. Names the first line that differs."""
    try:
        drawn = terms(
            roster,
            requester=UserId(agreed["requester"]),
            key=agreed["requester-key"],
            account=agreed["account"],
            condition=agreed["condition"],
            reason=agreed["reason"],
            duration=instant.read_span(agreed["duration"]),
        )
    except BreakglassError as error:
        raise _no(f"The roster has changed since: {error.message}", about, _AGAIN) from None
    facts = drawn.facts()
    differing = [name for name in agreed if facts.get(name) != agreed[name]]
    if differing or facts.keys() != agreed.keys():
        raise _no(f"What was approved is not what the roster says now: {', '.join(differing)}.", about, _AGAIN)
    return roster.account(drawn.account)


def _approvers(statements: Iterable[Statement], roster: Roster, *, requester: str, request: str) -> list[UserId]:
    approvers: list[UserId] = []
    for statement in statements:
        person = roster.people[statement.person]
        if person.id == requester:
            raise SelfApproval("The requester can't approve.", what_to_do="Others must approve it.", about=request)
        if Role.APPROVER not in person.roles:
            raise _no(f"{person.name} is not an approver.", request, "Ask somebody who is.")
        if person.id in approvers:
            raise _no(f"{person.name} has approved twice.", request, "Another person must approve.")
        approvers.append(person.id)
    return approvers


def _must_be_requester(roster: Roster, id: str, key: str, now: datetime, *, about: str) -> None:
    person = roster.people.get(id)
    if person is None or not person.active(now) or Role.REQUESTER not in person.roles or person.key(key) is None:
        raise _no(
            "The roster does not give this person and key the right to ask for access, or not any more.",
            about,
            "Ask a custodian to look at the roster.",
        )


def must_know_the_log(statement: Statement, log: LogView) -> None:
    if statement.log_size > log.size:
        raise _no(
            "The statement names a log head that does not exist yet.", statement.subject, "Get a fresh statement."
        )
    if statement.log_size < log.since:
        raise _no("The statement is from the log before this one.", statement.subject, "Get a fresh statement.")
    root = log.root_at(statement.log_size)
    if root is not None and b64encode(root).decode() != statement.log_root:
        raise Tampered(
            f"{statement.person} was shown another log than the vault's, at {statement.log_size} entries.",
            what_to_do="Stop. Somebody shows people a false log: call the custodians and the auditors.",
            about=statement.subject,
        )


def _groups(roster: Roster, now: datetime) -> dict[UserId, frozenset[str]]:
    return {UserId(id): groups for id, groups in roster.groups_of(now).items()}


def _no(message: str, about: str, what_to_do: str = "Try once more; if it stays so, call the auditors.") -> NotEntitled:
    return NotEntitled(message, what_to_do=what_to_do, about=about)
