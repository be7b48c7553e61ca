"""The frames of a recording: what happened when, on which channel, as raw bytes.

    at u64 (µs since the start) | kind u8 | channel u16 | length u32 | bytes            (big-endian)

Numbers of kinds are part of the file format: they are added, never changed.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from breakglass.errors import Malformed

HEAD = struct.Struct(">QBHI")
MAX_FRAME = 1 << 24

_SIZE = struct.Struct(">HH")
_STATUS = struct.Struct(">i")
_DIGEST = struct.Struct(">Q32s")


class Kind(IntEnum):
    OUTPUT = 1
    INPUT = 2
    STDERR = 3
    RESIZE = 4
    """Columns and rows: the channel is a terminal from here on."""
    EXEC = 5
    SUBSYSTEM = 6
    OPEN = 7
    CLOSE = 8
    EXIT = 9
    NOTE = 10
    DIGEST = 11
    """What was not kept, above the policy's cap: how many bytes, and their SHA-256."""
    END = 12
    """The last frame of the last chunk; its bytes are the reason."""


class Frame(NamedTuple):
    """A tuple and not a dataclass: playback makes millions of them."""

    at_us: int
    kind: Kind
    channel: int
    data: bytes


class Size(NamedTuple):
    cols: int
    rows: int


class Digest(NamedTuple):
    size: int
    sha256: bytes


def frames_of(payload: bytes) -> Iterator[Frame]:
    """The frames of one opened chunk. Raises `Malformed` when they do not fill it exactly."""
    place = 0
    while place < len(payload):
        if place + HEAD.size > len(payload):
            raise _malformed()
        at_us, kind, channel, size = HEAD.unpack_from(payload, place)
        place += HEAD.size
        if place + size > len(payload):
            raise _malformed()
        try:
            known = Kind(kind)
        except ValueError:
            raise _malformed() from None
        yield Frame(at_us, known, channel, payload[place : place + size])
        place += size


def resize_data(cols: int, rows: int) -> bytes:
    """Sizes above 65,535 come from nowhere but an attack; they are cut to that."""
    return _SIZE.pack(min(max(cols, 0), 0xFFFF), min(max(rows, 0), 0xFFFF))


def resize_of(data: bytes) -> Size:
    cols, rows = _unpacked(_SIZE, data)
    return Size(cols, rows)


def exit_data(status: int) -> bytes:
    """A process's exit status; a signal as its negative number."""
    return _STATUS.pack(status)


def exit_of(data: bytes) -> int:
    (status,) = _unpacked(_STATUS, data)
    return int(status)


def digest_data(size: int, sha256: bytes) -> bytes:
    if len(sha256) != 32:
        raise ValueError("a SHA-256 is 32 bytes")
    return _DIGEST.pack(size, sha256)


def digest_of(data: bytes) -> Digest:
    size, sha256 = _unpacked(_DIGEST, data)
    return Digest(size, sha256)


def _unpacked(shape: struct.Struct, data: bytes) -> tuple[Any, ...]:
    if len(data) != shape.size:
        raise _malformed()
    return shape.unpack(data)


def _malformed() -> Malformed:
    return Malformed(
        "A frame of the recording does not have the shape that this version knows.",
        what_to_do="Was it recorded by a newer Breakglass? Replay it with that version.",
    )
