"""The text that is signed to sign in, with an SSH key or a passkey: bound to this deployment, to one moment, and to
nothing else.

It has its own title, and its own SSHSIG namespace, so that a sign-in can never be passed off as a decision, nor the
other way round: a passkey signs the hash of the text, and no statement begins like this one.
"""

import secrets
from datetime import datetime, timedelta

from breakglass.codec import base64url, instant, lines, sshsig, webauthn
from breakglass.errors import BadSignature, Expired, Forbidden
from breakglass.model.people import Actor, Key
from breakglass.trust.roster import Roster

TITLE = "breakglass-sign-in-v1"
NAMESPACE = "breakglass-sign-in"
LASTS = timedelta(minutes=2)


def challenge(deployment: str, now: datetime) -> str:
    return lines.write(
        TITLE,
        [("deployment", deployment), ("nonce", secrets.token_hex(16)), ("not-after", instant.write(now + LASTS))],
    )


def verify(roster: Roster, login: str, text: str, signature: str, now: datetime) -> tuple[str, Actor]:
    """Who signed, by login and as an actor. A passkey says itself whose it is: `login` may be empty then. The caller
    has made sure that `text` was given out once and is used once.

    Raises `Malformed`, `Expired`, `BadSignature`, `Forbidden`: in the same words for whatever is not known."""
    facts = dict(lines.read(text, TITLE))
    if facts.get("deployment") != roster.deployment:
        raise BadSignature("This text is for another deployment.", what_to_do="Sign in again.")
    if now >= instant.read(facts.get("not-after", "")):
        raise Expired("This text's time is over.", what_to_do="Sign in again.")
    if webauthn.armored(signature):
        found, key = _passkey(roster, login, text, signature)
        return found, roster.actor(found, key.fingerprint, now)
    verified = sshsig.verify(signature, text.encode(), namespace=NAMESPACE)
    return login, roster.actor(login, verified.fingerprint, now)


def _passkey(roster: Roster, login: str, text: str, signature: str) -> tuple[str, Key]:
    credential = base64url.write(webauthn.parse(signature).credential)
    for person in roster.people.values():
        for key in person.keys:
            if key.passkey is not None and key.passkey.credential == credential and login in ("", person.login):
                webauthn.verify(
                    signature,
                    text.encode(),
                    public=base64url.read(key.public, "passkey's public key"),
                    credential=base64url.read(credential, "credential"),
                    rp=key.passkey.rp,
                    origins=key.passkey.origins,
                )
                return person.login, key
    raise Forbidden(
        "This passkey is not known here.",
        what_to_do="Use another one; custodians can send you a link to add this device to the roster.",
    )
