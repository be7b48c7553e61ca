"""A leaf: the exact bytes of one event. Written once, never re-written, never re-canonicalised
(docs/formats/log.md).
"""

import json

from breakglass.errors import Malformed
from breakglass.storage.work import Stamped

LEAF_MAX = 65_535
"""Bytes; a C2SP tile entry has a 16-bit length (tlog-tiles)."""


def leaf(one: Stamped) -> bytes:
    """The event as UTF-8 JSON, members in this order. Raises `Malformed` above `LEAF_MAX`."""
    event = {
        "v": 1,
        "kind": one.fact.kind,
        "at": one.at.isoformat(timespec="microseconds"),
        "by": one.by,
        "about": one.fact.about,
        "data": dict(one.fact.data),
    }
    data = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    if len(data) > LEAF_MAX:
        raise Malformed(f"This would make a log entry of {len(data)} bytes.", what_to_do=f"Keep it under {LEAF_MAX}.")
    return data
