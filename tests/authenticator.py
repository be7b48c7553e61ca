"""A passkey in software, and the browser around it: real assertions over real keys (WebAuthn Level 2, 6.3.3 and 5.8.1).

Everything that an honest authenticator and browser would say can be said wrongly, by name, as a hostile one would.
"""

import json
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA256

from breakglass.codec import base64url, cose, sshwire, webauthn
from breakglass.codec.webauthn import Assertion
from breakglass.trust.statement import Signed

RP, ORIGIN = "host.example", "https://host.example"
UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | RSAPrivateKey


@lru_cache
def private(name: str, kind: str = "ES256") -> PrivateKey:
    seed = sha256(f"breakglass test passkey {name}".encode()).digest()
    if kind == "ES256":
        return derive_private_key(int.from_bytes(seed, "big") >> 1, SECP256R1())
    return Ed25519PrivateKey.from_private_bytes(seed) if kind == "EdDSA" else generate_rsa(65537, 2048)


@dataclass
class Passkey:
    """One credential. What `said` holds is said in each assertion instead of the truth."""

    name: str
    kind: str = "ES256"
    rp: str = RP
    origin: str = ORIGIN
    counter: int = 0
    said: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> PrivateKey:
        return private(self.name, self.kind)

    @property
    def cose(self) -> bytes:
        return cose.write(self.key.public_key())

    @property
    def credential(self) -> bytes:
        return sha256(f"credential {self.name}".encode()).digest()

    @property
    def fingerprint(self) -> str:
        return sshwire.fingerprint(self.cose)

    @property
    def wanted(self) -> dict[str, Any]:
        """What a verifier knows of it (`webauthn.verify`)."""
        return {"public": self.cose, "credential": self.credential, "rp": self.rp, "origins": [self.origin]}

    def entry(self, **more: Any) -> dict[str, Any]:
        """As it stands in a roster."""
        return {
            "kind": "passkey",
            "public": base64url.write(self.cose),
            "credential": base64url.write(self.credential),
            "rp": self.rp,
            "origins": [self.origin],
            "label": f"{self.name}'s phone",
            **more,
        }

    def raw_sign(self, data: bytes) -> bytes:
        match self.key:
            case EllipticCurvePrivateKey() as elliptic:
                return elliptic.sign(data, ECDSA(SHA256()))
            case Ed25519PrivateKey() as edwards:
                return edwards.sign(data)
            case RSAPrivateKey() as rsa:
                return rsa.sign(data, PKCS1v15(), SHA256())

    def assertion(
        self,
        message: bytes,
        *,
        client: dict[str, Any] | bytes | None = None,
        rp: str | None = None,
        flags: int = UP | UV | BE | BS,
        more_data: bytes = b"",
        **said: Any,
    ) -> Assertion:
        """`said` replaces members of clientDataJSON (None takes one away), `client` replaces it whole."""
        truth = {
            "type": "webauthn.get",
            "challenge": webauthn.challenge(message),
            "origin": self.origin,
            "crossOrigin": False,
        }
        members = {name: one for name, one in {**truth, **self.said, **said}.items() if one is not None}
        data = client if isinstance(client, bytes) else json.dumps(client or members, separators=(",", ":")).encode()
        self.counter += bool(self.counter)  # a passkey that is kept on several devices always says 0
        where = sha256((rp or self.rp).encode()).digest()
        seen = where + struct.pack(">BI", flags, self.counter) + more_data
        return Assertion(
            credential=self.credential,
            authenticator_data=seen,
            client_data=data,
            signature=self.raw_sign(seen + sha256(data).digest()),
        )

    def sign(self, text: str, **said: Any) -> Signed:
        """What comes back from the page that showed `text`."""
        return Signed(text, webauthn.armor(self.assertion(text.encode(), **said)))
