"""The envelope around one version of one secret: it opens only in the row, version and purpose it was sealed for.

    secret ◀── record key (random, one per version) ◀── key-encryption key ◀── root key
               content box                  wrap box               wrapped key

The content is bound to (format, table, record, version, purpose); the wrap to the same and the KEK's number, so that a
KEK can be replaced (`rewrap`) without touching the content. A swapped row, changed byte or foreign key is `Tampered`.

Bytes (big-endian), nothing before, between or after:

    "BGEN" | format u8 | wraps u8 | wraps × (kind u8 | key u32 | length u16 | box) | length u32 | box

A wrap of kind 1 is by a KEK, and format 1 has exactly one. Kind 2 is kept for the quorum of quorum-sealed accounts.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES, OVERHEAD, bind, close_box, open_box, random_key

MAGIC = b"BGEN"
FORMAT = 1
KIND_KEK = 1
MAX_CONTENT = 1 << 24

_START = struct.Struct(">4sBB")
_WRAP = struct.Struct(">BIH")
_LENGTH = struct.Struct(">I")
_WRAP_BOX = KEY_BYTES + OVERHEAD

_KEY_MAGIC = b"BGKW\x01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where a secret belongs; `version` counts from 1, `purpose` is one of the vault's closed list."""

    table: str
    record: str
    version: int
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kek:
    """A key-encryption key: its number stands in every envelope that it wraps, and is never used again."""

    id: int
    key: Secret

    @classmethod
    def generate(cls, number: int) -> "Kek":
        return cls(id=number, key=random_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    kek: int
    wrap: bytes
    content: bytes


def seal(secret: Secret | bytes, bound: Bound, kek: Kek) -> bytes:
    """A new envelope under a fresh record key. `ValueError` above 16 MiB: that is a file, not a secret."""
    if len(secret) > MAX_CONTENT:
        raise ValueError("too long for an envelope")
    with random_key() as record_key:
        content = close_box(record_key, secret, _content_bound(bound))
        wrap = close_box(kek.key, record_key, _wrap_bound(bound, kek.id))
    return _serialised(_Parts(kek=kek.id, wrap=wrap, content=content))


def open(blob: bytes, bound: Bound, keks: Mapping[int, Kek]) -> Secret:
    """The secret. Raises `Tampered` unless it is the envelope of that row, version and purpose, whole and unchanged."""
    parts = _parsed(blob)
    with _record_key(parts, bound, keks) as record_key:
        return open_box(record_key, parts.content, _content_bound(bound), refusal=_foreign)


def rewrap(blob: bytes, bound: Bound, keks: Mapping[int, Kek], to: Kek) -> bytes:
    """The same content, its record key wrapped by another KEK. The content is checked, so no damaged row is carried on.

    Raises `Tampered` as `open` does.
    """
    parts = _parsed(blob)
    with _record_key(parts, bound, keks) as record_key:
        open_box(record_key, parts.content, _content_bound(bound), refusal=_foreign).wipe()
        wrap = close_box(to.key, record_key, _wrap_bound(bound, to.id))
    return _serialised(_Parts(kek=to.id, wrap=wrap, content=parts.content))


def kek_of(blob: bytes) -> int:
    """The number of the KEK that it needs: what a KEK's retirement counts. Raises `Tampered` for another shape."""
    return _parsed(blob).kek


def prefix(kek: int) -> bytes:
    """What every envelope under this KEK begins with, and no other: to find the others in a database."""
    return _START.pack(MAGIC, FORMAT, 1) + _WRAP.pack(KIND_KEK, kek, _WRAP_BOX)


def wrap_key(key: Secret, root: Secret, label: str) -> bytes:
    """A key (a KEK, the log key, the grant key) under the root key; `label` says which one it is, e.g. `kek 3`."""
    return _KEY_MAGIC + close_box(root, key, bind("breakglass wrapped key", label))


def unwrap_key(blob: bytes, root: Secret, label: str) -> Secret:
    """The key again. Raises `Tampered` for another root, another label or any changed byte."""
    if not blob.startswith(_KEY_MAGIC):
        raise _foreign_key(label)
    bound = bind("breakglass wrapped key", label)
    return open_box(root, blob[len(_KEY_MAGIC) :], bound, refusal=lambda: _foreign_key(label))


def _record_key(parts: _Parts, bound: Bound, keks: Mapping[int, Kek]) -> Secret:
    kek = keks.get(parts.kek)
    if kek is None:
        raise Tampered(
            f"This secret is sealed under key {parts.kek}, which the vault does not hold.",
            what_to_do="Was a database restored beside another vault state, or a key retired too early? "
            "Restore the vault state that belongs to this database; tell the custodians.",
            about=bound.record,
        )
    return open_box(kek.key, parts.wrap, _wrap_bound(bound, kek.id), refusal=_foreign)


def _content_bound(bound: Bound) -> bytes:
    return bind("breakglass envelope content", FORMAT, bound.table, bound.record, bound.version, bound.purpose)


def _wrap_bound(bound: Bound, kek: int) -> bytes:
    return bind("breakglass envelope wrap", FORMAT, bound.table, bound.record, bound.version, kek, bound.purpose)


def _serialised(parts: _Parts) -> bytes:
    return (
        _START.pack(MAGIC, FORMAT, 1)
        + _WRAP.pack(KIND_KEK, parts.kek, len(parts.wrap))
        + parts.wrap
        + _LENGTH.pack(len(parts.content))
        + parts.content
    )


def _parsed(blob: bytes) -> _Parts:
    fixed = _START.size + _WRAP.size + _WRAP_BOX + _LENGTH.size
    if len(blob) < fixed + OVERHEAD or _START.unpack_from(blob) != (MAGIC, FORMAT, 1):
        raise _shapeless()
    kind, kek, wrap_bytes = _WRAP.unpack_from(blob, _START.size)
    (content_bytes,) = _LENGTH.unpack_from(blob, fixed - _LENGTH.size)
    if (kind, wrap_bytes, fixed + content_bytes) != (KIND_KEK, _WRAP_BOX, len(blob)):
        raise _shapeless()
    start = _START.size + _WRAP.size
    return _Parts(kek=kek, wrap=blob[start : start + _WRAP_BOX], content=blob[fixed:])


def _shapeless() -> Tampered:
    return Tampered(
        "A stored secret does not have the shape of an envelope that this version writes.",
        what_to_do="Do not overwrite it. Was it written by a newer Breakglass? "
        "Otherwise somebody changed the database: call the custodians and the auditors.",
    )


def _foreign() -> Tampered:
    return Tampered(
        "A stored secret does not belong to its row, version or purpose, or was changed.",
        what_to_do="Do not overwrite it. Somebody changed or swapped rows of the database, or restored an old copy: "
        "call the custodians and the auditors.",
    )


def _foreign_key(label: str) -> Tampered:
    return Tampered(
        f"The stored key {label!r} does not open with this root key.",
        what_to_do="The vault's files do not belong together, or one was changed. "
        "Restore them from one backup; call the custodians.",
        about=label,
    )
