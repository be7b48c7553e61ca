"""One closed box: AES-256-GCM under a 32-byte key, bound to the words that say what is inside and where it belongs.

    nonce 12 bytes | ciphertext | tag 16 bytes

A box opens only with the same key *and* the same binding; anything else is `Tampered`. Nonces are random: one key must
close fewer than 2^32 boxes (NIST SP 800-38D, 8.3). A record key closes one; a KEK one for each version of a secret.
"""

import os
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from breakglass.errors import Tampered
from breakglass.model.secret import Secret

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
OVERHEAD = NONCE_BYTES + TAG_BYTES


def bind(*parts: str | int | bytes) -> bytes:
    """Additional data: each part with its length (4 bytes, big-endian) before it, numbers as 8 bytes.

    No two lists of parts of the same types give the same bytes, so `("ab", "c")` is never `("a", "bc")`.
    """
    out = bytearray()
    for part in parts:
        raw = part.to_bytes(8, "big") if isinstance(part, int) else part.encode() if isinstance(part, str) else part
        out += len(raw).to_bytes(4, "big") + raw
    return bytes(out)


def close_box(key: Secret, content: bytes | Secret, bound: bytes) -> bytes:
    """`nonce | ciphertext | tag`, `OVERHEAD` bytes longer than the content. `key` is 32 bytes."""
    nonce = os.urandom(NONCE_BYTES)
    plain = content.reveal() if isinstance(content, Secret) else content
    return nonce + AESGCM(_checked(key)).encrypt(nonce, plain, bound)


def open_box(key: Secret, box: bytes, bound: bytes, *, refusal: Callable[[], Tampered]) -> Secret:
    """The content. Raises what `refusal` makes when key, binding or any byte is not the one of `close_box`.

    The plaintext is written straight into memory that can be wiped; no immutable copy of it is made.
    """
    cipher = AESGCM(_checked(key))
    if len(box) < OVERHEAD:
        raise refusal()
    content = bytearray(len(box) - OVERHEAD)
    try:
        cipher.decrypt_into(box[:NONCE_BYTES], box[NONCE_BYTES:], bound, content)
    except InvalidTag:
        raise refusal() from None
    return Secret(content)


def random_key() -> Secret:
    """32 bytes from the operating system."""
    return Secret(os.urandom(KEY_BYTES))


def _checked(key: Secret) -> bytes:
    # A shorter key would quietly mean AES-128: that is a fault in our own code, not a refusal.
    if len(key) != KEY_BYTES:
        raise ValueError("a key is 32 bytes")
    return key.reveal()
