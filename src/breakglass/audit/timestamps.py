"""RFC 3161 timestamps over checkpoints: somebody else's clock and key say that a checkpoint was there at that moment.

What is timestamped are the exact bytes of a checkpoint as the log stores and exports it, by SHA-256. A receipt is the
whole TimeStampResp (RFC 3161, 2.4.2): `openssl ts -verify` reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from sqlalchemy import Engine

from breakglass.audit.beside import anchors
from breakglass.audit.source import reading
from breakglass.errors import BadSignature, Malformed, Tampered

RFC3161 = "rfc3161"
MADE = "anchor.made"
RECEIPT_MAX = 64 * 1024
"""Bytes."""
_GRANTED = (0, 1)
"""PKIStatus granted, grantedWithMods."""


@dataclass(frozen=True, slots=True)
class Stamp:
    at: datetime
    by: str
    """The authority's name for itself, where the token has one."""


def authorities(file: Path) -> Sequence[x509.Certificate]:
    """The certificates that are believed, from a PEM file. Raises `Malformed`."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Malformed(
            f"{file} holds no certificates: {error}.", what_to_do="Name a PEM file of the timestamp authority's roots."
        ) from None


def request(checkpoint: bytes) -> TimeStampRequest:
    """With a nonce, asking for the authority's certificate, so that the receipt stands alone."""
    builder = TimestampRequestBuilder().data(checkpoint).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build()


def check(
    receipt: bytes, checkpoint: bytes, roots: Sequence[x509.Certificate], *, asked: TimeStampRequest | None = None
) -> Stamp:
    """What the receipt says about these bytes. `asked`: it must answer this request.

    Raises `Malformed` for what is no receipt, `BadSignature` for one of other bytes, of another request, or by somebody
    whom the roots do not vouch for."""
    if len(receipt) > RECEIPT_MAX:
        raise Malformed("The receipt is too long.", what_to_do="Look at the timestamp authority.")
    try:
        answer = decode_timestamp_response(receipt)
        granted = answer.status in _GRANTED
    except (ValueError, TypeError) as error:
        raise Malformed(f"It is no timestamp: {error}.", what_to_do="Look at the timestamp authority.") from None
    if not granted:
        raise BadSignature(
            f"The authority gave no timestamp: status {answer.status}.", what_to_do="Look at the timestamp authority."
        )
    builder = VerifierBuilder() if asked is None else VerifierBuilder.from_request(asked)
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        builder.build().verify_message(answer, checkpoint)
    except (VerificationError, ValueError) as error:
        raise BadSignature(
            f"The timestamp does not hold: {error}.", what_to_do="Keep it, and look at the timestamp authority."
        ) from None
    said = answer.tst_info
    name = said.name.value.rfc4514_string() if isinstance(said.name, x509.DirectoryName) else ""
    return Stamp(at=said.gen_time, by=name)


@dataclass(frozen=True, slots=True)
class Kept:
    size: int
    at: datetime
    """What the receipt says."""
    checkpoint: bytes
    receipt: bytes


def kept(engine: Engine) -> Sequence[Kept]:
    """All receipts of a log with their checkpoints, the oldest first; what they say is not verified here. Raises
    `Tampered` for what is no receipt."""
    with reading(engine) as db:
        found = [one for one in anchors(db) if one.kind == RFC3161]
    try:
        return [
            Kept(one.size, decode_timestamp_response(one.receipt).tst_info.gen_time, one.checkpoint or b"", one.receipt)
            for one in found
        ]
    except (ValueError, TypeError):
        raise Tampered(
            "What stands beside the log is no timestamp.", what_to_do="Run `breakglass audit verify`."
        ) from None
