"""The recording of one channel: a terminal whole, any other stream whole up to the policy's cap.

    bytes ──▶ up to the cap: frames as they are ──▶ beyond it: counted and hashed ──▶ at the end: NOTE, DIGEST

Everything is offered to the recorder before it is passed on. When the recorder fails, the session ends (`strict`), and
what could not be recorded does not pass.
"""

import hashlib
import logging
from collections.abc import Callable

from breakglass.codec.frames import Kind, digest_data, exit_data, resize_data
from breakglass.errors import BreakglassError
from breakglass.gateway.desk import Recorder
from breakglass.gateway.order import Order

_log = logging.getLogger(__name__)
_NAMES = {Kind.OUTPUT: "output", Kind.INPUT: "input", Kind.STDERR: "standard error"}


class Tape:
    """Methods return whether it was recorded: what was not must not be forwarded."""

    __slots__ = ("_behind", "_cap", "_channel", "_kept", "_order", "_recorder", "_rest")

    def __init__(
        self, recorder: Recorder, order: Order, channel: int, *, cap: int | None, behind: Callable[[], None]
    ) -> None:
        """`cap`: None for a terminal. `behind` is called when the recorder wants reading to stop."""
        self._recorder, self._order, self._channel, self._cap, self._behind = recorder, order, channel, cap, behind
        self._kept: dict[Kind, int] = {}
        self._rest: dict[Kind, _Rest] = {}

    @property
    def over(self) -> bool:
        """Whether the session was ended: then nothing passes any more."""
        return bool(self._order.reason)

    def stream(self, kind: Kind, data: bytes) -> bool:
        if self._cap is None:
            return self._frame(kind, data)
        kept = self._kept.get(kind, 0)
        if kept + len(data) <= self._cap:
            self._kept[kind] = kept + len(data)
            return self._frame(kind, data)
        if self._order.reason:
            return False
        room = self._cap - kept
        if room and not self._frame(kind, data[:room]):
            return False
        self._kept[kind] = self._cap
        if kind not in self._rest:
            self._rest[kind] = _Rest()
        self._rest[kind].add(data[room:])
        return True

    def event(self, kind: Kind, text: str = "") -> bool:
        return self._frame(kind, text.encode("utf-8", "surrogateescape"))

    def resized(self, cols: int, rows: int) -> bool:
        return self._frame(Kind.RESIZE, resize_data(cols, rows))

    def exited(self, status: int) -> bool:
        """`status`: a signal as its negative number."""
        return self._frame(Kind.EXIT, exit_data(status))

    def note(self, text: str) -> None:
        """What the gateway said or refused; also after the session was ended."""
        self._put(Kind.NOTE, text.encode("utf-8", "replace"))

    def close(self) -> None:
        """Say what was not kept, then close the channel's recording. Also after the session was ended."""
        for kind, rest in self._rest.items():
            self._put(Kind.NOTE, f"{_NAMES[kind]} beyond the cap: {rest.count} bytes".encode())
            self._put(Kind.DIGEST, digest_data(rest.count, rest.hash.digest()))
        self._rest.clear()
        self._put(Kind.CLOSE, b"")

    def _frame(self, kind: Kind, data: bytes) -> bool:
        return not self._order.reason and self._put(kind, data)

    def _put(self, kind: Kind, data: bytes) -> bool:
        try:
            self._recorder.frame(kind, self._channel, data)
        except BreakglassError as fault:
            self._order.end(f"it could not be recorded: {fault.message}")
            return False
        except Exception:
            _log.exception("the recorder failed")
            self._order.end("it could not be recorded")
            return False
        if self._recorder.behind:
            self._behind()
        return True


class _Rest:
    __slots__ = ("count", "hash")

    def __init__(self) -> None:
        self.count, self.hash = 0, hashlib.sha256()

    def add(self, data: bytes) -> None:
        self.count += len(data)
        self.hash.update(data)
