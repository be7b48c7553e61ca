"""The key of one recording, wrapped to the recording public key of the roster: who records can't read it back.

HPKE, base mode (RFC 9180): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; one shot, empty additional data.
`info` binds session and stream, so the wrapped key of one recording does not open in the header of another.

    format u8 = 1 | enc 32 bytes | ciphertext 32 bytes | tag 16 bytes
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES, bind

FORMAT = 1
WRAPPED_BYTES = 1 + 32 + KEY_BYTES + 16


def generate() -> tuple[Secret, bytes]:
    """A key pair of recordings, private and public, 32 bytes each (RFC 7748)."""
    private = X25519PrivateKey.generate()
    return Secret(private.private_bytes_raw()), private.public_key().public_bytes_raw()


def wrap(public_key: bytes, key: Secret, info: bytes) -> bytes:
    """The 32-byte key of a recording, openable only with the private key; `info` is `recording_info(…)`."""
    if len(key) != KEY_BYTES:
        raise ValueError("the key of a recording is 32 bytes")
    return bytes([FORMAT]) + _suite().encrypt(key.reveal(), X25519PublicKey.from_public_bytes(public_key), info)


def unwrap(private_key: Secret, blob: bytes, info: bytes) -> Secret:
    """The key again. Raises `Tampered` for another recording's blob, another key pair or any changed byte."""
    if len(blob) != WRAPPED_BYTES or blob[0] != FORMAT:
        raise _foreign()
    private = X25519PrivateKey.from_private_bytes(private_key.reveal())
    try:
        return Secret(_suite().decrypt(blob[1:], private, info))
    except (InvalidTag, ValueError):  # ValueError: a public value of small order
        raise _foreign() from None


def recording_info(session: str, stream: str) -> bytes:
    """What a wrapped key is bound to."""
    return bind("breakglass recording key", FORMAT, session, stream)


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _foreign() -> Tampered:
    return Tampered(
        "The wrapped key does not belong to this recording, or was changed.",
        what_to_do="Fetch the recording again from its store; if it is still so, call the auditors.",
    )
