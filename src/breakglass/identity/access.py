"""Who may do what: a pure question, asked at the start of every step. The vault relies on statements and the roster
only.
"""

from datetime import datetime, timedelta

from breakglass.errors import Forbidden, NotProved
from breakglass.model.people import Actor, Role

_EVERYBODY = frozenset(Role)
MAY: dict[str, frozenset[Role]] = {
    "look": _EVERYBODY,
    "request": frozenset({Role.REQUESTER}),
    "decide": frozenset({Role.APPROVER}),
    "bring": _EVERYBODY,  # a signed statement counts for who signed it, whoever carries it here (offline approval)
    "connect": frozenset({Role.REQUESTER}),
    "close": frozenset({Role.REQUESTER, Role.APPROVER, Role.CUSTODIAN, Role.AUDITOR, Role.SYSTEM}),
    "kill": frozenset({Role.APPROVER, Role.CUSTODIAN, Role.AUDITOR, Role.ADMINISTRATOR, Role.SYSTEM}),
    "store": frozenset({Role.CUSTODIAN}),
    "rotate": frozenset({Role.CUSTODIAN, Role.SYSTEM}),
    "unseal": frozenset({Role.CUSTODIAN}),
    "rekey": frozenset({Role.CUSTODIAN, Role.SYSTEM}),
    "slots": frozenset({Role.CUSTODIAN, Role.SYSTEM}),
    "kek": frozenset({Role.CUSTODIAN}),
    "clock": frozenset({Role.CUSTODIAN}),
    "override": frozenset({Role.CUSTODIAN}),
    "next_log": frozenset({Role.CUSTODIAN}),
    "kit": frozenset({Role.CUSTODIAN}),
    "kit_used": frozenset({Role.CUSTODIAN, Role.APPROVER, Role.AUDITOR}),
    "custody": frozenset({Role.CUSTODIAN, Role.REQUESTER, Role.AUDITOR}),
    "propose": frozenset({Role.ADMINISTRATOR, Role.CUSTODIAN}),
    "erase": frozenset({Role.AUDITOR, Role.CUSTODIAN}),
    "replay": frozenset({Role.AUDITOR}),
    "review": frozenset({Role.AUDITOR}),
    "audit": frozenset({Role.AUDITOR, Role.CUSTODIAN, Role.ADMINISTRATOR}),
    "run": frozenset({Role.SYSTEM}),
}


FRESH_FOR = timedelta(minutes=15)
"""So long after a signature its person counts as present (step-up)."""


def must_be_fresh(actor: Actor, now: datetime) -> None:
    """Before connecting in a browser, seeing or storing a secret, and changing the estate or who may sign: a cookie
    that somebody took along does none of these. A decision needs no such thing: its signature is its own proof.

    Raises `NotProved`."""
    if actor.proved_at is None or not actor.proved_at <= now < actor.proved_at + FRESH_FOR:
        raise NotProved(
            "This asks for a signature of the last 15 minutes.", what_to_do="Sign once more, and do it again."
        )


def permit(actor: Actor, action: str, about: str = "") -> None:
    """Returns, or raises `Forbidden` saying who can help."""
    if not MAY[action] & actor.roles:
        roles = sorted(MAY[action] - {Role.SYSTEM})
        raise Forbidden(
            f"Your roles do not allow this ({action}).",
            what_to_do=f"Ask somebody who is: {', '.join(roles)}.",
            about=about,
        )
