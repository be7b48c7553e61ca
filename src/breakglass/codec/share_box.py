"""A share on its way from the vault to whoever shows it to one person: closed to a key that was made for this alone.

    vault ── box ──▶ node ── box ──▶ who runs the ceremony        node, database, and logs see only the box

HPKE (RFC 9180), base mode: DHKEM(X25519), HKDF-SHA256, AES-256-GCM. `about` is its `info`: a box for another place does
not open here.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from breakglass.errors import Malformed, Tampered

KEY = 32
"""Bytes of a public key."""


def about(deployment: str, set_name: str, index: int) -> bytes:
    """Share `index` (1..n) of this set."""
    return f"breakglass share box 1\n{deployment}\n{set_name}\n{index}\n".encode()


def close(share: bytes, to: bytes, about: bytes) -> bytes:
    """`to`: an X25519 public key. Raises `Malformed` for what is none."""
    try:
        if len(to) != KEY:
            raise ValueError
        return _suite().encrypt(share, X25519PublicKey.from_public_bytes(to), about)
    except ValueError:
        raise Malformed("There is no key to close the share to.", what_to_do="Bring an X25519 public key.") from None


def open(box: bytes, key: X25519PrivateKey, about: bytes) -> bytes:
    """Raises `Tampered`."""
    try:
        return _suite().decrypt(box, key, about)
    except (InvalidTag, ValueError):
        raise Tampered(
            "A share did not arrive as the vault sent it.", what_to_do="Begin again; the old shares still hold."
        ) from None


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
