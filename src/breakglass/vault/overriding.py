"""May releases go on without the witnesses for a while? Custodians say so, and the vault judges their statements."""

from collections.abc import Sequence
from datetime import datetime

from breakglass.codec import instant
from breakglass.errors import Expired, Forbidden, NotEntitled
from breakglass.model.people import Role
from breakglass.trust import override
from breakglass.trust.chain import Chain
from breakglass.trust.signature import verify
from breakglass.trust.statement import Kind, Signed
from breakglass.vault.judge import APPROVALS_MAX, LogView, must_know_the_log


def judge_override(chain: Chain, statements: Sequence[Signed], *, now: datetime, log: LogView) -> datetime:
    """Until when, by the word of as many custodians as it takes, who all say the same.

    Raises as `trust.signature.verify`, and `Forbidden`, `NotEntitled`, `Expired`."""
    roster = chain.head
    subject = override.subject(roster.deployment)
    if not 0 < len(statements) <= APPROVALS_MAX:
        raise _no("The custodians' statements are missing.", subject)
    found = [
        verify(one, roster, kind=Kind.OVERRIDE, subject=subject, now=now, known=chain.hashes) for one in statements
    ]
    for statement in found:
        must_know_the_log(statement, log)
        if Role.CUSTODIAN not in roster.people[statement.person].roles:
            raise Forbidden(
                "Only custodians let releases go on without witnesses.", what_to_do="Ask a custodian.", about=subject
            )
        if statement.facts != found[0].facts:
            raise _no("The custodians' statements do not say the same.", subject)
    until = instant.read(found[0].facts["until"])
    if until > now + override.LONGEST:
        raise _no("Nobody lets releases go on without witnesses for over 24 hours.", subject)
    if until <= now:
        raise Expired("That time is over.", what_to_do="Sign fresh statements.", about=subject)
    if len({statement.person for statement in found}) < override.needs(roster, now):
        raise _no("Another custodian must sign the same.", subject)
    return until


def _no(message: str, about: str) -> NotEntitled:
    return NotEntitled(message, what_to_do="Two custodians sign the same fresh statement.", about=about)
