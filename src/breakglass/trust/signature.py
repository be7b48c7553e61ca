"""Is this statement what its person signed? One answer for steps, for the vault and for the verifier.

    SSHSIG                the key that signed must be the one on the line `key`
    WebAuthn assertion    the roster's key, credential, domain and origins for the line `key`; somebody was verified

It checks the signature over the exact text, that the key is the one the text names, that the roster gives this key to
this person, that the deployment fits, and that its time is not over. What the statement may *do* is judged by whoever
uses it.
"""

from collections.abc import Mapping
from datetime import datetime

from breakglass.codec import base64url, sshsig, webauthn
from breakglass.errors import BadSignature, Expired, Malformed, Refused
from breakglass.model.people import Key, Person
from breakglass.trust.roster import Roster
from breakglass.trust.statement import NAMESPACE, Kind, Signed, Statement, parse

TEXT_MAX, SIGNATURE_MAX = 40_000, 20_000
"""Characters."""


def verify(
    signed: Signed, roster: Roster, *, kind: Kind, subject: str, now: datetime | None, known: Mapping[int, str]
) -> Statement:
    """The statement, when everything about it holds under `roster`.

    `known` maps the versions of the roster to their hashes: the statement must name one of them. `now` is None where a
    statement from the past is judged again (the audit), which looks at its time elsewhere.
    Raises `Malformed`, `BadSignature`, `Expired`.
    """
    statement = check_signature(signed, roster)
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
    person = roster.people[statement.person]
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


def check_signature(signed: Signed, roster: Roster) -> Statement:
    """The parsed statement when `roster` gives the key that it names to the person that it names, and that key signed
    exactly this text; says nothing of what it is about, nor of its time. Raises `Malformed`, `BadSignature`.
    """
    if len(signed.text) > TEXT_MAX or len(signed.signature) > SIGNATURE_MAX:
        raise Malformed(
            "The statement or signature is too long.", what_to_do="Send the text and its signature unchanged."
        )
    statement = parse(signed.text)
    if webauthn.armored(signed.signature):
        _passkey_signed(signed, statement, _key(statement, roster))
        return statement
    verified = sshsig.verify(signed.signature, signed.text.encode(), namespace=NAMESPACE)
    if verified.fingerprint != statement.key:
        raise BadSignature(
            f"The text is for the key {statement.key}, but {verified.fingerprint} signed it.",
            what_to_do="Sign with the key that the text names, or get a statement for the other key.",
            about=statement.subject,
        )
    _key(statement, roster)
    return statement


def with_ssh_key(signature: str) -> bool:
    """Whether an SSH key made this signature, which was verified: `ssh-keygen` signs the file that its person read."""
    return not webauthn.armored(signature)


def is_for(text: str, signature: str) -> bool:
    """Whether this signature was made for this text; by whom, and whether that counts, `verify` says."""
    try:
        if webauthn.armored(signature):
            return webauthn.is_for(signature, text.encode())
        sshsig.verify(signature, text.encode(), namespace=NAMESPACE)
    except Refused:
        return False
    return True


def _key(statement: Statement, roster: Roster) -> Key:
    person: Person | None = roster.people.get(statement.person)
    key = person.key(statement.key) if person else None
    if key is None:
        raise BadSignature(
            f"The roster does not give the key {statement.key} to {statement.person}.",
            what_to_do="Sign with a key that stands in the roster under your name.",
            about=statement.subject,
        )
    return key


def _passkey_signed(signed: Signed, statement: Statement, key: Key) -> None:
    """Every kind of statement asks for a person who was verified: no decision is made by touch alone."""
    if key.passkey is None:
        raise BadSignature(
            f"The text is for the SSH key {statement.key}, but a passkey signed it.",
            what_to_do="Sign with the key that the text names, or get a statement for the passkey.",
            about=statement.subject,
        )
    webauthn.verify(
        signed.signature,
        signed.text.encode(),
        public=base64url.read(key.public, "passkey's public key"),
        credential=base64url.read(key.passkey.credential, "credential"),
        rp=key.passkey.rp,
        origins=key.passkey.origins,
    )
