"""SSHSIG: signatures that `ssh-keygen -Y sign` makes and `ssh-keygen -Y verify` checks (OpenSSH PROTOCOL.sshsig).

    -----BEGIN SSH SIGNATURE-----          "SSHSIG" | uint32 1 | key | namespace | reserved | hash | signature
    base64 of ──────────────────▶          what is signed:
    -----END SSH SIGNATURE-----            "SSHSIG" | namespace | reserved | hash | H(message)

A security key (`sk-`, PROTOCOL.u2f) signs that and, with it, what it saw: a touch, a PIN or finger. A touch is always
asked for. RSA signs with SHA-2 only. One changed byte anywhere makes the signature `Malformed` or `BadSignature`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from breakglass.codec import armor as armors
from breakglass.codec.sshwire import (
    ED25519,
    RSA,
    OpenedKey,
    Reader,
    ed25519_blob,
    fingerprint,
    malformed,
    open_key,
    string,
    uint32,
)
from breakglass.errors import BadSignature

MAGIC: Final = b"SSHSIG"
VERSION: Final = 1
ARMOR_MAX: Final = 20_000
"""Characters; the largest real one, RSA with 16,384 bits, has 5,800."""

USER_PRESENT: Final = 0x01
USER_VERIFIED: Final = 0x04

_WHAT = "signature"
LABEL = "SSH SIGNATURE"
_HASHES: dict[str, Callable[[bytes], bytes]] = {
    "sha256": lambda message: sha256(message).digest(),
    "sha512": lambda message: sha512(message).digest(),
}
_RSA_HASHES: dict[str, HashAlgorithm] = {"rsa-sha2-256": SHA256(), "rsa-sha2-512": SHA512()}
_CURVE_HASHES: dict[str, HashAlgorithm] = {"secp256r1": SHA256(), "secp384r1": SHA384(), "secp521r1": SHA512()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SshSig:
    """A signature, taken apart and not verified yet."""

    key_blob: bytes
    namespace: str
    reserved: bytes
    """For a future of the format; to be ignored, but covered by the signature."""
    hash_algorithm: str
    signature_algorithm: str
    signature: bytes
    """Ed25519: 64 bytes. ECDSA: mpint r | mpint s. RSA: as long as the modulus."""
    sk_flags: int | None = None
    """What a security key saw; None for every other key."""
    sk_counter: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Whose key signed; who that is, the roster says."""

    key_blob: bytes
    fingerprint: str
    key_type: str
    sk_flags: int | None
    """The flags that a security key signed; None for every other key."""

    @property
    def user_present(self) -> bool:
        """Somebody touched the security key for this signature."""
        return bool((self.sk_flags or 0) & USER_PRESENT)

    @property
    def user_verified(self) -> bool:
        """The security key also asked for its PIN or a finger."""
        return bool((self.sk_flags or 0) & USER_VERIFIED)


def parse(armored: str) -> SshSig:
    """Raises `Malformed` unless every length is exact, nothing is left over and the key is of a supported type.

    Of the armour's lines, see `codec.armor`.
    """
    read = Reader(armors.read(LABEL, armored, _WHAT, longest=ARMOR_MAX), _WHAT)
    if read.take(len(MAGIC)) != MAGIC:
        raise malformed(_WHAT, "is not an SSH signature")
    if read.uint32() != VERSION:
        raise malformed(_WHAT, "is of a version that is not known")
    key_blob = read.string()
    namespace, reserved, hash_algorithm = read.string(), read.string(), read.text()
    inner = Reader(read.string(), _WHAT)
    read.done()

    key = open_key(key_blob)
    algorithm, signature = inner.text(), inner.string()
    flags, counter = (None, None) if key.application is None else (inner.byte(), inner.uint32())
    inner.done()
    if hash_algorithm not in _HASHES:
        raise malformed(_WHAT, "uses a hash that won't do: sha256 or sha512 will")
    if algorithm not in (_RSA_HASHES if key.type == RSA else {key.type}):
        raise malformed(_WHAT, f"uses the algorithm {algorithm[:60]!r}, which won't do for its key")
    return SshSig(
        key_blob=key_blob,
        namespace=_namespace(namespace),
        reserved=reserved,
        hash_algorithm=hash_algorithm,
        signature_algorithm=algorithm,
        signature=signature,
        sk_flags=flags,
        sk_counter=counter,
    )


def signed_bytes(message: bytes, *, namespace: str, hash_algorithm: str = "sha512", reserved: bytes = b"") -> bytes:
    """What a key signs for `message` (PROTOCOL.sshsig, section 3)."""
    digest = _HASHES[hash_algorithm](message)
    return MAGIC + string(namespace.encode()) + string(reserved) + string(hash_algorithm.encode()) + string(digest)


def sk_signed_bytes(application: bytes, flags: int, counter: int, message: bytes) -> bytes:
    """What a security key signs for `message`, which is `signed_bytes(…)` here (PROTOCOL.u2f)."""
    return sha256(application).digest() + bytes([flags]) + uint32(counter) + sha256(message).digest()


def armor(sig: SshSig) -> str:
    """The text that `ssh-keygen -Y verify` reads, in lines as `ssh-keygen -Y sign` breaks them."""
    inner = string(sig.signature_algorithm.encode()) + string(sig.signature)
    if sig.sk_flags is not None and sig.sk_counter is not None:
        inner += bytes([sig.sk_flags]) + uint32(sig.sk_counter)
    parts = (sig.key_blob, sig.namespace.encode(), sig.reserved, sig.hash_algorithm.encode(), inner)
    return armors.write(LABEL, MAGIC + uint32(VERSION) + b"".join(map(string, parts)))


def verify(armored: str, message: bytes, *, namespace: str) -> Verified:
    """Whose key signed exactly `message` in this namespace. Raises `Malformed`, `BadSignature`."""
    sig = parse(armored)
    if sig.namespace != namespace:
        raise BadSignature(
            f"The signature was made for {sig.namespace[:60]!r}, not for {namespace!r}.",
            what_to_do=f"Sign with `ssh-keygen -Y sign -n {namespace}`.",
        )
    key = open_key(sig.key_blob)
    data = signed_bytes(message, namespace=namespace, hash_algorithm=sig.hash_algorithm, reserved=sig.reserved)
    if key.application is not None and sig.sk_flags is not None and sig.sk_counter is not None:
        if not sig.sk_flags & USER_PRESENT:
            raise BadSignature(
                "The security key signed without being touched.",
                what_to_do="Make the key without `-O no-touch-required`, and touch it when it blinks.",
            )
        data = sk_signed_bytes(key.application, sig.sk_flags, sig.sk_counter, data)
    try:
        _check(key, sig, data)
    except InvalidSignature:
        raise BadSignature(
            "The signature does not fit the text.", what_to_do="Sign the text anew, exactly as it was given to you."
        ) from None
    return Verified(
        key_blob=sig.key_blob, fingerprint=fingerprint(sig.key_blob), key_type=key.type, sk_flags=sig.sk_flags
    )


def sign_ed25519(private_key: Ed25519PrivateKey, message: bytes, namespace: str) -> str:
    """The same text as `ssh-keygen -Y sign` gives for this key (Ed25519 has one signature for one message)."""
    return armor(
        SshSig(
            key_blob=ed25519_blob(private_key.public_key()),
            namespace=namespace,
            reserved=b"",
            hash_algorithm="sha512",
            signature_algorithm=ED25519,
            signature=private_key.sign(signed_bytes(message, namespace=namespace)),
        )
    )


def _namespace(data: bytes) -> str:
    try:
        namespace = data.decode()
    except UnicodeDecodeError:
        namespace = ""
    if not namespace:
        raise malformed(_WHAT, "has no readable namespace")
    return namespace


def _check(opened: OpenedKey, sig: SshSig, data: bytes) -> None:
    """Raises `InvalidSignature`, `Malformed`."""
    match opened.key:
        case Ed25519PublicKey() as edwards:
            edwards.verify(sig.signature, data)
        case EllipticCurvePublicKey() as elliptic:
            read = Reader(sig.signature, _WHAT)
            r, s = read.mpint(), read.mpint()
            read.done()
            elliptic.verify(encode_dss_signature(r, s), data, ECDSA(_CURVE_HASHES[elliptic.curve.name]))
        case RSAPublicKey() as rsa:
            if len(sig.signature) != (rsa.key_size + 7) // 8:
                raise InvalidSignature
            rsa.verify(sig.signature, data, PKCS1v15(), _RSA_HASHES[sig.signature_algorithm])
