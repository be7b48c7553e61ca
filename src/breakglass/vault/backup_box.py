"""The encryption of backups: to a public key, so that a node makes them alone, and only the root key opens them.

    root key ──HKDF "backup"──▶ X25519 private key (kept nowhere)      its public key stands in keys.json
    public key ──HPKE──▶ wraps the file's own key (random)  ──AES-256-GCM, in chunks──▶ content

Chunks are STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption, 2015): the nonce is 7 zero
bytes, the chunk's number (u32) and 1 for the last chunk; so none can be dropped, repeated, exchanged or cut off
unnoticed. The file's key is bound to the header before it (HPKE's `info`), and is used for one file only.
"""

import struct
from collections.abc import Iterator
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES, bind, random_key

CHUNK = 64 * 1024
TAG = 16
WRAPPED_BYTES = 32 + KEY_BYTES + 16
_NONCE = struct.Struct(">7xIB")


class Closing:
    """A file to write to, which encrypts; `close` writes the last chunk."""

    def __init__(self, out: IO[bytes], public_key: bytes, header: bytes, what: str = "backup") -> None:
        key = random_key()
        wrapped = _suite().encrypt(key.reveal(), X25519PublicKey.from_public_bytes(public_key), _info(header, what))
        self._out, self._key, self._cipher = out, key, AESGCM(key.reveal())
        self._waiting, self._number = bytearray(), 0
        out.write(wrapped)

    def write(self, data: bytes) -> int:
        self._waiting += data
        # One chunk always waits: only at the end it is known which one is the last.
        while len(self._waiting) > CHUNK:
            self._chunk(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def close(self) -> None:
        self._chunk(bytes(self._waiting), last=True)
        self._waiting.clear()
        self._key.wipe()

    def _chunk(self, data: bytes, *, last: bool) -> None:
        self._out.write(self._cipher.encrypt(_NONCE.pack(self._number, last), data, None))
        self._number += 1


class Opening:
    """A file to read from, which decrypts. Raises `Tampered` where a byte is not the one that was written."""

    def __init__(self, source: IO[bytes], private_key: Secret, header: bytes) -> None:
        private = X25519PrivateKey.from_private_bytes(private_key.reveal())
        try:
            key = _suite().decrypt(source.read(WRAPPED_BYTES), private, _info(header))
        except (InvalidTag, ValueError):
            raise _changed() from None
        self._cipher, self._chunks, self._have = AESGCM(key), self._read_chunks(source), b""

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        while len(self._have) < size and (more := next(self._chunks, None)) is not None:
            self._have += more
        found, self._have = self._have[:size], self._have[size:]
        return found

    def _read_chunks(self, source: IO[bytes]) -> Iterator[bytes]:
        number, sealed = 0, source.read(CHUNK + TAG)
        while True:
            following = source.read(CHUNK + TAG)
            try:
                yield self._cipher.decrypt(_NONCE.pack(number, not following), sealed, None)
            except (InvalidTag, ValueError):
                raise _changed() from None
            if not following:
                return
            number, sealed = number + 1, following


def public_of(private_key: Secret) -> bytes:
    return X25519PrivateKey.from_private_bytes(private_key.reveal()).public_key().public_bytes_raw()


def _info(header: bytes, what: str = "backup") -> bytes:
    return bind(f"breakglass {what} key", 1, header)


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _changed() -> Tampered:
    return Tampered(
        "The backup was changed or cut short, or its vault is another one.",
        what_to_do="Use another copy of it, or an older backup. Nothing of this one was put in place.",
    )
