"""The evidence of one request as one file (docs/formats/bundle.md): entries of the log, each with its inclusion proof,
the checkpoint that they are proven in, and that the heads which people saw are heads of this log.

Nothing stands in it that is not covered: every byte is a leaf's, or a proof's, or a checkpoint's, or is compared with
one of these. So a bundle in which one byte was changed does not verify.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from breakglass.codec import canonical
from breakglass.codec.private import Opening
from breakglass.codec.sshwire import strict_base64
from breakglass.errors import Malformed
from breakglass.trust.tree import HASH, SIZE_MAX, leaf_hash

FORMAT = "breakglass-bundle-v1"
EXPORTED = "evidence.exported"
"""The entry by which a bundle is whole: it names what else is in it."""
BUNDLE_MAX = 256 * 1024 * 1024
"""Bytes."""
_WHAT = "bundle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    index: int
    leaf: bytes
    proof: tuple[bytes, ...]
    """In the checkpoint's tree (RFC 9162, 2.1.3)."""
    opened: Mapping[str, Opening] = field(default_factory=dict)
    """The private values that the leaf commits to; none where they were erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenHead:
    """A head that a statement names, and that the checkpoint's log begins with it (RFC 9162, 2.1.4)."""

    size: int
    root: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CosignedHead:
    """A checkpoint with the lines of witnesses, and that the bundle's checkpoint goes on from it (RFC 9162, 2.1.4)."""

    checkpoint: bytes
    """The signed note: the log's line, then one for each witness."""
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    request: str
    checkpoint: bytes
    entries: tuple[Proven, ...]
    """In the log's order. The founding roster first, an `EXPORTED` last."""
    heads: tuple[SeenHead, ...]
    witnessed: tuple[CosignedHead, ...] = ()
    """By rising size: what witnesses of its rosters said last."""


def manifest(entries: Iterable[tuple[int, bytes]]) -> str:
    """Hex SHA-256 over each entry's index (8 bytes, big-endian) and leaf hash, in order."""
    digest = sha256()
    for index, hashed in entries:
        digest.update(index.to_bytes(8, "big") + hashed)
    return digest.hexdigest()


def manifest_of(entries: Iterable[Proven]) -> str:
    return manifest((one.index, leaf_hash(one.leaf)) for one in entries)


def write(bundle: Bundle) -> bytes:
    return canonical.write(
        {
            "format": FORMAT,
            "request": bundle.request,
            "checkpoint": bundle.checkpoint.decode(),
            "entries": [
                {"index": one.index, "leaf": one.leaf.decode(), "proof": _texts(one.proof), **_opened(one.opened)}
                for one in bundle.entries
            ],
            "heads": [
                {"size": one.size, "root": b64encode(one.root).decode(), "proof": _texts(one.proof)}
                for one in bundle.heads
            ],
            **_witnessed(bundle.witnessed),
        }
    )


def read(data: bytes) -> Bundle:
    """Raises `Malformed` unless `data` is exactly what `write` gives; says nothing of whether it holds."""
    if len(data) > BUNDLE_MAX:
        raise Malformed(f"The bundle has over {BUNDLE_MAX} bytes.", what_to_do="Is it the right file?")
    top = _members(canonical.read(data), "checkpoint", "entries", "format", "heads", "request", optional="witnessed")
    if top["format"] != FORMAT:
        raise Malformed("This is not a bundle of a version that is known.", what_to_do="Is it the right file?")
    return Bundle(
        request=_of(top["request"], str),
        checkpoint=_utf8(top["checkpoint"]),
        entries=tuple(map(_entry, _of(top["entries"], list))),
        heads=tuple(map(_head, _of(top["heads"], list))),
        witnessed=tuple(map(_cosigned, _filled(top, "witnessed", list))),
    )


def _entry(value: Any) -> Proven:
    found = _members(value, "index", "leaf", "proof", optional="opened")
    opened = {name: _opening(one) for name, one in _filled(found, "opened", dict).items()}
    index, proof = _size(found["index"]), _hashes(found["proof"])
    return Proven(index=index, leaf=_utf8(found["leaf"]), proof=proof, opened=opened)


def _opening(value: Any) -> Opening:
    found = _members(value, "salt", "value")
    return Opening(strict_base64(_of(found["salt"], str), _WHAT), _of(found["value"], str))


def _head(value: Any) -> SeenHead:
    found = _members(value, "proof", "root", "size")
    return SeenHead(size=_size(found["size"]), root=_hash(found["root"]), proof=_hashes(found["proof"]))


def _cosigned(value: Any) -> CosignedHead:
    found = _members(value, "checkpoint", "proof")
    return CosignedHead(checkpoint=_utf8(found["checkpoint"]), proof=_hashes(found["proof"]))


def _members(value: Any, *names: str, optional: str = "") -> dict[str, Any]:
    found: dict[str, Any] = _of(value, dict)
    if found.keys() - {optional} != set(names):
        raise _shape()
    return found


def _filled(found: dict[str, Any], name: str, kind: type) -> Any:
    """A member that is there only where there is anything to say."""
    value = _of(found.get(name, kind()), kind)
    if name in found and not value:
        raise _shape()
    return value


def _of(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _shape()
    return value


def _size(value: Any) -> int:
    number: int = _of(value, int)
    if not 0 <= number <= SIZE_MAX:
        raise _shape()
    return number


def _utf8(value: Any) -> bytes:
    text: str = _of(value, str)
    return text.encode()


def _hashes(values: Any) -> tuple[bytes, ...]:
    return tuple(map(_hash, _of(values, list)))


def _hash(value: Any) -> bytes:
    hashed = strict_base64(_of(value, str), _WHAT)
    if len(hashed) != HASH:
        raise _shape()
    return hashed


def _shape() -> Malformed:
    return Malformed("The bundle has another shape than its format.", what_to_do="Take the file unchanged.")


def _opened(openings: Mapping[str, Opening]) -> dict[str, Any]:
    """The member, where there is anything to say."""
    found = {name: {"salt": b64encode(one.salt).decode(), "value": one.value} for name, one in openings.items()}
    return {"opened": found} if found else {}


def _witnessed(heads: Sequence[CosignedHead]) -> dict[str, Any]:
    """The member, where there is anything to say."""
    found = [{"checkpoint": one.checkpoint.decode(), "proof": _texts(one.proof)} for one in heads]
    return {"witnessed": found} if found else {}


def _texts(hashes: Sequence[bytes]) -> list[str]:
    return [b64encode(one).decode() for one in hashes]
