"""Signing in: texts that were given out, each for one use, and how often it failed.

A limit on failures only: a key that is right is always let in, however many wrong ones were tried under its name. A
password can be guessed and a key can't, so passwords alone are held up before they are looked at (`Caps`).
"""

from collections import OrderedDict, deque
from collections.abc import Callable

from breakglass.errors import Expired, TooMany
from breakglass.identity.sign_in import LASTS

PER_ADDRESS, OVERALL = 64, 4096
FAILURES, WITHIN = 10, 60.0
"""So many failures within so many seconds: for one name, and for one address."""
TRIES, TRIES_WITHIN = 5, 300.0
"""So many passwords within so many seconds are looked at under one name."""
TRIES_OVERALL = 60
"""Within `WITHIN`, whatever the name: each costs a tenth of a second and 64 MiB."""
KEPT = 4096


class Challenges:
    """Texts on offer. When there are too many, the oldest of the busiest address goes first."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: OrderedDict[str, float] = OrderedDict()
        """All of one lifetime, so the oldest is the first to be over."""
        self._from: dict[str, str] = {}
        self._at: dict[str, OrderedDict[str, None]] = {}

    def give(self, address: str, text: str) -> None:
        now = self._monotonic()
        while self._until and next(iter(self._until.values())) <= now:
            self._drop(next(iter(self._until)))
        self._until[text], self._from[text] = now + LASTS.total_seconds(), address
        self._at.setdefault(address, OrderedDict())[text] = None
        if len(self._at[address]) > PER_ADDRESS:
            self._drop(next(iter(self._at[address])))
        elif len(self._until) > OVERALL:
            busiest = max(self._at, key=lambda one: len(self._at[one]))
            self._drop(next(iter(self._at[busiest])))

    def take(self, text: str) -> None:
        """Use a text up. Raises `Expired` when it was not given out, was used before, or is too old."""
        until = self._until.get(text)
        if until is not None:
            self._drop(text)
        if until is None or self._monotonic() >= until:
            raise Expired("This text was not given out, or was used before.", what_to_do="Sign in again.")

    def _drop(self, text: str) -> None:
        del self._until[text]
        address = self._from.pop(text)
        del self._at[address][text]
        if not self._at[address]:
            del self._at[address]


class Failures:
    """The latest failures by name and by address."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, *whose: str) -> None:
        """Count one more. Raises `TooMany` when this was one too many: then nothing of why it failed is told."""
        now, many = self._monotonic(), False
        for one in whose:
            at = self._at.setdefault(one[:100], deque(maxlen=FAILURES))
            self._at.move_to_end(one[:100])
            many = many or (len(at) == FAILURES and now - at[0] < WITHIN)
            at.append(now)
        while len(self._at) > KEPT:
            self._at.popitem(last=False)
        if many:
            raise TooMany(
                "Too many sign-ins failed.", what_to_do="Wait a minute. A key that is right still signs in at once."
            )


class Caps:
    """How often a password is looked at: under one name, known or not, and overall. Whoever is right gives theirs back.

    Kept per node and in memory: a restart forgets them, and the one-time codes still have to be guessed in 90 seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._under: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=TRIES_OVERALL)

    def take(self, login: str) -> bool:
        """Count one try, before it is looked at; returns whether it is the last one that is. Raises `TooMany`."""
        now = self._monotonic()
        under = self._under.setdefault(login, deque(maxlen=TRIES))
        self._under.move_to_end(login)
        if len(self._under) > KEPT:
            self._under.popitem(last=False)
        if self._full(under, TRIES, TRIES_WITHIN, now) or self._full(self._all, TRIES_OVERALL, WITHIN, now):
            raise TooMany(
                "Too many passwords were tried.",
                what_to_do="Wait five minutes. A passkey or an SSH key signs in at once.",
            )
        under.append(now)
        self._all.append(now)
        return self._full(under, TRIES, TRIES_WITHIN, now)

    def give_back(self, login: str) -> None:
        self._under.pop(login, None)

    @staticmethod
    def _full(tries: deque[float], most: int, within: float, now: float) -> bool:
        return len(tries) == most and now - tries[0] < within
