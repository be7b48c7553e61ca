"""Password, one-time code and recovery codes: how somebody signs in who has no key at hand.

    password ─ Argon2id (RFC 9106) ─▶ key ─ opens ─▶ seed ─ TOTP (RFC 6238) ─▶ the code of this half minute
                                                            or one of ten printed recovery codes

No hash of the password is kept: what is kept is the seed, sealed under a key that only the password gives. So a copy of
the database holds neither, people get in while the vault is sealed, and every node can do it. Such a sign-in shows
things and asks for things; it never decides: that takes a signature (identity.access: must_be_fresh).
"""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.twofactor.hotp import HOTP
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from breakglass.errors import Malformed

SHORTEST, LONGEST = 12, 200
SEED: Final = 20
"""Bytes, as RFC 4226 section 4 recommends."""
STEP: Final = 30
"""Seconds (RFC 6238 section 5.2)."""
AROUND: Final = 1
"""Steps before and after the present one that are taken: phones' clocks differ."""
RECOVERY_CODES: Final = 10
_SHA1 = SHA1()  # noqa: S303 (what every authenticator can; HMAC needs no resistance to collisions)
_TITLE = b"breakglass-password-v1\0"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's: nothing in it is mistaken for something else on paper."""
_AS_READ = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True)
class Locked:
    """What is kept: the seed under the password's key."""

    salt: bytes
    sealed: bytes


def must_be_good(password: str, *names: str) -> None:
    """Raises `Malformed`: too short or long, or made of what everybody knows about its person."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Malformed(
            f"A password has {SHORTEST} to {LONGEST} characters.", what_to_do="Take some words that nobody else would."
        )
    plain = password.lower()
    known = [one for name in names for one in name.lower().split() if len(one) > 2]
    rest = plain
    for one in [*known, "breakglass", "password"]:
        rest = rest.replace(one, "")
    if len(set(plain)) < 6 or len(rest) < SHORTEST // 2:
        raise Malformed("This password is easily guessed.", what_to_do="Take some words that nobody else would.")


def new_seed() -> bytes:
    return secrets.token_bytes(SEED)


def lock(password: str, person: str, seed: bytes) -> Locked:
    """Costs 64 MiB and a good tenth of a second: call it in a thread."""
    salt = secrets.token_bytes(16)
    return Locked(salt, _cipher(password, salt).encrypt(bytes(12), seed, _TITLE + person.encode()))


def unlock(password: str, person: str, locked: Locked | None) -> bytes | None:
    """The seed, or None for a wrong password. Takes as long for somebody who has none (`locked` is None)."""
    held = locked or Locked(bytes(16), bytes(16))
    try:
        return _cipher(password, held.salt).decrypt(bytes(12), held.sealed, _TITLE + person.encode())
    except InvalidTag:
        return None


def _cipher(password: str, salt: bytes) -> ChaCha20Poly1305:
    """RFC 9106 section 4, second recommended option. Each salt gives a key of its own that seals once, so the nonce is
    zero."""
    kdf = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024)
    return ChaCha20Poly1305(kdf.derive(password.encode()))


# -- codes ------------------------------------------------------------------------------------------------------------
def step_of(seed: bytes, code: str, now: datetime) -> int | None:
    """The step whose code this is, among the present one and its neighbours."""
    present, hotp = int(now.timestamp()) // STEP, _hotp(seed)
    found = None
    for step in range(present - AROUND, present + AROUND + 1):
        if hmac.compare_digest(hotp.generate(step), code.encode("ascii", "replace")):
            found = step
    return found


def code_at(seed: bytes, now: datetime) -> str:
    return _hotp(seed).generate(int(now.timestamp()) // STEP).decode()


def address(seed: bytes, login: str, issuer: str) -> str:
    """`otpauth://totp/…`, as authenticators read it from a QR code."""
    return TOTP(seed, 6, _SHA1, STEP, enforce_key_length=False).get_provisioning_uri(login, issuer)


def _hotp(seed: bytes) -> HOTP:
    return HOTP(seed, 6, _SHA1, enforce_key_length=False)


def recovery_codes() -> Sequence[str]:
    """Ten, each of 80 random bits, in four groups of four."""
    letters = ["".join(secrets.choice(_ALPHABET) for _ in range(16)) for _ in range(RECOVERY_CODES)]
    return ["-".join(one[n : n + 4] for n in range(0, 16, 4)) for one in letters]


def looks_like_recovery(code: str) -> bool:
    return len(_plain(code)) == 16


def hashed(code: str, person: str) -> str:
    """As it is kept. So many random bits need no slow hash."""
    return sha256(b"breakglass-recovery-v1\0" + person.encode() + b"\0" + _plain(code).encode()).hexdigest()


def _plain(code: str) -> str:
    return code.upper().translate(_AS_READ)
