"""Shamir's sharing of a secret over GF(2^8), as SLIP-0039 has it: other people's tools combine our shares.

    secret ─▶ encrypted (no passphrase) ─▶ at x = 255 ─┐
    4 bytes of HMAC over it, random bytes ─▶ at x = 254 ─┴─▶ the polynomial ─▶ values at x = 0 … n - 1, the shares

The digest tells a wrong combination from a right one without knowing the secret. k - 1 shares tell nothing at all.
Source: SLIP-0039, on sharing and on encrypting the master secret; A. Shamir, How to Share a Secret (1979).
"""

import hmac
import os
from collections.abc import Iterable, Mapping
from hashlib import pbkdf2_hmac

from breakglass.vault.field import invert, multiply

_SECRET_AT, _DIGEST_AT = 255, 254
_DIGEST = 4
Bytes = bytes | bytearray
_ROUNDS = 4
_ITERATIONS = 10_000


class DoesNotFit(Exception):
    """These values do not lie on one polynomial of the digest: one of them is wrong, or of another set."""


def share(secret: bytes, k: int, n: int) -> list[bytearray]:
    """Values at 0 … n - 1, any `k` of which make the secret again. With k = 1 each is the secret itself."""
    if k == 1:
        return [bytearray(secret) for _ in range(n)]
    noise = os.urandom(len(secret) - _DIGEST)
    known: dict[int, Bytes] = {_SECRET_AT: bytes(secret), _DIGEST_AT: _digest(noise, secret) + noise}
    # k points make the polynomial: these two, and as many shares as are still free to be random.
    known |= {x: os.urandom(len(secret)) for x in range(k - 2)}
    return [bytearray(known[x]) if x in known else interpolate(known, x) for x in range(n)]


def recover(points: Mapping[int, Bytes]) -> bytearray:
    """The secret from exactly k values, by their x. Raises `DoesNotFit`."""
    if len(points) == 1:
        return bytearray(*points.values())
    secret, digest = interpolate(points, _SECRET_AT), interpolate(points, _DIGEST_AT)
    if not hmac.compare_digest(_digest(bytes(digest[_DIGEST:]), secret), bytes(digest[:_DIGEST])):
        raise DoesNotFit
    return secret


def interpolate(points: Mapping[int, Bytes], at: int) -> bytearray:
    """The polynomial's value at `at` (Lagrange). The weights come from the public points alone."""
    result = bytearray(len(next(iter(points.values()))))
    for point, value in points.items():
        weight = 1
        for other in points:
            if other != point:
                weight = multiply(weight, multiply(at ^ other, invert(point ^ other)))
        for place, byte in enumerate(value):
            result[place] ^= multiply(byte, weight)
    return result


def encrypt(
    secret: bytes, identifier: int, *, passphrase: bytes = b"", exponent: int = 0, salted: bool = True
) -> bytes:
    """The format's own encryption: a Feistel network of four rounds of PBKDF2. Without a passphrase it hides nothing,
    but other tools expect it. `salted` is false for shares with the extendable flag."""
    return _feistel(secret, range(_ROUNDS), identifier, passphrase, exponent, salted)


def decrypt(
    sealed: bytes, identifier: int, *, passphrase: bytes = b"", exponent: int = 0, salted: bool = True
) -> bytes:
    return _feistel(sealed, reversed(range(_ROUNDS)), identifier, passphrase, exponent, salted)


def _feistel(
    data: bytes, rounds: Iterable[int], identifier: int, passphrase: bytes, exponent: int, salted: bool
) -> bytes:
    half = len(data) // 2
    left, right = bytes(data[:half]), bytes(data[half:])
    salt = b"shamir" + identifier.to_bytes(2, "big") if salted else b""
    for number in rounds:
        made = pbkdf2_hmac(
            "sha256", bytes([number]) + passphrase, salt + right, (_ITERATIONS << exponent) // _ROUNDS, half
        )
        left, right = right, bytes(a ^ b for a, b in zip(left, made, strict=True))
    return right + left


def _digest(noise: bytes, secret: Bytes) -> bytes:
    return hmac.digest(noise, bytes(secret), "sha256")[:_DIGEST]
