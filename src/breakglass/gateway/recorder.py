"""Recordings on disk: one session's frames go into two sealed containers, written by one thread for all sessions.

    frame() ──▶ waiting (event loop) ──▶ writer thread: seal, append, fsync in groups ──▶ <recording>.screen, .keys

What a person typed (INPUT) is a stream of its own under a key of its own: keyboards carry passwords. Files and their
names are durable before the session's secret is released. Chunks are written at the latest every 250 ms and synced
every second, so `kill -9` loses nothing that was written and a power cut a second. When a file can't be written the
recording has failed for good: `frame` raises, and `failed` tells the session at once.
"""

import contextlib
import logging
import os
import threading
from asyncio import AbstractEventLoop, Event, timeout
from base64 import b64decode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from breakglass import faults
from breakglass.codec.frames import Kind
from breakglass.codec.recording import Head, Header, Sealer
from breakglass.errors import Unavailable
from breakglass.model.secret import Secret
from breakglass.vault import recording_key

WRITE_EVERY = 0.2
SYNC_EVERY = 1.0
BEHIND_BYTES = 4 << 20
RING_BYTES = 256 << 10
"""Waiting bytes from which the writer is woken instead of waiting for its next turn."""
RESERVED_BYTES = 256 << 20
"""Free space below which no new session begins, so that running ones can go on."""
STREAMS = ("screen", "keys")
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Stream:
    sealer: Sealer
    file: int
    written: Head
    """How far whole chunks reach in the file."""
    dirty: bool = False

    def write(self, *, last: str | None, at_us: int) -> None:
        while (chunk := self.sealer.chunk()) is not None:
            self._append(chunk)
        if last is not None:
            self._append(self.sealer.end(at_us, last))

    def _append(self, chunk: bytes) -> None:
        self.dirty = True
        _append(self.file, chunk)
        self.written = self.sealer.head
        faults.reach("recording.written")

    def give_up(self) -> Head:
        """It can't be written any more: cut what was half written, so that it ends where the log will say."""
        os.ftruncate(self.file, self.written.bytes)
        os.fdatasync(self.file)
        return self.written

    def sync(self) -> None:
        if self.dirty:
            os.fdatasync(self.file)
            self.dirty = False


class SessionRecorder:
    """One session's recording; everything but `_write` belongs to the event loop's thread."""

    def __init__(
        self,
        streams: dict[str, _Stream],
        loop: AbstractEventLoop,
        failed: Callable[[Unavailable], None],
        ring: Callable[[], None],
    ) -> None:
        self._streams, self._loop, self._failed, self._ring = streams, loop, failed, ring
        self._began = monotonic()
        self._waiting: deque[tuple[int, int, int, bytes]] = deque()
        self._waiting_bytes = 0
        self._durable = streams["screen"].sealer.head
        self._drained, self._done = Event(), threading.Event()
        self._last: str | None = None
        self._synced = monotonic()
        self.fault: Unavailable | None = None

    @property
    def behind(self) -> bool:
        return self._waiting_bytes > BEHIND_BYTES

    def frame(self, kind: int, channel: int, data: bytes) -> None:
        if self.fault:
            raise self.fault
        self._waiting_bytes += len(data)
        self._waiting.append((self._at(), kind, channel, data))
        if self._waiting_bytes > RING_BYTES:
            self._ring()

    async def drained(self) -> None:
        while self.behind and not self.fault:
            self._drained.clear()
            with contextlib.suppress(TimeoutError):
                async with timeout(1):
                    await self._drained.wait()
        if self.fault:
            raise self.fault

    def begin(self, folder: Path) -> None:
        """Make the files durable, with their names; blocks. Raises `Unavailable`: then no secret may be released."""
        try:
            for stream in self._streams.values():
                os.fdatasync(stream.file)
            names = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(names)
            finally:
                os.close(names)
        except OSError as error:
            raise Unavailable(
                f"The recording can't be written: {error.strerror}.", what_to_do="Look at the gateway's disk."
            ) from None

    def head(self) -> Head:
        """How far the screen is durable: what the log is told, so that it never names what a power cut could take."""
        return self._durable

    def _at(self) -> int:
        return int((monotonic() - self._began) * 1_000_000)

    def write(self) -> None:
        """On the writer's thread: seal and append what waits."""
        if self._done.is_set():
            return
        last, taken = self._last, 0
        try:
            while self._waiting:
                at, kind, channel, data = self._waiting.popleft()
                self._streams["keys" if kind == Kind.INPUT else "screen"].sealer.frame(at, Kind(kind), channel, data)
                taken += len(data)
            for stream in self._streams.values():
                stream.write(last=last, at_us=self._at())
            if last is not None or monotonic() - self._synced > SYNC_EVERY:
                self._synced = monotonic()
                for stream in self._streams.values():
                    stream.sync()
                self._durable = self._streams["screen"].written
                faults.reach("recording.synced" if last is None else "recording.ended")
        except (OSError, ValueError) as error:
            self._fail(error)
        if taken:
            self._loop.call_soon_threadsafe(self._took, taken)
        if last is not None or self.fault:
            for stream in self._streams.values():
                os.close(stream.file)
            self._done.set()

    def _fail(self, error: Exception) -> None:
        _log.error("a recording can't be written: %s", error)
        words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "unexpected data"
        for name, stream in self._streams.items():
            with contextlib.suppress(OSError):
                reached = stream.give_up()
                if name == "screen":
                    self._durable = reached
        self.fault = Unavailable(
            f"The recording can't be written: {words}.", what_to_do="Make room on the gateway's disk."
        )
        self._loop.call_soon_threadsafe(self._failed, self.fault)

    def _took(self, size: int) -> None:
        self._waiting_bytes -= size
        self._drained.set()

    def finish(self, reason: str) -> None:
        self._last = reason

    def finished(self, wait: float) -> bool:
        return self._done.wait(wait)


class Recorders:
    """All recordings of this node, and the thread that writes them."""

    def __init__(self, folder: Path, public_key: Callable[[], str]) -> None:
        """`public_key`: base64 of the recording key that the roster names at that moment."""
        self.folder, self._public_key = folder, public_key
        self._live: list[SessionRecorder] = []
        self._bell, self._stopping = threading.Event(), False
        self._thread = threading.Thread(target=self._write_forever, name="recorder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._bell.set()
        self._thread.join(5)

    def begin(
        self, id: str, session: str, at: datetime, loop: AbstractEventLoop, failed: Callable[[Unavailable], None]
    ) -> SessionRecorder:
        """Start a recording. Raises `Unavailable` when there is too little room for one, or none can be made."""
        try:
            free = os.statvfs(self.folder)
            if free.f_bavail * free.f_frsize < RESERVED_BYTES:
                raise Unavailable(
                    "There is too little room on the gateway's disk to record a new session.",
                    what_to_do="Make room; sessions that run go on.",
                )
            streams = {stream: self._stream(id, session, stream, at) for stream in STREAMS}
        except OSError as error:
            raise Unavailable(
                f"No recording can be made: {error.strerror}.", what_to_do="Look at the gateway's disk."
            ) from None
        faults.reach("recording.made")
        recorder = SessionRecorder(streams, loop, failed, self._bell.set)
        self._live.append(recorder)
        return recorder

    def finish(self, recorder: SessionRecorder, reason: str, wait: float = 5) -> Head:
        """End it and wait until it is on disk; blocks, so call it in a thread. Raises `Unavailable` when it failed."""
        recorder.finish(reason)
        self._bell.set()
        done = recorder.finished(wait)
        if recorder in self._live:
            self._live.remove(recorder)
        if recorder.fault:
            raise recorder.fault
        if not done:
            raise Unavailable("The recording was not finished in time.", what_to_do="Look at the gateway's disk.")
        return recorder.head()

    def path(self, id: str, stream: str) -> Path:
        return self.folder / f"{id}.{stream}"

    def _stream(self, id: str, session: str, stream: str, at: datetime) -> _Stream:
        with Secret(os.urandom(32)) as key:
            info = recording_key.recording_info(session, stream)
            wrapped = recording_key.wrap(b64decode(self._public_key()), key, info)
            header = Header(
                session=session, stream=stream, created_at_ms=int(at.timestamp() * 1000), wrapped_key=wrapped
            )
            sealer = Sealer(header, key.reveal())
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(self.path(id, stream), flags, 0o600)
        _append(file, sealer.header)
        return _Stream(sealer, file, sealer.head, dirty=True)

    def _write_forever(self) -> None:
        while not self._stopping:
            self._bell.wait(WRITE_EVERY)
            self._bell.clear()
            for recorder in list(self._live):
                recorder.write()


def _append(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
