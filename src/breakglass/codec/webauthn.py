"""WebAuthn assertions: what a passkey signs when it is shown a text of ours (W3C Web Authentication, Level 2).

    text ──SHA-256──▶ challenge ─┐                             ┌─ SHA-256(rp) | flags | counter
    page's origin ───────────────┴▶ clientDataJSON      authenticatorData
                                       └─SHA-256─▶ signed: authenticatorData | hash

As text: armour, `-----BEGIN WEBAUTHN ASSERTION-----`, of "WEBAUTHN" | uint32 1 | string credential
| string authenticatorData | string clientDataJSON | string signature (strings as in SSH: RFC 4251, 5).

The public key, the domain and the origins are never taken from here: who verifies knows them from the roster. A page
that shows one text and has another one signed brings the wrong challenge. One changed byte is `Malformed` or
`BadSignature`.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature

from breakglass.codec import armor as armors
from breakglass.codec import base64url, cose
from breakglass.codec.sshwire import Reader, malformed, string, uint32
from breakglass.errors import BadSignature

LABEL: Final = "WEBAUTHN ASSERTION"
MAGIC: Final = b"WEBAUTHN"
VERSION: Final = 1
ARMOR_MAX: Final = 20_000
CREDENTIAL_BYTES: Final = range(16, 1023 + 1)
"""A credential's id has at least 100 bits of entropy in 16 bytes, and at most 1,023 bytes (Level 2, 4 and 6.1)."""
CLIENT_DATA_MAX: Final = 2048
"""Bytes; browsers write about 200, of which 43 are the challenge."""
SIGNATURE_MAX: Final = 512
AUTHENTICATOR_DATA: Final = 37

USER_PRESENT: Final = 0x01
USER_VERIFIED: Final = 0x04
BACKUP_ELIGIBLE: Final = 0x08
BACKED_UP: Final = 0x10
ATTESTED_DATA: Final = 0x40
EXTENSION_DATA: Final = 0x80

_WHAT = "passkey's signature"
_ANEW = "Open the page again, look at its address, and sign anew."


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """An assertion, taken apart and not verified yet: the bytes as the browser gave them."""

    credential: bytes
    authenticator_data: bytes
    client_data: bytes
    """UTF-8 JSON (CollectedClientData)."""
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the authenticator said besides. There is none unless somebody was present, and was verified."""

    flags: int
    counter: int
    """For people who look into a case; never compared (docs/formats/statement.md)."""
    origin: str

    @property
    def bound_to_device(self) -> bool:
        """The key can't be copied to other devices by a provider's backup (Level 3: BE is 0)."""
        return not self.flags & BACKUP_ELIGIBLE


def armored(text: str) -> bool:
    """Whether this is a passkey's signature, by its first line."""
    return armors.begins(LABEL, text)


def armor(assertion: Assertion) -> str:
    parts = (assertion.credential, assertion.authenticator_data, assertion.client_data, assertion.signature)
    return armors.write(LABEL, MAGIC + uint32(VERSION) + b"".join(map(string, parts)))


def parse(text: str) -> Assertion:
    """Raises `Malformed` unless every length is exact and within its bounds."""
    read = Reader(armors.read(LABEL, text, _WHAT, longest=ARMOR_MAX), _WHAT)
    if read.take(len(MAGIC)) != MAGIC or read.uint32() != VERSION:
        raise malformed(_WHAT, "is not an assertion of a version that is known")
    found = Assertion(
        credential=read.string(),
        authenticator_data=read.string(),
        client_data=read.string(),
        signature=read.string(),
    )
    read.done()
    if len(found.credential) not in CREDENTIAL_BYTES:
        raise malformed(_WHAT, "names a credential that is too short or too long")
    if len(found.client_data) > CLIENT_DATA_MAX or not 0 < len(found.signature) <= SIGNATURE_MAX:
        raise malformed(_WHAT, "has parts that are too long or empty")
    return found


def challenge(message: bytes) -> str:
    """What stands in clientDataJSON for this message: base64url of its SHA-256."""
    return base64url.write(sha256(message).digest())


def is_for(text: str, message: bytes) -> bool:
    """Whether this assertion names `message`; says nothing of whether it holds. Raises `Malformed`."""
    return bool(client_data(parse(text).client_data).get("challenge") == challenge(message))


def verify(
    text: str, message: bytes, *, public: bytes, credential: bytes, rp: str, origins: Collection[str]
) -> Verified:
    """Did this passkey sign exactly `message`, its person present and verified, on a page of ours?

    `public` (COSE), `credential`, `rp` and `origins` are the roster's. The steps are those of Level 2, 7.2, as numbered
    there; 1 to 4 happen in the browser, 14 (token binding) and 21 (the counter) are left out: see statement.md.
    Raises `Malformed`, `BadSignature`.
    """
    assertion, key = parse(text), cose.read(public)
    if assertion.credential != credential:  # 5 to 7
        raise _bad("It was made with another passkey than the one that the text names.", "Sign with that passkey.")
    _must_be_ours(client := client_data(assertion.client_data), message, origins)  # 8 to 13
    data = assertion.authenticator_data
    flags = _flags(data, rp)  # 15 to 18
    try:
        cose.check(key, assertion.signature, data + sha256(assertion.client_data).digest())  # 19 and 20
    except InvalidSignature:
        raise _bad("It does not fit what the passkey was given to sign.") from None
    return Verified(flags=flags, counter=int.from_bytes(data[33:], "big"), origin=client["origin"])


def _must_be_ours(client: dict[str, Any], message: bytes, origins: Collection[str]) -> None:
    """The steps 11 to 13; and no page of somebody else's around it (Level 2, 5.8.1; `topOrigin` is of Level 3)."""
    if client.get("type") != "webauthn.get":
        raise _bad("It was made for another purpose than signing.")
    if client.get("challenge") != challenge(message):
        raise _bad("What was signed is another text than this one: the page may have shown you something else.")
    origin = client.get("origin")
    if not isinstance(origin, str) or origin not in origins:
        raise _bad(f"It was made on a page of {str(origin)[:100]!r}, which is not one of ours.")
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise _bad("It was made inside a page of somebody else's.")


def _flags(data: bytes, rp: str) -> int:
    """The flags of authenticatorData (Level 2, 6.1). It carries no new key and no extensions: we ask for none."""
    if len(data) < AUTHENTICATOR_DATA:
        raise malformed(_WHAT, "has authenticator data that is cut short")
    if data[:32] != sha256(rp.encode()).digest():
        raise _bad(f"It was made for another domain than {rp}.")
    flags = data[32]
    if not flags & USER_PRESENT:
        raise _bad("Nobody was there to touch the passkey.", "Sign again, and confirm on the device.")
    if not flags & USER_VERIFIED:
        raise _bad("The passkey did not make sure who you are.", "Set a PIN or a finger on it, and sign again.")
    if flags & BACKED_UP and not flags & BACKUP_ELIGIBLE:
        raise malformed(_WHAT, "contradicts itself about backups")
    if flags & (ATTESTED_DATA | EXTENSION_DATA) or len(data) != AUTHENTICATOR_DATA:
        raise malformed(_WHAT, "has authenticator data that was not asked for")
    return flags


def client_data(data: bytes) -> dict[str, Any]:
    """The steps 9 and 10, strictly: JSON in UTF-8 without a mark before it, an object that has no member twice."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):  # also of UTF-8
        raise malformed(_WHAT, "has client data that is not JSON") from None
    if not isinstance(found, dict):
        raise malformed(_WHAT, "has client data that is no object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _bad(message: str, what_to_do: str = _ANEW) -> BadSignature:
    return BadSignature(f"The {_WHAT} does not hold. {message}", what_to_do=what_to_do)
