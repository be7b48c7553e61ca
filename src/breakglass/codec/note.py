"""Signed notes (C2SP signed-note) and the checkpoints in them (C2SP tlog-checkpoint).

    text, one line or many                              origin
    ⏎                                                   size, decimal
    — key name base64(key id | signature) ⏎             base64 of the tree's root

Ed25519 (type 0x01) only. A key stands in texts as its vkey: `name+key id+base64(0x01 | public key)`. Lines by keys that
are not known are ignored, as the specification asks, but must be well formed; a known key's bad line spoils the note.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from breakglass.codec.sshwire import malformed, strict_base64
from breakglass.errors import BadSignature, Malformed

NOTE_MAX: Final = 1_000_000
"""Bytes."""
SIGNATURES_MAX: Final = 100
ED25519: Final = 0x01
"""The type of the signatures that this module makes and verifies."""

_DASH = "\u2014 "
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_WHAT = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A text and the lines below it: what they claim, not verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The exact bytes. Raises `Malformed` where `parse` would."""
        data = _utf8(self.text + "\n" + "".join(one.line() for one in self.signatures))
        if parse(data) != self:
            raise malformed(_WHAT, "would not be read back as it is written")
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A text that at least one known key signed, and the lines of those keys: one for each key."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    name: str
    public: bytes
    """The 32 bytes of an Ed25519 public key."""

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, ED25519, self.public)

    def text(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([ED25519]) + self.public).decode()}"


# -- keys -------------------------------------------------------------------------------------------------------------
def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Four bytes that tell keys of one name apart."""
    return sha256(_utf8(name) + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, public: Ed25519PublicKey) -> str:
    """The key's text for other people's verifiers. Raises `Malformed` for a name that can't stand in a note."""
    return VerifierKey(name=_name(name), public=public.public_bytes_raw()).text()


def parse_vkey(text: str) -> VerifierKey:
    """Raises `Malformed` unless `text` is exactly what `vkey` gives."""
    shape = _VKEY.fullmatch(text)
    if not shape:
        raise malformed("key", "is not `name+id+base64`")
    raw = strict_base64(shape[3], "key")
    if len(raw) != 33 or raw[0] != ED25519:
        raise malformed("key", "is not an Ed25519 key")
    key = VerifierKey(name=_name(shape[1]), public=raw[1:])
    if key.text() != text:
        raise malformed("key", "has an id that is not its own")
    return key


# -- notes ------------------------------------------------------------------------------------------------------------
def parse(data: bytes) -> Note:
    """Take a note apart. Raises `Malformed`; says nothing of who signed."""
    if len(data) > NOTE_MAX:
        raise malformed(_WHAT, f"is longer than {NOTE_MAX} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise malformed(_WHAT, "is not UTF-8") from None
    if any(c < " " and c != "\n" for c in whole):
        raise malformed(_WHAT, "holds control characters")
    text, blank, below = whole.rpartition("\n\n")
    lines = below.split("\n")
    if not blank or lines.pop() != "" or not lines:
        raise malformed(_WHAT, "has no signatures below its last blank line")
    if len(lines) > SIGNATURES_MAX:
        raise malformed(_WHAT, f"has more than {SIGNATURES_MAX} signatures")
    return Note(text=text + "\n", signatures=tuple(map(_signature, lines)))


def sign(text: str, name: str, key: Ed25519PrivateKey) -> bytes:
    """A note with one signature. Raises `Malformed` for a text or name that can't stand in a note."""
    one = Signature(
        name=_name(name),
        key_id=key_id(name, ED25519, key.public_key().public_bytes_raw()),
        signature=key.sign(_utf8(text)),
    )
    return Note(text=text, signatures=(one,)).encode()


def verify(data: bytes, vkeys: Iterable[str]) -> Opened:
    """The text, when one of `vkeys` or more signed it. Raises `Malformed`, `BadSignature`.

    Every line by one of `vkeys` must hold. Whether the keys that signed are enough is the caller's question.
    """
    note = parse(data)
    known = {(key.name, key.key_id): key for key in map(parse_vkey, vkeys)}
    good: dict[tuple[str, bytes], Signature] = {}
    for one in note.signatures:
        key = known.get((one.name, one.key_id))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(one.signature, note.text.encode())
        except InvalidSignature:
            raise BadSignature(
                f"The signature of {one.name} does not fit the note.",
                what_to_do="Fetch the note again. If it stays like this, keep it, and call the auditors.",
                about=one.name,
            ) from None
        good.setdefault((one.name, one.key_id), one)
    if not good:
        raise BadSignature(
            "No known key has signed the note.",
            what_to_do=f"Compare its lines with the keys you know: {', '.join(name for name, _ in known) or 'none'}.",
        )
    return Opened(text=note.text, signatures=tuple(good.values()))


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    raw = strict_base64(encoded, _WHAT)
    if not line.startswith(_DASH) or not space or len(raw) < 5:
        raise malformed(_WHAT, "has a line below its text that is no signature")
    return Signature(name=_name(name), key_id=raw[:4], signature=raw[4:])


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise malformed(_WHAT, "holds half a character") from None


def _name(name: str) -> str:
    if not name or "+" in name or any(c.isspace() or c < " " for c in name):
        raise Malformed(
            f"{name[:60]!r} is not a key's name.",
            what_to_do="Use a name without spaces and plus signs, like example.com/log.",
        )
    return name


# -- checkpoints ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The head of a log: how many leaves, and the root of the tree over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def body(self) -> str:
        """The note's text. Raises `Malformed` where `parse_checkpoint` would."""
        text = "".join(
            f"{line}\n" for line in (self.origin, self.size, b64encode(self.root).decode(), *self.extensions)
        )
        if parse_checkpoint(text) != self:
            raise malformed("checkpoint", "would not be read back as it is written")
        return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Raises `Malformed` unless `text` is exactly what `Checkpoint.body` gives."""
    origin, size, root, *extensions, end = text.split("\n") if text.count("\n") >= 3 else [""] * 4
    if not origin or end or not all(extensions) or not _SIZE.fullmatch(size):
        raise malformed("checkpoint", "is not origin, size and root, each on a line")
    head = strict_base64(root, "checkpoint")
    if len(head) != 32:
        raise malformed("checkpoint", "has a root that is not 32 bytes long")
    return Checkpoint(origin=origin, size=int(size), root=head, extensions=tuple(extensions))
