"""Custodians enter their shares, one at a time, until the root key can be made again.

A wrong share is named and counts against a limit; the shares of an attempt that nobody finishes are forgotten after an
hour. Each attempt has a name that custodians see: whoever enters a share to another one than they saw is told so.
"""

import secrets
from collections import deque
from collections.abc import Callable

from breakglass.errors import BreakglassError, TooMany, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import share_text
from breakglass.vault.seal import Seal
from breakglass.vault.shares import Share, check

WRONG_MAX = 10
WRONG_WITHIN = 60.0
FORGET_AFTER = 3600.0
TEXT_MAX = 1000


class Entering:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._shares: dict[int, Share] = {}
        self._wrong: deque[float] = deque(maxlen=WRONG_MAX)
        self._last = 0.0
        self.attempt = _name()

    @property
    def entered(self) -> tuple[int, ...]:
        return tuple(sorted(self._shares))

    def enter(self, text: str, seal: Seal, attempt: str = "") -> Secret | None:
        """The root key once there are enough. `attempt`: the one that the custodian saw; empty for any.

        Raises `WrongShare`, `Malformed`, `TooMany`, `WrongState` for another attempt, and `Tampered` for a changed
        seal; a share that was entered before counts once."""
        if attempt not in ("", self.attempt):
            raise WrongState(
                f"Attempt {attempt} is over, and the shares that were entered to it are forgotten.",
                what_to_do=f"Look at the new one, {self.attempt}, and enter your share again. Tell the others.",
            )
        share = self.right(text, seal)
        self._last = self._monotonic()
        self._shares[share.index] = share
        if len(self._shares) < seal.custodians.public.k:
            return None
        try:
            return seal.open_by_shares(self._shares.values())
        finally:
            self.forget()

    def right(self, text: str, seal: Seal) -> Share:
        """A share of this seal, not kept. Raises `WrongShare`, `Malformed`, `TooMany`."""
        now = self._monotonic()
        if len(self._wrong) == WRONG_MAX and now - self._wrong[0] < WRONG_WITHIN:
            raise TooMany(
                f"There were {WRONG_MAX} wrong shares within a minute.",
                what_to_do="Wait a minute, and compare the share with its original before entering it.",
            )
        try:
            share = share_text.decode(text[:TEXT_MAX])
            check(share, seal.custodians.public)
        except BreakglassError:
            self._wrong.append(now)
            raise
        return share

    def forget(self) -> None:
        for share in self._shares.values():
            share.value.wipe()
        self._shares.clear()
        self.attempt = _name()

    def forget_old(self) -> None:
        if self._shares and self._monotonic() - self._last > FORGET_AFTER:
            self.forget()


def _name() -> str:
    """Short enough to be read out on the phone."""
    return secrets.token_hex(2)
