"""How many logins may be refused before the target locks the account: probing stays below that.

The account's rotator option `lockout` says what the target does, as `TRIES/SECONDS`: `3/900` for a target that locks
after three refused logins within 15 minutes (pam_faillock, fail_interval). A login that is accepted starts the count
anew.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakglass.errors import Malformed
from breakglass.model.rotation import Rotation

OPTION = "lockout"
_SHAPE = re.compile(r"([1-9][0-9]{0,3})/([1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockout:
    """The default is what the common hardening guides set, at its strictest: 5 refused logins within 15 minutes."""

    tries: int = 5
    within: timedelta = timedelta(minutes=15)

    def over(self, rotation: Rotation, now: datetime) -> bool:
        """True when the target has forgotten the refused logins that the rotation counts."""
        return rotation.guessed_at is None or now >= rotation.guessed_at + self.within

    def left(self, rotation: Rotation) -> int:
        """Logins that may be refused now. One is always allowed at first: without it nothing can be proven."""
        return max(0, max(1, self.tries - 1) - rotation.guesses)

    def free_at(self, rotation: Rotation, now: datetime) -> datetime:
        return now if rotation.guessed_at is None else max(now, rotation.guessed_at + self.within)


def of(options: Mapping[str, str]) -> Lockout:
    """Raises `Malformed`."""
    if OPTION not in options:
        return Lockout()
    found = _SHAPE.fullmatch(options[OPTION])
    if found is None:
        raise Malformed(
            "The rotator option `lockout` can't be read.", what_to_do="Write TRIES/SECONDS, as in 5/900, in the roster."
        )
    return Lockout(tries=int(found[1]), within=timedelta(seconds=int(found[2])))
