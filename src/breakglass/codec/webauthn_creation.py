"""A passkey that was just made: what the browser brings of it (W3C Web Authentication, Level 2, 7.1).

    authenticatorData   SHA-256(rp) | flags | counter | AAGUID (16) | length (2) | credential | COSE key
    clientDataJSON      type webauthn.create, the challenge that was given out, the page's origin

No attestation is asked for: what makes a new key count is that people sign it into the roster, not who built it.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from breakglass.codec import base64url, cose, webauthn
from breakglass.codec.sshwire import malformed
from breakglass.errors import BadSignature, Malformed

DATA_MAX: Final = 2048
"""Bytes of authenticatorData; RSA with 4,096 bits and the longest credential stay below."""
_WHAT = "new passkey"
_HEAD = 37
_AAGUID = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    credential: str
    """Base64url."""
    public: str
    """COSE key, base64url."""
    bound_to_device: bool
    """It can't be copied to other devices by a provider's backup."""


def read(authenticator_data: str, client_data: str, *, message: bytes, rp: str, origin: str) -> Created:
    """Both parts as base64url. `message` is the text whose hash was the challenge.

    Raises `Malformed`, `BadSignature` for another page, another text, or a person who was not verified."""
    data = base64url.read(authenticator_data[: DATA_MAX * 2], "authenticator data")
    client = webauthn.client_data(base64url.read(client_data[: webauthn.CLIENT_DATA_MAX * 2], "client data"))
    if client.get("type") != "webauthn.create" or client.get("challenge") != webauthn.challenge(message):
        raise BadSignature("This passkey was made for another page.", what_to_do="Open your link again.")
    if client.get("origin") != origin or client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise BadSignature(
            f"This passkey was made on a page of {str(client.get('origin'))[:100]!r}, not of {origin}.",
            what_to_do=f"Open your link at {origin}.",
        )
    flags = data[32] if len(data) > _HEAD + _AAGUID + 2 else 0
    if not flags & webauthn.ATTESTED_DATA or flags & webauthn.EXTENSION_DATA or len(data) > DATA_MAX:
        raise malformed(_WHAT, "brings no key, or more than one")
    if data[:32] != sha256(rp.encode()).digest():
        raise BadSignature(f"This passkey is not for {rp}.", what_to_do=f"Open your link at {origin}.")
    if not flags & webauthn.USER_PRESENT or not flags & webauthn.USER_VERIFIED:
        raise BadSignature(
            "The passkey did not make sure who you are.", what_to_do="Set a PIN or a finger on it, and try again."
        )
    at = _HEAD + _AAGUID
    length = int.from_bytes(data[at : at + 2], "big")
    credential, public = data[at + 2 : at + 2 + length], data[at + 2 + length :]
    if length not in webauthn.CREDENTIAL_BYTES or len(credential) != length:
        raise malformed(_WHAT, "names a credential that is too short or too long")
    try:
        cose.read(public)
    except Malformed:
        raise malformed(_WHAT, "has a key of a kind that won't do: ES256, EdDSA and RS256 will") from None
    return Created(
        credential=base64url.write(credential),
        public=base64url.write(public),
        bound_to_device=not flags & webauthn.BACKUP_ELIGIBLE,
    )
