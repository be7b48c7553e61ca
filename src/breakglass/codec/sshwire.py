"""SSH's wire format and public keys: what SSHSIG, the roster and the gateway read and write.

    string  uint32 length | bytes         mpint  a string: two's complement, big-endian, shortest     (RFC 4251, 5)
    key     string type | what the type asks for        its line: ssh-ed25519 AAAAC3Nza… comment      (RFC 4253, 6.6)

Reading is strict: only bytes that writing would give are accepted, so that one key has one line and one fingerprint.
"""

import re
from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurve,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

from breakglass.errors import Malformed

ED25519, RSA = "ssh-ed25519", "ssh-rsa"
SK_ED25519, SK_ECDSA = "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"
CURVES: dict[str, tuple[str, type[EllipticCurve]]] = {
    "ecdsa-sha2-nistp256": ("nistp256", SECP256R1),
    "ecdsa-sha2-nistp384": ("nistp384", SECP384R1),
    "ecdsa-sha2-nistp521": ("nistp521", SECP521R1),
    SK_ECDSA: ("nistp256", SECP256R1),
}
KEY_TYPES = frozenset({ED25519, RSA, SK_ED25519, *CURVES})

RSA_BITS = range(2048, 16384 + 1)
LINE_MAX = 8000
"""Characters; an RSA key of 16,384 bits needs 2,800 and leaves room for a comment."""


# -- primitives -------------------------------------------------------------------------------------------------------
def uint32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def string(data: bytes) -> bytes:
    return uint32(len(data)) + data


def mpint(value: int) -> bytes:
    """`value` is not negative: nothing that is read here may be."""
    if value < 0:
        raise ValueError("no negative number stands in a key or a signature")
    return string(value.to_bytes((value.bit_length() + 8) // 8, "big") if value else b"")


class Reader:
    """Reads from the front; `done` makes sure that nothing is left. Everything raises `Malformed`."""

    __slots__ = ("_data", "_place", "_what")

    def __init__(self, data: bytes, what: str) -> None:
        self._data, self._what, self._place = data, what, 0

    def take(self, size: int) -> bytes:
        end = self._place + size
        if end > len(self._data):
            raise malformed(self._what, "is cut short")
        taken, self._place = self._data[self._place : end], end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def uint32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.uint32())

    def text(self) -> str:
        """A string of printable ASCII: SSH's names are nothing else."""
        data = self.string()
        if not all(0x20 < byte < 0x7F for byte in data):
            raise malformed(self._what, "holds a name that is not plain ASCII")
        return data.decode("ascii")

    def mpint(self) -> int:
        """A number that is not negative, in its shortest form."""
        data = self.string()
        value = int.from_bytes(data, "big")
        if string(data) != mpint(value):
            raise malformed(self._what, "holds a number that is negative or not in its shortest form")
        return value

    def done(self) -> None:
        if self._place != len(self._data):
            raise malformed(self._what, "has bytes left over")


def malformed(what: str, problem: str) -> Malformed:
    return Malformed(f"The {what} {problem}.", what_to_do="Send it again, whole and unchanged.")


def strict_base64(text: str, what: str) -> bytes:
    """RFC 4648, section 4, padded, without spare bits or line ends: one text for one value. Raises `Malformed`."""
    try:
        data = a2b_base64(text.encode("ascii"), strict_mode=True)
    except (NotBase64, UnicodeEncodeError):
        raise malformed(what, "is not base64") from None
    if b64encode(data).decode() != text:
        raise malformed(what, "is not base64 in its canonical form")
    return data


# -- public keys ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """What a key's line says; `blob` is what counts."""

    type: str
    blob: bytes
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedKey:
    """A key blob, checked and ready to verify with."""

    type: str
    key: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
    application: bytes | None
    """A security key's application (`ssh:…`); None for every other key."""


def parse_line(text: str) -> PublicKey:
    """An OpenSSH public key line, `type base64 [comment]`, as `.pub` files hold it: no options before it.

    Raises `Malformed`, also for a type that is not in `KEY_TYPES` and for a key that is too weak.
    """
    if len(text) > LINE_MAX:
        raise malformed("public key", f"is longer than {LINE_MAX} characters")
    text = text.removesuffix("\n").removesuffix("\r").strip(" \t")
    words = re.split(r"[ \t]+", text, maxsplit=2)
    if len(words) < 2 or "\n" in text or "\r" in text:
        raise Malformed("This is not one public key.", what_to_do="Give one line of a .pub file: type, key, comment.")
    blob = strict_base64(words[1], "public key")
    if open_key(blob).type != words[0]:
        raise malformed("public key", "is of another type than its line says")
    return PublicKey(type=words[0], blob=blob, comment=words[2] if len(words) == 3 else "")


def key_blob(text: str) -> bytes:
    return parse_line(text).blob


def line(blob: bytes) -> str:
    """The one line of this key, without a comment. Raises `Malformed`."""
    return f"{open_key(blob).type} {b64encode(blob).decode()}"


def canonical_line(text: str) -> str:
    return line(key_blob(text))


def fingerprint(blob: bytes) -> str:
    """`SHA256:…`, as `ssh-keygen -l` prints it."""
    return f"SHA256:{b64encode(sha256(blob).digest()).decode().rstrip('=')}"


def ed25519_blob(public: Ed25519PublicKey) -> bytes:
    return string(ED25519.encode()) + string(public.public_bytes_raw())


def open_key(blob: bytes) -> OpenedKey:
    """Check every part of a key blob (RFC 4253, 5656, 8709; OpenSSH PROTOCOL.u2f). Raises `Malformed`."""
    read = Reader(blob, "public key")
    kind = read.text()
    key: Ed25519PublicKey | EllipticCurvePublicKey | RSAPublicKey
    if kind in {ED25519, SK_ED25519}:
        key = _ed25519(read)
    elif kind in CURVES:
        key = _ecdsa(read, *CURVES[kind])
    elif kind == RSA:
        key = _rsa(read)
    else:
        raise Malformed(
            f"A key of type {kind[:60]!r} won't do.",
            what_to_do=f"Use one of: {', '.join(sorted(KEY_TYPES))}. `ssh-keygen -t ed25519` makes a good one.",
        )
    application = _application(read) if kind in {SK_ED25519, SK_ECDSA} else None
    read.done()
    return OpenedKey(type=kind, key=key, application=application)


def _ed25519(read: Reader) -> Ed25519PublicKey:
    point = read.string()
    if len(point) != 32:
        raise malformed("public key", "is not 32 bytes long, as Ed25519 is")
    return Ed25519PublicKey.from_public_bytes(point)


def _ecdsa(read: Reader, name: str, curve: type[EllipticCurve]) -> EllipticCurvePublicKey:
    if read.text() != name:
        raise malformed("public key", "names another curve than its type")
    point = read.string()
    if not point.startswith(b"\x04"):  # OpenSSH takes no compressed point either
        raise malformed("public key", "is not an uncompressed point")
    try:
        return EllipticCurvePublicKey.from_encoded_point(curve(), point)
    except (ValueError, UnsupportedAlgorithm):
        raise malformed("public key", f"is not a point on {name}") from None


def _rsa(read: Reader) -> RSAPublicKey:
    e, n = read.mpint(), read.mpint()
    if n.bit_length() not in RSA_BITS:
        raise Malformed(
            f"An RSA key of {n.bit_length()} bits won't do.",
            what_to_do=f"It needs {RSA_BITS[0]} to {RSA_BITS[-1]} bits; better: `ssh-keygen -t ed25519`.",
        )
    if e.bit_length() > 64:  # OpenSSL refuses larger ones only for some moduli; nobody makes them
        raise malformed("public key", "has an RSA exponent that is too large")
    try:
        return RSAPublicNumbers(e, n).public_key()
    except ValueError:
        raise malformed("public key", "is not an RSA key") from None


def _application(read: Reader) -> bytes:
    """`ssh-keygen` makes keys for applications under `ssh:` only; others belong to web sites."""
    application = read.text()
    if not application.startswith("ssh:"):
        raise malformed("public key", "is a security key for another application than SSH")
    return application.encode()
