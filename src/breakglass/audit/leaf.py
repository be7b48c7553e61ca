"""A leaf: the exact bytes of one event. Written once, never re-written, never re-canonicalised
(docs/formats/log.md).
"""

import json
import secrets
from collections.abc import Callable, Mapping
from typing import NamedTuple

from breakglass.codec import private
from breakglass.codec.private import Opening
from breakglass.errors import Malformed
from breakglass.storage.work import Stamped

LEAF_MAX = 65_535
"""Bytes; a C2SP tile entry has a 16-bit length (tlog-tiles)."""

_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Leaf(NamedTuple):
    data: bytes
    openings: Mapping[str, Opening]
    """Of the private values that `data` only commits to: they stand beside the log."""


def _salt() -> bytes:
    return secrets.token_bytes(private.SALT)


def leaf(one: Stamped, *, salt: Callable[[], bytes] = _salt) -> Leaf:
    """The event as UTF-8 JSON, members in this order. Raises `Malformed` above `LEAF_MAX`."""
    data, openings = private.hide(one.fact.kind, one.fact.data, salt)
    event = {
        "v": 1,
        "kind": one.fact.kind,
        "at": one.at.isoformat(timespec="microseconds"),
        "by": one.by,
        "about": one.fact.about,
        "data": data,
    }
    written = _json(event).encode("utf-8", "replace")
    if len(written) > LEAF_MAX:
        raise Malformed(
            f"This would make a log entry of {len(written)} bytes.", what_to_do=f"Keep it under {LEAF_MAX}."
        )
    return Leaf(written, openings)
