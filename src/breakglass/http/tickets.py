"""Tickets for WebSockets: a hostile page may open one with somebody's cookie, but can't read a ticket from a page.

    page (POST, our origin) ─▶ issue(actor, grant) ─▶ first message of the WebSocket ─▶ take(ticket, grant) ─▶ actor

One ticket is for one use within 30 seconds, for one sign-in and one grant. It travels in a message, never in an
address, which would stand in logs. They are kept in memory as hashes: a ticket counts at the node that gave it out.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from breakglass.errors import Expired
from breakglass.model.people import Actor

LASTS = 30.0
"""Seconds."""
KEPT = 4096
LONGEST = 100
"""Letters; ours have 43."""


@dataclass(frozen=True, slots=True)
class _Issued:
    actor: Actor
    grant: str
    until: float


class Tickets:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._issued: OrderedDict[bytes, _Issued] = OrderedDict()
        """All of one lifetime, so the oldest is the first to be over."""

    def issue(self, actor: Actor, grant: str) -> str:
        """43 letters of base64url: 256 random bits. The caller has made sure that this grant is this person's."""
        now = self._monotonic()
        while self._issued and (len(self._issued) >= KEPT or next(iter(self._issued.values())).until <= now):
            self._issued.popitem(last=False)
        ticket = secrets.token_urlsafe(32)
        self._issued[_hash(ticket)] = _Issued(actor, grant, now + LASTS)
        return ticket

    def take(self, ticket: str, grant: str) -> Actor:
        """Whom it was given to; it is used up, also when it was brought for another grant.

        Raises `Expired` when it was not given out for this grant, was used before, or is too old. Whoever takes it
        compares the actor with the one whom the connection's own cookie signs in."""
        found = self._issued.pop(_hash(ticket), None) if len(ticket) <= LONGEST else None
        if found is None or found.grant != grant or self._monotonic() >= found.until:
            raise Expired(
                "This ticket was not given out for this, or was used before, or is too old.",
                what_to_do="Open the page again: it gets a fresh one.",
                about=grant,
            )
        return found.actor

    def forget(self, sign_in: str) -> None:
        """A sign-in was revoked: what was given out to it is worth nothing."""
        for ticket in [one for one, issued in self._issued.items() if issued.actor.sign_in == sign_in]:
            del self._issued[ticket]


def _hash(ticket: str) -> bytes:
    """Looked up by its hash, so that how long a comparison takes tells nothing of a ticket."""
    return sha256(ticket.encode(errors="replace")).digest()
