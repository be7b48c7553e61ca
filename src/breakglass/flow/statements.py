"""Statements on offer: the text that a person would sign for a decision, drawn up from what holds at this moment.

The text is kept, so that a signature alone can come back; and it is shown whole, because what is seen is what is
signed.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from breakglass.audit import brought, heads
from breakglass.errors import AlreadyApproved, BadSignature, Expired
from breakglass.identity.access import permit
from breakglass.model.people import Actor, Role
from breakglass.storage import offers
from breakglass.storage.work import Read, Work
from breakglass.trust.chain import Chain
from breakglass.trust.signature import is_for, verify
from breakglass.trust.statement import Kind, Signed, Statement

SHORT = timedelta(minutes=15)
"""For statements whose effect is at once (replay)."""
LONG = timedelta(days=1)
_ITS_COMMAND = {
    Kind.REVIEW: "review sign",
    Kind.CLOCK: "clock statement",
    Kind.ERASE: "audit erase",
    Kind.KEK: "vault rotate-kek",
    Kind.OVERRIDE: "audit override",
    Kind.NEXT_LOG: "audit next-log",
    Kind.KIT: "kit issue",
    Kind.CHECK_OUT: "custody sign",
    Kind.RETURN: "custody sign",
    Kind.INSPECTION: "custody sign",
}
"""Which command shows the text of a kind; `statement ID` the others'."""


def draw_up(
    work: Work, chain: Chain, kind: Kind, subject: str, facts: Mapping[str, str], *, until: datetime
) -> Statement:
    """A statement for the acting person and key, kept on offer until it expires."""
    size, root = heads.present(work)
    roster = chain.head
    statement = Statement(
        kind=kind,
        deployment=roster.deployment,
        subject=subject,
        person=work.actor.id,
        key=work.actor.key,
        roster_version=roster.version,
        roster_hash=roster.hash,
        log_size=size,
        log_root=root,
        nonce=secrets.token_hex(16),
        not_after=until.replace(microsecond=0),
        facts=facts,
    )
    offers.put(work, person=work.actor.id, kind=kind, subject=subject, text=statement.text(), until=until)
    return statement


def find_signed(look: Read, actor: Actor, kind: Kind, subject: str, signature: str, text: str | None) -> Signed:
    """The text that this signature is for: the one that came with it, or the one on offer that it fits."""
    if text:
        return Signed(text, signature)
    texts = offers.texts(look, person=actor.id, kind=kind, subject=subject)
    if not texts:
        command = _ITS_COMMAND.get(kind) or f"statement {subject}"
        raise Expired(
            "No statement of yours is on offer for this.",
            what_to_do=f"Get it with `breakglass {command}`, sign it, and send the signature.",
            about=subject,
        )
    for one in texts[1:]:
        if is_for(one, signature):
            return Signed(one, signature)
    return Signed(texts[0], signature)


def checked(work: Work, chain: Chain, signed: Signed, kind: Kind, subject: str) -> Statement:
    """The statement when its signature, person, roster, time and log head hold; who may do this is the step's
    question.
    """
    statement = verify(signed, chain.head, kind=kind, subject=subject, now=work.now, known=chain.hashes)
    heads.must_fit(work, statement)
    return statement


def custodians_word(
    work: Work, chain: Chain, kind: Kind, subject: str, signature: str, text: str | None
) -> tuple[Signed, Statement]:
    """A custodian's statement, whoever brings it: it counts for who signed it.

    Raises `BadSignature` for another's, `AlreadyApproved` for one that was brought before."""
    permit(work.actor, "bring")
    signed = find_signed(work, work.actor, kind, subject, signature, text)
    statement = checked(work, chain, signed, kind, subject)
    if Role.CUSTODIAN not in chain.head.people[statement.person].roles:
        raise BadSignature("Only custodians sign this.", what_to_do="Ask a custodian to sign.", about=subject)
    if brought.before(work, subject, statement):
        raise AlreadyApproved(
            "This statement was brought before.", what_to_do="To sign again, get a fresh one.", about=subject
        )
    return signed, statement
