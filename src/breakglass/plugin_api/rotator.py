"""What a rotator promises: to change one account's secret on its target, and to prove which secret works.

The engine (breakglass.rotation) owns order, retries and what is stored; a rotator only acts on the target. Its errors
are its most important answer, because they decide what the engine believes:

    returns              the target said yes
    ChangeRefused        the target said no, definitely, and nothing was changed
    CurrentRefused       the same, because it takes neither the current secret nor the new one: what is stored is not
                         what the target has, so the engine looks for what works instead of making another secret
    TargetDown           nothing was sent: the target can't be reached
    OutcomeUnknown       something was sent and the answer is missing: it may or may not have happened
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from breakglass.errors import Refused
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint
from breakglass.model.trace import Trace
from breakglass.plugin_api.dial import Dial


class ChangeRefused(Refused):
    """The target refused the change definitely, and nothing was changed."""

    code = "change_refused"


class CurrentRefused(ChangeRefused):
    """The target refused the sign-in with the current secret (and the new one is not set there either)."""

    code = "current_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rotator acts: one login on one endpoint, reached in one way."""

    dial: Dial
    endpoint: Endpoint
    username: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """Something that still runs as the account on the target, or that couldn't be ended."""

    kind: str
    what: str


class Rotator(Protocol):
    name: str

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        """Sign in with `current` and set `new`. See the module for what each error means. Idempotent for the same
        `new`.
        """
        ...

    async def works(self, place: Place, secret: Secret) -> bool:
        """True: the target accepts `secret`. False: it *definitely* refuses it as a wrong secret. Every other outcome
        raises `TargetDown` or `OutcomeUnknown`: a transport error is not a wrong password."""
        ...

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        """End what still runs as the account (sessions, processes), other than the rotator's own connection; returns
        what could not be ended, empty when nothing remains."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """A privileged account on the same target, which acts for one that can't sign in itself."""

    place: Place
    secret: Secret


class Admission(StrEnum):
    """What becomes of a login with a secret that is known to be right."""

    IN = "in"
    SHUT = "shut"
    """Turned away because the account is disabled: the target took the secret, and said so."""
    REFUSED = "refused"
    """Turned away as with a wrong secret: the target does not tell the two apart."""


@runtime_checkable
class Disables(Protocol):
    """A rotator that can also disable an account between uses, so that no secret and no key lets anybody in as it.

    The module's errors mean the same here, and `CurrentRefused` that the helper's secret is refused."""

    async def enable(self, place: Place, helper: Helper) -> None:
        """Let the account sign in again. Idempotent."""
        ...

    async def disable(self, place: Place, helper: Helper) -> None:
        """No new login as the account, by any means. Idempotent."""
        ...

    async def enabled(self, place: Place, helper: Helper) -> bool:
        """What the target says to the helper: may the account sign in?"""
        ...

    async def admits(self, place: Place, secret: Secret) -> Admission:
        """Try a login, as `works` does, and tell a disabled account from a wrong secret where the target does."""
        ...


@runtime_checkable
class Resets(Protocol):
    """A rotator that can also set an account's secret from another account."""

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        """Set `new`, whatever was set before. The module's errors mean the same here, and `CurrentRefused` that the
        helper's secret is refused. Idempotent."""
        ...


@runtime_checkable
class Looks(Protocol):
    """A rotator that can also look at what people leave behind on its target."""

    async def traces(self, place: Place, secret: Secret) -> Sequence[Trace]:
        """What outlives a session and stands there now: keys, cron lines, sudo rules, users and roles, listening ports.
        Without what the rotator itself keeps there. Raises as `end_remains` does."""
        ...
