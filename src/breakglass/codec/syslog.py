"""Syslog messages (RFC 5424) and their frames over TLS (RFC 5425, section 4.3).

<109>1 2026-11-23T21:04:00.250000Z node1 breakglass - session.ended [breakglass@32473 index="12"] {"class_uid":3004…}

The message is ASCII. 32473 is the enterprise number for examples (RFC 5612): there is none of our own.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import IntEnum

AUDIT = 13
"""The facility `log audit` (RFC 5424, 6.2.1)."""
SD_ID = "breakglass@32473"
_UNPRINTABLE = re.compile(r"[^!-~]")


class Severity(IntEnum):
    CRITICAL = 2
    WARNING = 4
    NOTICE = 5
    INFORMATIONAL = 6


def message(
    text: str,
    *,
    at: datetime,
    severity: Severity,
    host: str,
    kind: str,
    facts: Mapping[str, str],
    app: str = "breakglass",
) -> bytes:
    """`kind` is the MSGID, `facts` the structured data, `text` the message. Header fields that hold what may not stand
    there are mended, never refused: an event must not get stuck for its form."""
    instant = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    head = f"<{AUDIT * 8 + severity}>1 {instant}Z {_word(host, 255)} {_word(app, 48)} - {_word(kind, 32)}"
    data = "".join(f' {_word(name, 32).translate(_NO_NAME)}="{_value(value)}"' for name, value in facts.items())
    return f"{head} [{SD_ID}{data}] {text}".encode("ascii", "backslashreplace")


def framed(data: bytes) -> bytes:
    """One frame: its length in bytes, a space, the message."""
    return b"%d %s" % (len(data), data)


_NO_NAME = str.maketrans('="]', "___")


def _word(text: str, longest: int) -> str:
    return _UNPRINTABLE.sub("_", text)[:longest] or "-"


def _value(text: str) -> str:
    return re.sub(r'(["\\\]])', r"\\\1", text)
