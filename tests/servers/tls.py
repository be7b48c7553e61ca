"""A certificate of one's own for a server on loopback: self-signed, or issued by an authority of one's own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from breakglass.codec import x509 as pins


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    certificate: Path
    key: Path
    pin: str
    """The server's own certificate."""
    authority: str
    """The pin of whoever issued it."""


def certified(folder: Path, *, owner: int = -1) -> Certified:
    """Files of a key and a certificate for 127.0.0.1, the key 0600 and `owner`'s."""
    import os

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _made("breakglass-test-ca", ca_key, ca_key, "breakglass-test-ca", ca=True)
    own = _made("breakglass-test", key, ca_key, "breakglass-test-ca", ca=False)
    certificate, file = folder / "server.crt", folder / "server.key"
    certificate.write_bytes(own.public_bytes(Encoding.PEM))
    certificate.chmod(0o644)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    os.chown(file, owner, -1)
    return Certified(
        certificate=certificate,
        key=file,
        pin=pins.line(own.public_bytes(Encoding.DER)),
        authority=pins.line(authority.public_bytes(Encoding.DER)),
    )


def other_pin() -> str:
    """The pin of a certificate that nobody has."""
    key = ec.generate_private_key(ec.SECP256R1())
    return pins.line(_made("other", key, key, "other", ca=False).public_bytes(Encoding.DER))


def _made(
    name: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, issuer: str, *, ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=ca, crl_sign=ca, content_commitment=False, key_encipherment=False,
                data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
            ),
            critical=True,
        )
    )  # fmt: skip
    if not ca:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
    return builder.sign(by, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
