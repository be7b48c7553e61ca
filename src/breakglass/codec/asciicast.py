"""One terminal of a recording as asciicast v3, the file of asciinema and its players.

    {"version":3,"term":{"cols":80,"rows":24},"timestamp":1700000000}
    [0.248000,"o","hello\\r\\n"]        o output, i input, r resize, m marker, x exit

Commands, notes and what was not kept become markers; input is left out unless asked for. All text is plain ASCII with
escapes, so that no terminal obeys a recording that is merely printed. Intervals are exact microseconds: they add up.
Source: https://docs.asciinema.org/manual/asciicast/v3/
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from itertools import chain

from breakglass.codec.frames import Frame, Kind, digest_of, exit_of, resize_of

_DEFAULT_COLS, _DEFAULT_ROWS = 80, 24
_EVENT_OF = {Kind.OUTPUT: "o", Kind.STDERR: "o", Kind.INPUT: "i"}
_MARKED = frozenset({Kind.EXEC, Kind.SUBSYSTEM, Kind.NOTE, Kind.DIGEST})


def asciicast(
    frames: Iterable[Frame],
    *,
    started_at_ms: int,
    channel: int | None = None,
    title: str = "",
    with_input: bool = False,
) -> Iterator[str]:
    """The lines of the file, each with its newline, made as the frames come.

    `channel`: the terminal to show; without it, the first one that has a size. Without any, only markers are shown.
    Raises what `frames` raises, and `Malformed` for a frame of a wrong shape.
    """
    source = iter(frames)
    waiting, channel, cols, rows = _opening(source, channel)
    header: dict[str, object] = {"version": 3, "term": {"cols": cols, "rows": rows}, "timestamp": started_at_ms // 1000}
    if title:
        header["title"] = title
    yield _line(header)
    writer = _Writer(channel, with_input=with_input)
    for frame in chain(waiting, source):
        yield from writer.frame(frame)
    yield from writer.rest()


def _opening(source: Iterator[Frame], channel: int | None) -> tuple[list[Frame], int | None, int, int]:
    """Read on to the terminal's first size, which the header needs; also what was read and is still to be shown."""
    waiting: list[Frame] = []
    for frame in source:
        if frame.kind is Kind.RESIZE and channel in (None, frame.channel):
            size = resize_of(frame.data)
            return waiting, frame.channel, size.cols or _DEFAULT_COLS, size.rows or _DEFAULT_ROWS
        if frame.kind in _MARKED or frame.channel == channel:
            waiting.append(frame)
        if frame.channel == channel and frame.kind is Kind.OUTPUT:
            break  # it talks without ever having told a size: no terminal, shown as if it were one
    return waiting, channel, _DEFAULT_COLS, _DEFAULT_ROWS


class _Writer:
    def __init__(self, channel: int | None, *, with_input: bool) -> None:
        self._channel = channel
        self._with_input = with_input
        self._at_us = 0
        self._exit: Frame | None = None
        self._decoders = {kind: codecs.getincrementaldecoder("utf-8")("replace") for kind in _EVENT_OF}

    def frame(self, frame: Frame) -> Iterator[str]:
        if frame.kind in _MARKED:
            yield self._event(frame.at_us, "m", _marker(frame))
        elif frame.channel != self._channel:
            return
        elif frame.kind in _EVENT_OF:
            if frame.kind is Kind.INPUT and not self._with_input:
                return
            # A letter may be cut between frames: it is shown once its last byte came.
            text = self._decoders[frame.kind].decode(frame.data)
            if text:
                yield self._event(frame.at_us, _EVENT_OF[frame.kind], text)
        elif frame.kind is Kind.RESIZE:
            size = resize_of(frame.data)
            if size.cols and size.rows:
                yield self._event(frame.at_us, "r", f"{size.cols}x{size.rows}")
        elif frame.kind is Kind.EXIT:
            # SSH may send the status before the last output (RFC 4254, 6.10); here it stands last.
            self._exit = frame

    def rest(self) -> Iterator[str]:
        """A replacement character for a letter that never ended, and the exit status."""
        for kind, decoder in self._decoders.items():
            text = decoder.decode(b"", True)
            if text:
                yield self._event(self._at_us, _EVENT_OF[kind], text)
        if self._exit is not None:
            yield self._event(self._exit.at_us, "x", str(exit_of(self._exit.data)))

    def _event(self, at_us: int, code: str, data: str) -> str:
        # Frames of several channels may come microseconds out of order; time never goes back.
        step = max(at_us - self._at_us, 0)
        self._at_us += step
        return f"[{step // 1_000_000}.{step % 1_000_000:06d},{json.dumps(code)},{json.dumps(data)}]\n"


def _marker(frame: Frame) -> str:
    if frame.kind is Kind.DIGEST:
        digest = digest_of(frame.data)
        return f"not kept: {digest.size} bytes, SHA-256 {digest.sha256.hex()}"
    return frame.data.decode("utf-8", "replace")


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
