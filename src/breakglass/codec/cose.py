"""COSE public keys: how authenticators and the roster write a passkey's key (RFC 9052, 7; RFC 9053, 7; RFC 8230, 4).

    ES256   {1: 2, 3: -7, -1: 1, -2: x, -3: y}     P-256, ECDSA with SHA-256; x and y have 32 bytes
    EdDSA   {1: 1, 3: -8, -1: 6, -2: x}            Ed25519; x has 32 bytes
    RS256   {1: 3, 3: -257, -1: n, -2: e}          RSA, PKCS #1 v1.5 with SHA-256, 2,048 to 4,096 bits

Written in CTAP2's canonical CBOR, as WebAuthn Level 2, 6.5.1.1 asks: these members in this order, no others, every
length definite and in its shortest form. Only bytes that writing would give are accepted, so that one key has one
fingerprint.
"""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from breakglass.codec.sshwire import malformed
from breakglass.errors import Malformed

Key = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
Members = dict[int, int | bytes]

KEY_MAX: Final = 600
"""Bytes; the largest real one, RSA with 4,096 bits, has 528."""
RSA_BITS: Final = range(2048, 4096 + 1)

_KTY, _ALG = 1, 3
_OKP, _EC2, _RSA = 1, 2, 3
_ES256, _EDDSA, _RS256 = -7, -8, -257
_P256, _ED25519 = 1, 6
_WHAT = "passkey's public key"


def write(key: Key) -> bytes:
    """The one form of this key. Raises `Malformed` for a curve or size that is not above."""
    match key:
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return _write({_KTY: _EC2, _ALG: _ES256, -1: _P256, -2: point[1:33], -3: point[33:]})
        case Ed25519PublicKey():
            return _write({_KTY: _OKP, _ALG: _EDDSA, -1: _ED25519, -2: key.public_bytes_raw()})
        case RSAPublicKey() if key.key_size in RSA_BITS:
            numbers = key.public_numbers()
            return _write({_KTY: _RSA, _ALG: _RS256, -1: _shortest(numbers.n), -2: _shortest(numbers.e)})
    raise malformed(_WHAT, "is of a curve or size that won't do: ES256, EdDSA and RS256 will")


def read(data: bytes) -> Key:
    """The key, ready to verify with. Raises `Malformed`."""
    if len(data) > KEY_MAX:
        raise malformed(_WHAT, f"is longer than {KEY_MAX} bytes")
    key = _key(_Cbor(data).members())
    if write(key) != data:
        raise malformed(_WHAT, "is not in its canonical form")
    return key


def check(key: Key, signature: bytes, data: bytes) -> None:
    """Returns, or raises `InvalidSignature`. Forms of signatures: WebAuthn Level 2, 6.5.6."""
    match key:
        case Ed25519PublicKey():
            key.verify(signature, data)
        case EllipticCurvePublicKey():
            key.verify(signature, data, ECDSA(SHA256()))  # DER, and only DER: OpenSSL writes it again and compares
        case RSAPublicKey():
            key.verify(signature, data, PKCS1v15(), SHA256())


def _key(members: Members) -> Key:
    try:
        match members:
            case {1: 2, 3: -7, -1: 1, -2: bytes(x), -3: bytes(y)} if len(x) == len(y) == 32:
                return EllipticCurvePublicKey.from_encoded_point(SECP256R1(), b"\x04" + x + y)
            case {1: 1, 3: -8, -1: 6, -2: bytes(x)} if len(x) == 32:
                return Ed25519PublicKey.from_public_bytes(x)
            case {1: 3, 3: -257, -1: bytes(n), -2: bytes(e)} if len(e) <= 8:
                return RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big")).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise malformed(_WHAT, "does not hold a key") from None
    raise Malformed(
        "The passkey's public key is of a kind that won't do.", what_to_do="Use a passkey for ES256, EdDSA or RS256."
    )


def _shortest(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


# -- CBOR, as much of it as such a key has (RFC 8949, 3) --------------------------------------------------------------
_UNSIGNED, _NEGATIVE, _BYTES, _MAP = 0, 1, 2, 5


def _write(members: Members) -> bytes:
    """In the order given: CTAP2's, in which 1 and 3 stand before -1, -2 and -3."""
    parts = [_head(_MAP, len(members))]
    for label, value in members.items():
        parts += [_number(label), _head(_BYTES, len(value)) + value if isinstance(value, bytes) else _number(value)]
    return b"".join(parts)


def _number(value: int) -> bytes:
    return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    size = 1 if argument < 0x100 else 2  # nothing here is longer than 65,535
    return bytes([major << 5 | 23 + size]) + argument.to_bytes(size, "big")


class _Cbor:
    """Reads one map of whole numbers to whole numbers or bytes; `read` compares the rest with what would be written."""

    __slots__ = ("_data", "_place")

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def members(self) -> Members:
        major, count = self._head()
        if major != _MAP or count > 5:
            raise malformed(_WHAT, "is not a COSE key")
        found: Members = {}
        for _ in range(count):
            label = self._item()
            if isinstance(label, bytes) or label in found:
                raise malformed(_WHAT, "has a member twice, or one without a number")
            found[label] = self._item()
        if self._place != len(self._data):
            raise malformed(_WHAT, "has bytes left over")
        return found

    def _item(self) -> int | bytes:
        major, argument = self._head()
        if major == _BYTES:
            return self._take(argument)
        if major not in {_UNSIGNED, _NEGATIVE}:
            raise malformed(_WHAT, "holds something else than numbers and bytes")
        return argument if major == _UNSIGNED else -1 - argument

    def _head(self) -> tuple[int, int]:
        """Major type and argument. An indefinite length is none of these, and neither are longer arguments."""
        first = self._take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        if short > 25:
            raise malformed(_WHAT, "holds a length that is indefinite or too large")
        return major, int.from_bytes(self._take(short - 23), "big")

    def _take(self, size: int) -> bytes:
        end = self._place + size
        if end > len(self._data):
            raise malformed(_WHAT, "is cut short")
        taken, self._place = self._data[self._place : end], end
        return taken
