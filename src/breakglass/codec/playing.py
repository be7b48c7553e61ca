"""A recording's terminal as asciicast, with the recording's key: what auditors are shown, how evidence is played."""

import contextlib
from collections.abc import Iterator

from breakglass.codec.asciicast import asciicast
from breakglass.codec.frames import Frame, Kind
from breakglass.codec.recording_reader import Cut, Data, read, read_header


def terminal(data: Data, key: bytes | bytearray) -> bytes:
    """asciicast v3 of the terminal. Raises `Tampered` where the container or the key is not right."""
    header = read_header(data)
    channel = _shown(_whole(data, key))
    lines = asciicast(_whole(data, key), started_at_ms=header.created_at_ms, channel=channel, title=header.session)
    return "".join(lines).encode()


def _whole(data: Data, key: bytes | bytearray) -> Iterator[Frame]:
    """The frames; a recording that a crash cut is shown as far as it goes."""
    with contextlib.suppress(Cut):
        yield from read(data, key)


def _shown(frames: Iterator[Frame]) -> int | None:
    """The first terminal; where there was none, the first channel that said something."""
    spoke = None
    for frame in frames:
        if frame.kind is Kind.RESIZE:
            return frame.channel
        if spoke is None and frame.kind in (Kind.OUTPUT, Kind.STDERR):
            spoke = frame.channel
    return spoke
