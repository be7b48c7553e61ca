"""Terminals that ask to be signed in from a browser (RFC 8628, the device authorization grant), until somebody answers.

    terminal ── begin ──▶ device code (kept secret) and user code (shown)
    browser  ── user code, typed by somebody who is signed in and signed just now ──▶ confirm, or deny
    terminal ── device code, every few seconds ──▶ waiting · denied · the token, once

Kept in memory, as texts to sign are: the browser opens the node that the terminal asks. Device codes are kept as
hashes.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from breakglass.errors import Expired, Forbidden, NotFound, TooMany

LASTS = 600.0
"""Seconds from the first question to the token."""
INTERVAL = 2.0
"""Seconds between two questions of a terminal."""
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, so no words; 20**8 is 34 bits."""
PER_ADDRESS, OVERALL = 8, 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a confirmed terminal gets."""

    token: str
    login: str


@dataclass(slots=True, kw_only=True)
class Asked:
    """One terminal that asks."""

    user_code: str
    """`BCDF-GHJK`"""
    from_address: str
    device: str
    """What it says of itself: nobody's word."""
    until: float
    device_hash: bytes = field(repr=False)
    next_at: float = 0.0
    given: Given | None = field(default=None, repr=False)
    denied: bool = False


class Terminals:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_device: OrderedDict[bytes, Asked] = OrderedDict()
        """All of one lifetime, so the oldest is the first to be over."""
        self._by_code: dict[str, Asked] = {}

    def begin(self, from_address: str, device: str) -> tuple[str, str]:
        """Device code and user code. Raises `TooMany` when very many ask; those of one address push out their own."""
        self._forget_old()
        own = [one for one in self._by_device.values() if one.from_address == from_address]
        if len(own) >= PER_ADDRESS:
            self._drop(own[0])
        if len(self._by_device) >= OVERALL:
            raise TooMany("Too many terminals ask to be signed in.", what_to_do="Try again, or use an SSH key.")
        device_code, user_code = secrets.token_urlsafe(32), _user_code()
        while user_code in self._by_code:
            user_code = _user_code()
        asked = Asked(
            user_code=user_code,
            from_address=from_address,
            device=device,
            until=self._monotonic() + LASTS,
            device_hash=_hash(device_code),
        )
        self._by_device[asked.device_hash] = self._by_code[user_code] = asked
        return device_code, user_code

    def find(self, typed: str) -> Asked:
        """Who shows this code, however it was typed. Raises `NotFound`, also once it was answered."""
        self._forget_old()
        letters = "".join(one for one in typed.upper() if one in ALPHABET)
        found = self._by_code.get(f"{letters[:4]}-{letters[4:]}")
        if found is None or found.given is not None or found.denied:
            raise NotFound(
                "No terminal shows this code.",
                what_to_do="Type it as it stands there; it is good for ten minutes. Else run `breakglass login` again.",
            )
        return found

    def confirm(self, asked: Asked, given: Given) -> None:
        """The caller made the sign-in. Raises `NotFound` when it was answered meanwhile."""
        self.find(asked.user_code).given = given

    def deny(self, asked: Asked) -> None:
        self.find(asked.user_code).denied = True

    def poll(self, device_code: str) -> Given | None:
        """The token, this once; None while nobody answered.

        Raises `Expired` for what is not known (any more), `Forbidden` when it was denied, `TooMany` when too soon.
        """
        self._forget_old()
        asked = self._by_device.get(_hash(device_code))
        if asked is None:
            raise Expired("This sign-in was not begun here, or is over.", what_to_do="Run `breakglass login` again.")
        now = self._monotonic()
        if asked.denied:
            self._drop(asked)
            raise Forbidden("The browser said no.", what_to_do="Run `breakglass login` again if that was a mistake.")
        if asked.given is not None:
            self._drop(asked)
            return asked.given
        if now < asked.next_at:
            raise TooMany("Asked too soon.", what_to_do=f"Ask every {INTERVAL:.0f} seconds.")
        asked.next_at = now + INTERVAL / 2  # half, so that an even pace is never refused by a slow network
        return None

    def _forget_old(self) -> None:
        now = self._monotonic()
        while self._by_device and (oldest := next(iter(self._by_device.values()))).until <= now:
            self._drop(oldest)

    def _drop(self, asked: Asked) -> None:
        del self._by_device[asked.device_hash], self._by_code[asked.user_code]


def _user_code() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _hash(device_code: str) -> bytes:
    """Looked up by its hash, so that how long a comparison takes tells nothing of it."""
    return sha256(device_code.encode(errors="replace")).digest()
