"""The estate changes: somebody proposes the next version of the roster, people sign it, and it holds once enough
did.
"""

from datetime import datetime

from breakglass.errors import AlreadyApproved, BadSignature, Expired, Malformed, NotEntitled
from breakglass.flow.statements import LONG, SHORT, checked, draw_up, find_signed
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage import rosters
from breakglass.storage.work import Work
from breakglass.trust import chain as chains
from breakglass.trust.chain import Chain, Version
from breakglass.trust.difference import difference
from breakglass.trust.posture import must_be_usable
from breakglass.trust.roster import Roster, parse
from breakglass.trust.statement import Kind, Statement
from breakglass.trust.statement import parse as parse_statement


def found(work: Work, roster: Roster, version: Version) -> None:
    """The founding roster becomes entry 0 of the log. The caller verified it against the pin (trust.chain.found)."""
    permit(work.actor, "run")
    rosters.put_version(work, roster, version)
    work.note(_adopted(roster, version))


def propose(work: Work, chain: Chain, id: str, document: bytes) -> Roster:
    """Put a proposal down. Raises `Malformed` for a document that could not follow, or that locks everybody out."""
    permit(work.actor, "propose", id)
    before, after = chain.head, parse(document)
    if after.version != before.version + 1 or after.previous != before.hash or after.deployment != before.deployment:
        raise Malformed(
            f"This document does not follow version {before.version} of the roster.",
            what_to_do="Start from the present estate: `breakglass estate show`.",
            about=id,
        )
    if not before.issued_at <= after.issued_at or not _present(after, work.now):
        raise Malformed("The document's issued_at is not the present.", what_to_do="Propose it again.", about=id)
    must_be_usable(after, work.now)
    rosters.put_proposal(work, id, after.version, document)
    work.note(
        Fact(
            "roster.proposed", id, {"version": after.version, "hash": after.hash, "changes": difference(before, after)}
        )
    )
    return after


def offer(work: Work, chain: Chain, id: str) -> Statement:
    """The text by which the acting person would sign this proposal."""
    after = parse(rosters.proposal(work, id).document)
    facts = {"next": chains.next_line(after), "changes": difference(chain.head, after)}
    return draw_up(work, chain, Kind.ROSTER, chains.subject(after), facts, until=work.now + LONG)


def sign(work: Work, chain: Chain, id: str, signature: str, text: str | None = None) -> Version | None:
    """Add one signature; the one that completes what the version before asks for adopts the proposal.

    Returns the adopted version, which the caller adds to its chain, or None while signatures are missing."""
    permit(work.actor, "bring", id)
    proposed = rosters.proposal(work, id)
    after = parse(proposed.document)
    subject = chains.subject(after)
    signed = find_signed(work, work.actor, Kind.ROSTER, subject, signature, text)
    statement = checked(work, chain, signed, Kind.ROSTER, subject)
    if not _present(after, work.now):
        raise Expired("This proposal waited too long for its signatures.", what_to_do="Propose it again.", about=id)
    if statement.facts["next"] != chains.next_line(after):
        raise BadSignature("This signature is for another proposal.", what_to_do="Sign this one's statement.", about=id)
    if any(parse_statement(other.text).person == statement.person for other in proposed.statements):
        raise AlreadyApproved("You have signed this proposal.", what_to_do="Nothing: it counts.", about=id)
    rosters.put_signature(work, id, statement.person, signed)
    work.note(Fact("roster.signed", id, {"statement": signed.text, "signature": signed.signature}))
    version = Version(proposed.document, (*proposed.statements, signed))
    try:
        chains.step(chain, version)
    except NotEntitled:
        return None
    rosters.put_version(work, after, version)
    rosters.settle_proposals(work, id)
    work.note(_adopted(after, version))
    return version


def _present(after: Roster, now: datetime) -> bool:
    """A new key's 72 hours count from `issued_at`: an old instant there would have them over before anybody signed."""
    return now - LONG <= after.issued_at <= now + SHORT


def _adopted(roster: Roster, version: Version) -> Fact:
    data: dict[str, str | int | bool] = {
        "version": roster.version,
        "hash": roster.hash,
        "document": version.document.decode(),
        "statements": len(version.statements),
    }
    for n, signed in enumerate(version.statements):
        data[f"statement-{n}"], data[f"signature-{n}"] = signed.text, signed.signature
    return Fact("roster.adopted", roster.deployment, data)
