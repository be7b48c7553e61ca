"""Who may do what: a pure question, asked at the start of every step. The vault relies on statements and the roster
only.
"""

from breakglass.errors import Forbidden
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
    "clock": frozenset({Role.CUSTODIAN}),
    "propose": frozenset({Role.ADMINISTRATOR, Role.CUSTODIAN}),
    "replay": frozenset({Role.AUDITOR}),
    "review": frozenset({Role.AUDITOR}),
    "audit": frozenset({Role.AUDITOR, Role.CUSTODIAN, Role.ADMINISTRATOR}),
    "run": frozenset({Role.SYSTEM}),
}


def permit(actor: Actor, action: str, about: str = "") -> None:
    """Returns, or raises `Forbidden` saying who can help."""
    if not MAY[action] & actor.roles:
        roles = sorted(MAY[action] - {Role.SYSTEM})
        raise Forbidden(
            f"Your roles do not allow this ({action}).",
            what_to_do=f"Ask somebody who is: {', '.join(roles)}.",
            about=about,
        )
