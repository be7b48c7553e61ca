"""Recordings that an auditor opened by a signed statement: kept in memory for a while, for that sign-in only.

They never touch the disk, and a restart forgets them: then the auditor signs again.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LASTS = 30 * 60.0
"""Seconds."""
BYTES_MAX = 256 * 1024 * 1024
"""Of all together; the oldest go first."""


@dataclass(frozen=True, slots=True)
class _Opened:
    cast: bytes
    until: float


class Replays:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._opened: OrderedDict[tuple[str, str], _Opened] = OrderedDict()

    def keep(self, sign_in: str, session: str, cast: bytes) -> None:
        self._opened.pop((sign_in, session), None)
        self._opened[sign_in, session] = _Opened(cast, self._monotonic() + LASTS)
        self._forget()

    def find(self, sign_in: str, session: str) -> bytes | None:
        """asciicast v3; None when this sign-in has not opened it, or too long ago."""
        self._forget()
        found = self._opened.get((sign_in, session))
        return None if found is None else found.cast

    def _forget(self) -> None:
        now = self._monotonic()
        for key in [key for key, one in self._opened.items() if one.until <= now]:
            del self._opened[key]
        while sum(len(one.cast) for one in self._opened.values()) > BYTES_MAX and len(self._opened) > 1:
            self._opened.popitem(last=False)
