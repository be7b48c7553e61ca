"""The anchors beside the log as they are stored, made safe to look at: in that table may stand anything.

Bytes are bytes, or none, which fit nothing; a size is a number, or -1, of which there is no checkpoint. So who judges
an anchor has no other kinds of values to mind.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from breakglass.audit.source import Source

_ALL = (
    "SELECT a.kind, a.size, a.receipt, c.note FROM anchor a LEFT JOIN checkpoint c ON c.size = a.size "
    "ORDER BY a.size, a.kind"
)


class Anchor(NamedTuple):
    kind: str
    size: int
    """Of the checkpoint that it is about."""
    receipt: bytes
    checkpoint: bytes | None
    """The stored one of that size; None where there is none."""


def anchors(db: Source) -> Iterator[Anchor]:
    for kind, size, receipt, stored in db.rows(_ALL):
        yield Anchor(
            kind if isinstance(kind, str) else "",
            size if type(size) is int and size >= 0 else -1,
            as_bytes(receipt),
            None if stored is None else as_bytes(stored),
        )


def as_bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else b""
