"""Instants and durations as text: `2026-11-23T21:04:00Z`, whole seconds, always UTC."""

import re
from datetime import UTC, datetime, timedelta

from breakglass.errors import Malformed

_SHAPE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_SPAN = re.compile(r"[1-9][0-9]{0,7} seconds")


def write(at: datetime) -> str:
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def read(text: str) -> datetime:
    """Raises `Malformed` for anything but that one form."""
    if not _SHAPE.fullmatch(text):
        raise Malformed(f"{text[:40]!r} is not an instant.", what_to_do="Write it like 2026-11-23T21:04:00Z.")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Malformed(
            f"There is no such instant: {text}.", what_to_do="Write it like 2026-11-23T21:04:00Z."
        ) from None


def write_span(span: timedelta) -> str:
    return f"{int(span.total_seconds())} seconds"


def read_span(text: str) -> timedelta:
    if not _SPAN.fullmatch(text):
        raise Malformed(f"{text[:40]!r} is not a duration.", what_to_do="Write it like `3600 seconds`.")
    return timedelta(seconds=int(text.split(maxsplit=1)[0]))
