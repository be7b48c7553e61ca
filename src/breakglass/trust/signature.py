"""Is this statement what its person signed? One answer for steps, for the vault and for the verifier.

It checks the signature over the exact text, that the key is the one the text names, that the roster gives this key to
this person, that the deployment fits, and that its time is not over. What the statement may *do* is judged by whoever
uses it.
"""

from collections.abc import Mapping
from datetime import datetime

from breakglass.codec import sshsig
from breakglass.errors import BadSignature, Expired, Malformed
from breakglass.trust.roster import Roster
from breakglass.trust.statement import NAMESPACE, Kind, Signed, Statement, parse


def verify(
    signed: Signed, roster: Roster, *, kind: Kind, subject: str, now: datetime | None, known: Mapping[int, str]
) -> Statement:
    """The statement, when everything about it holds under `roster`.

    `known` maps the versions of the roster to their hashes: the statement must name one of them. `now` is None where a
    statement from the past is judged again (the audit), which looks at its time elsewhere.
    Raises `Malformed`, `BadSignature`, `Expired`.
    """
    statement = check_signature(signed)
    if statement.kind is not kind or statement.subject != subject or statement.deployment != roster.deployment:
        raise BadSignature(
            f"The signed text is about {statement.subject} ({statement.kind}), not about {subject} ({kind}).",
            what_to_do="Get the statement for this decision and sign that one.",
            about=subject,
        )
    if known.get(statement.roster_version) != statement.roster_hash:
        raise BadSignature(
            "The signed text names a roster that does not belong to this deployment.",
            what_to_do="Get a fresh statement and sign that one.",
            about=subject,
        )
    person = roster.people.get(statement.person)
    key = person.key(statement.key) if person else None
    if person is None or key is None:
        raise BadSignature(
            f"The roster does not give the key {statement.key} to {statement.person}.",
            what_to_do="Sign with a key that stands in the roster under your name.",
            about=subject,
        )
    if now is not None and not person.active(now):
        raise Expired(
            f"{person.name}'s time in the roster is over.", what_to_do="Ask a custodian to renew it.", about=subject
        )
    if now is not None and now >= statement.not_after:
        raise Expired(
            "This statement's time is over.", what_to_do="Get a fresh statement and sign that one.", about=subject
        )
    return statement


def may_approve(statement: Statement, roster: Roster, now: datetime) -> None:
    """Raises `BadSignature` while the statement's key is too new to count towards a quorum."""
    key = roster.people[statement.person].key(statement.key)
    if key is None or now < key.approves_from:
        raise BadSignature(
            "This key is too new to approve with.",
            what_to_do="Approve with an older key, or ask the other approvers to countersign the new one.",
            about=statement.subject,
        )


def check_signature(signed: Signed) -> Statement:
    """The parsed statement when the key that it names signed exactly this text; says nothing of who that is."""
    if len(signed.text) > 40_000 or len(signed.signature) > 20_000:
        raise Malformed(
            "The statement or signature is too long.", what_to_do="Send the text and its signature unchanged."
        )
    statement = parse(signed.text)
    verified = sshsig.verify(signed.signature, signed.text.encode(), namespace=NAMESPACE)
    if verified.fingerprint != statement.key:
        raise BadSignature(
            f"The text is for the key {statement.key}, but {verified.fingerprint} signed it.",
            what_to_do="Sign with the key that the text names, or get a statement for the other key.",
            about=statement.subject,
        )
    return statement
