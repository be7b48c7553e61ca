"""The text that is signed to sign in with an SSH key: bound to this deployment, to one moment, and to nothing else.

It has its own SSHSIG namespace, so that a sign-in can never be passed off as a decision, nor the other way round.
"""

import secrets
from datetime import datetime, timedelta

from breakglass.codec import instant, lines, sshsig
from breakglass.errors import BadSignature, Expired
from breakglass.model.people import Actor
from breakglass.trust.roster import Roster

TITLE = "breakglass-sign-in-v1"
NAMESPACE = "breakglass-sign-in"
LASTS = timedelta(minutes=2)


def challenge(deployment: str, now: datetime) -> str:
    return lines.write(
        TITLE,
        [("deployment", deployment), ("nonce", secrets.token_hex(16)), ("not-after", instant.write(now + LASTS))],
    )


def verify(roster: Roster, login: str, text: str, signature: str, now: datetime) -> Actor:
    """Who signed. The caller has made sure that `text` was given out once and is used once.

    Raises `Malformed`, `Expired`, `BadSignature`, `Forbidden`."""
    facts = dict(lines.read(text, TITLE))
    if facts.get("deployment") != roster.deployment:
        raise BadSignature("This text is for another deployment.", what_to_do="Sign in again.")
    if now >= instant.read(facts.get("not-after", "")):
        raise Expired("This text's time is over.", what_to_do="Sign in again.")
    verified = sshsig.verify(signature, text.encode(), namespace=NAMESPACE)
    return roster.actor(login, verified.fingerprint, now)
