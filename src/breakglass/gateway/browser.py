"""A terminal in a browser: the same visit, desk, recording and order as at the SSH door, over a WebSocket.

    browser ──binary: what is typed──▶ Screen ──▶ relay ══ tape ══ target
            ◀─binary: what is shown──         ◀──
            ──text: {"size": [c, r]}, {"shown": bytes}──▶      ◀── {"took": bytes}, {"ended": status}──

A browser takes in whatever a WebSocket brings, so it says how much it has shown; when too much is on the way the target
is not read. The other way round the page is told how much the target took, and sends no more than fits: the socket is
always read, so that its end is seen also while the target takes nothing. Nothing is queued without a bound.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from breakglass.errors import Malformed, TooMany
from breakglass.gateway.desk import Caller, Desk
from breakglass.gateway.limits import Limits
from breakglass.gateway.login import Login
from breakglass.gateway.relay import Near
from breakglass.gateway.visit import Visit

TERMINAL = "xterm-256color"
MESSAGE_MAX = 64 * 1024
"""Bytes of one message; a paste is sent in pieces."""
ON_THE_WAY_MAX = 512 * 1024
"""Bytes that were sent and not shown yet: then the target is not read, until half of them are shown."""
HELD_MAX = 1024 * 1024
"""Bytes that were typed and not taken yet; a page of ours keeps to a quarter of it."""
SEND_FOR = 15.0
"""Seconds for one message to leave; a browser that takes longer is gone."""
SIZES = range(1, 1000)
AT_ONCE = 64
"""Terminals of a node."""


class Socket(Protocol):
    """A WebSocket that was accepted."""

    async def receive(self) -> bytes | str | None:
        """One message; None once it is closed."""
        ...

    async def send(self, message: bytes | str) -> None: ...
    async def close(self) -> None: ...
    async def gone(self) -> str:
        """Comes back once the person may not be here any more, and says why."""
        ...


class Terminals:
    """The browsers' door. `stop` ends them all."""

    def __init__(self, desk: Desk, limits: Limits, now: Callable[[], datetime]) -> None:
        self._desk, self._limits, self._now = desk, limits, now
        self._visits: set[Visit] = set()

    async def run(self, caller: Caller, login: Login, size: tuple[int, int], socket: Socket) -> None:
        """One terminal, from the first message on to its end. The caller proved who it is (a ticket, http.tickets)."""
        if len(self._visits) >= AT_ONCE:
            raise TooMany("Too many terminals are open here.", what_to_do="Close one, or connect with ssh.")
        screen = Screen(socket, size)
        visit = Visit(self._desk, caller, login, screen, limits=self._limits, now=self._now)
        self._visits.add(visit)
        try:
            await self._live(visit, screen, socket)
        finally:
            self._visits.discard(visit)

    async def _live(self, visit: Visit, screen: "Screen", socket: Socket) -> None:
        async def mind_sign_in() -> None:
            visit.end(await socket.gone())

        async with asyncio.TaskGroup() as group:
            session = visit.channel(lambda started: started.running_as(group.create_task(started.run())))
            screen.join(session)
            sending = group.create_task(screen.send_all())
            minding = group.create_task(mind_sign_in())
            try:
                await screen.read_all()
            finally:
                visit.left()
                screen.lost()
                sending.cancel()
                minding.cancel()

    def stop(self) -> None:
        for visit in list(self._visits):
            visit.stop()


class Screen:
    """The person's side of a relay (`near.NearChannel`), and the connection that carries it (`near.NearConnection`)."""

    def __init__(self, socket: Socket, size: tuple[int, int]) -> None:
        self._socket, self._size = socket, checked_size(*size)
        self._session: Near | None = None
        self._out: deque[bytes | str] = deque()
        self._in: deque[bytes] = deque()
        self._waiting = self._shown_up_to = self._sent = self._held = 0
        self._more, self._closed = asyncio.Event(), asyncio.Event()
        self._full = self._closing = self._paused = False

    def join(self, session: Near) -> None:
        self._session = session
        session.connection_made(self)
        session.pty_requested(TERMINAL, self.get_terminal_size(), {})
        session.shell_requested()
        session.session_started()

    # ── from the browser ─────────────────────────────────────────────────────────────────────────────────────────────

    async def read_all(self) -> None:
        """Until the socket closes, from either side. Raises `Malformed` for what no page of ours sends."""
        while not self._closed.is_set():
            message = await self._socket.receive()
            if message is None or self._closed.is_set():
                return
            if len(message) > MESSAGE_MAX:
                raise _wrong("It is too long.")
            if isinstance(message, bytes):
                self._held += len(message)
                if self._held > HELD_MAX:
                    raise _wrong("Too much was typed that the target has not taken.")
                self._in.append(message)
                self._pass_on()
            else:
                self._said(message)

    def _pass_on(self) -> None:
        """What was typed, as far as it may go on."""
        while self._in and not self._paused and not self._closing and self._session is not None:
            data = self._in.popleft()
            self._held -= len(data)
            self._session.data_received(data, None)
            self._out.append(json.dumps({"took": len(data)}))
            self._more.set()

    def _said(self, message: str) -> None:
        match _json(message):
            case {"size": [int(cols), int(rows)]}:
                self._size = checked_size(cols, rows)
                if self._session is not None:
                    self._session.terminal_size_changed(cols, rows, 0, 0)
            case {"shown": int(count)} if 0 <= count <= self._sent - self._shown_up_to:
                self._shown_up_to += count
                self._weigh()
            case _:
                raise _wrong("It is none that the terminal knows.")

    # ── to the browser ───────────────────────────────────────────────────────────────────────────────────────────────

    async def send_all(self) -> None:
        while True:
            await self._more.wait()
            if not self._out:
                self._more.clear()
                if self._closing:
                    await self._shut()
                    return
                continue
            message = self._out.popleft()
            if isinstance(message, bytes):
                self._waiting -= len(message)
                self._sent += len(message)
            try:
                async with asyncio.timeout(SEND_FOR):
                    await self._socket.send(message)
            except (TimeoutError, OSError, RuntimeError):
                await self._shut()
                return

    def _weigh(self) -> None:
        """Shut the way from the target while too much is on the way to the browser."""
        heavy = self._waiting + self._sent - self._shown_up_to
        if self._session is None:
            return
        if not self._full and heavy > ON_THE_WAY_MAX:
            self._full = True
            self._session.pause_writing()
        elif self._full and heavy < ON_THE_WAY_MAX // 2:
            self._full = False
            self._session.resume_writing()

    async def _shut(self) -> None:
        try:
            async with asyncio.timeout(SEND_FOR):
                await self._socket.close()
        except (TimeoutError, OSError, RuntimeError):
            pass
        self.lost()

    def lost(self) -> None:
        """The socket is gone."""
        self._closing = True
        if not self._closed.is_set():
            self._closed.set()
            if self._session is not None:
                self._session.connection_lost(None)

    # ── NearChannel ──────────────────────────────────────────────────────────────────────────────────────────────────

    def get_terminal_type(self) -> str | None:
        return TERMINAL

    def get_terminal_size(self) -> tuple[int, int, int, int]:
        return (*self._size, 0, 0)

    def get_terminal_modes(self) -> Mapping[int, int]:
        return {}

    def get_environment_bytes(self) -> Mapping[bytes, bytes]:
        return {}

    def write(self, data: bytes, datatype: int | None = None) -> None:
        if self._closing or not data:
            return
        self._out.append(bytes(data))
        self._waiting += len(data)
        self._more.set()
        self._weigh()

    def write_stderr(self, data: bytes) -> None:
        self.write(data)

    def write_eof(self) -> None:
        """A terminal has no end of its own: the channel's close follows."""

    def exit(self, status: int) -> None:
        if not self._closing:
            self._out.append(json.dumps({"ended": status}))
            self.close()

    def exit_with_signal(self, signal: str, core_dumped: bool = False, msg: str = "", lang: str = "") -> None:
        self.exit(-1)

    def close(self) -> None:
        """What was written before still goes out."""
        self._closing = True
        self._more.set()

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._pass_on()

    def set_xon_xoff(self, client_can_do: bool) -> None:
        """Ctrl-S and Ctrl-Q go to the target."""

    # ── NearConnection ───────────────────────────────────────────────────────────────────────────────────────────────

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def disconnect(self, code: int, reason: str, lang: str = "") -> None:
        self._out.clear()
        self.close()
        self.lost()


def first_message(message: bytes | str | None) -> tuple[str, tuple[int, int]]:
    """(ticket, size) of what a page of ours sends first. Raises `Malformed`."""
    if isinstance(message, str) and len(message) <= 1000:
        match _json(message):
            case {"ticket": str(ticket), "size": [int(cols), int(rows)]}:
                return ticket, checked_size(cols, rows)
    raise _wrong("The first one says with which ticket it comes.")


def checked_size(cols: int, rows: int) -> tuple[int, int]:
    if cols not in SIZES or rows not in SIZES:
        raise _wrong("No terminal has this size.")
    return cols, rows


def _json(message: str) -> Any:
    try:
        return json.loads(message)
    except (ValueError, RecursionError):
        raise _wrong("It is not JSON.") from None


def _wrong(why: str) -> Malformed:
    return Malformed(f"A message of the terminal can't be taken. {why}", what_to_do="Open the terminal again.")
