"""Frames between node and vault, over a Unix socket: a header in JSON, then blobs, each with its length before it.

    length u32 │ header length u32 │ header │ (length u32 │ bytes)*       big-endian; the first counts all below

One question, one answer, then the next question. Buffers are wiped after each frame, since secrets pass through them.
"""

import json
import socket
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

from breakglass import config, errors
from breakglass.errors import BreakglassError, Unavailable
from breakglass.model.secret import Secret
from breakglass.vault import opened, seal, shares
from breakglass.vault.shape import Blob

FRAME_MAX = 64 * 1024 * 1024
BUFFER = 64 * 1024
_U32 = struct.Struct(">I")
_TIMEVAL = struct.Struct("@ll")
_UCRED = struct.Struct("3i")


class Broken(Exception):
    """The other side closed, was too slow, or sent what is no frame. The connection is of no use any more."""

    def __init__(self, *, unsent: bool = False) -> None:
        super().__init__()
        self.unsent = unsent
        """True when the other side has certainly not seen the frame."""


class Channel:
    """One connection. Not for several threads at once."""

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        """`timeout`: seconds without any progress, after which a frame on its way is given up."""
        self.socket = connection
        connection.setblocking(True)
        # The kernel's own timeouts: Python's would cost a poll(2) at each read.
        limit = _TIMEVAL.pack(int(timeout), int(timeout % 1 * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._buffer = bytearray(BUFFER)
        self._filled = 0

    def peer(self) -> int:
        """The user id of the process at the other end (SO_PEERCRED, as it was when it connected or listened)."""
        found = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(found)[1])

    def send(self, header: Any, blobs: Sequence[Blob | Secret] = ()) -> None:
        """Raises `Broken`; `Malformed` above 64 MiB."""
        frame = bytearray(8)
        frame += json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        _U32.pack_into(frame, 4, len(frame) - 8)
        try:
            for blob in blobs:
                content = blob.reveal() if isinstance(blob, Secret) else blob
                frame += _U32.pack(len(content))
                frame += content
            if len(frame) - 4 > FRAME_MAX:
                raise errors.Malformed("This is too much for one call to the vault.", what_to_do="Send less at once.")
            _U32.pack_into(frame, 0, len(frame) - 4)
            self.socket.sendall(frame)
        except BrokenPipeError:
            raise Broken(unsent=True) from None
        except OSError:
            raise Broken from None
        finally:
            frame[:] = bytes(len(frame))

    def receive(self, *, idle: bool = False) -> tuple[Any, list[memoryview]] | None:
        """The next frame's header and blobs, which are good until `forget`. Raises `Broken`.

        With `idle`, its first byte may take forever, and None says that the other side has closed.
        """
        while self._filled < 4:
            if not self._more(4, idle=idle and self._filled == 0):
                return None
        (length,) = _U32.unpack_from(self._buffer)
        if not 4 <= length <= FRAME_MAX:
            raise Broken
        while self._filled < 4 + length:
            self._more(4 + length)
        if self._filled > 4 + length:
            raise Broken  # a second question before the first one's answer
        return self._taken_apart(4 + length)

    def forget(self) -> None:
        """Wipe the frame that was received."""
        if len(self._buffer) > BUFFER:
            self._buffer[:] = bytes(len(self._buffer))
            self._buffer = bytearray(BUFFER)
        else:
            self._buffer[: self._filled] = bytes(self._filled)
        self._filled = 0

    def close(self) -> None:
        self.forget()
        self.socket.close()

    def _more(self, wanted: int, *, idle: bool = False) -> bool:
        if wanted > len(self._buffer):
            grown = bytearray(wanted)
            grown[: self._filled] = self._buffer[: self._filled]
            self._buffer[:] = bytes(len(self._buffer))
            self._buffer = grown
        while True:
            try:
                got = self.socket.recv_into(memoryview(self._buffer)[self._filled :])
            except BlockingIOError:
                if idle:
                    continue
                raise Broken from None
            except OSError:
                raise Broken from None
            if got == 0 and not idle:
                raise Broken
            self._filled += got
            return got > 0

    def _taken_apart(self, end: int) -> tuple[Any, list[memoryview]]:
        view = memoryview(self._buffer)
        (length,) = _U32.unpack_from(view, 4)
        at = 8 + length
        if at > end:
            raise Broken
        try:
            header = json.loads(bytes(view[8:at]))
        except (ValueError, RecursionError):
            raise Broken from None
        blobs = []
        while at < end:
            if at + 4 > end:
                raise Broken
            (length,) = _U32.unpack_from(view, at)
            at += 4
            if at + length > end:
                raise Broken
            blobs.append(view[at : at + length])
            at += length
        return header, blobs


def error_header(error: BreakglassError) -> dict[str, Any]:
    return {"error": [error.code, error.message, error.what_to_do, error.about]}


def error_of(value: Any) -> BreakglassError:
    """The same error again, of the same class."""
    code, message, what_to_do, about = value
    kind = _kinds().get(code, Unavailable)
    return kind(message, what_to_do=what_to_do, about=about)


@cache
def _kinds() -> dict[str, type[BreakglassError]]:
    """Every error that a call can raise, by its code."""
    found: dict[str, type[BreakglassError]] = {}
    for module in (errors, config, shares, seal, opened):
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, BreakglassError) and one is not BreakglassError:
                found[one.code] = one
    return found
