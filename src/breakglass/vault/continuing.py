"""The log has lost its end: may the vault go on with the next log? Custodians say so, and it judges their statements.

    mark 100, and the log has 83 ─▶ Tampered … ─▶ statements that name 81 and 82 ─▶ log 2 goes on from 82

From then on the log before is never signed again, every grant is over, and no entry or statement from before serves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from breakglass.codec.sshwire import strict_base64
from breakglass.errors import Forbidden, Malformed, NotEntitled, Tampered
from breakglass.model.people import Role
from breakglass.trust import next_log
from breakglass.trust.chain import Chain
from breakglass.trust.signature import verify
from breakglass.trust.statement import Kind, Signed
from breakglass.trust.tree import verify_consistency
from breakglass.vault.judge import APPROVALS_MAX
from breakglass.vault.state import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLog:
    number: int
    start: Mark
    """Its beginning: the newest head that a custodian signed."""


def judge_next_log(
    chain: Chain, statements: Sequence[Signed], proofs: Sequence[Sequence[bytes]], *, now: datetime
) -> NextLog:
    """What as many custodians as it takes say alike.

    `proofs`: from the head that each statement names, by rising size, to that of the next one (RFC 9162, 2.1.4): all
    saw one log. Raises as `trust.signature.verify`, and `Forbidden`, `NotEntitled`, `Malformed`, `Tampered`.
    """
    roster = chain.head
    subject = next_log.subject(roster.deployment)
    if not 0 < len(statements) <= APPROVALS_MAX:
        raise _no("The custodians' statements are missing.", subject)
    found = [
        verify(one, roster, kind=Kind.NEXT_LOG, subject=subject, now=now, known=chain.hashes) for one in statements
    ]
    for statement in found:
        if Role.CUSTODIAN not in roster.people[statement.person].roles:
            raise Forbidden("Only custodians go on with a new log.", what_to_do="Ask a custodian.", about=subject)
        if statement.facts != found[0].facts:
            raise _no("The custodians' statements do not say the same.", subject)
    if len({statement.person for statement in found}) < next_log.needs(roster, now):
        raise _no("Another custodian must sign the same.", subject)
    heads = sorted((one.log_size, strict_base64(one.log_root, "root")) for one in found)
    if len(proofs) != len(heads) - 1:
        raise Malformed("A proof is missing from one head to the next.", what_to_do="Send one for each two heads.")
    for (old, old_root), (new, new_root), proof in zip(heads, heads[1:], proofs, strict=False):
        verify_consistency(old, old_root, new, new_root, proof)
    size, root = heads[-1]
    if not size:
        raise Tampered("A log without its founding roster is none.", what_to_do="Restore a backup of the database.")
    number = next_log.number_of(found[0].facts["origin"], roster.origin)
    return NextLog(number=number, start=Mark(size=size, root=root.hex()))


def _no(message: str, about: str) -> NotEntitled:
    return NotEntitled(message, what_to_do="Two custodians sign the same fresh statement.", about=about)
