"""A session's program and its streams: a pseudo-terminal of its own where the person asked for one, else three pipes.

    person ── SSH channel ──▶ pty or pipe ──▶ bubblewrap ──▶ shell
           ◀───────────────               ◀──

The program ends with the session: whatever ends the coroutine (the program, the person, a dropped connection) kills it.
"""

import asyncio
import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import asyncssh

_BLOCK = 64 * 1024
_INTERRUPT, _END_OF_FILE = b"\x03", b"\x04"


async def on_pipes(process: "asyncssh.SSHServerProcess[bytes]", command: Sequence[str]) -> int:
    """Run `command` with the channel as its three streams; returns its exit status."""
    pipe = asyncio.subprocess.PIPE
    program = await _begin(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    try:
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(_feed(process, program.stdin))
            async with asyncio.TaskGroup() as output:
                output.create_task(_pour(program.stdout, process.stdout))
                output.create_task(_pour(program.stderr, process.stderr))
            status = await program.wait()
            feeding.cancel()
        return status
    finally:
        await _end(program)


async def _feed(process: "asyncssh.SSHServerProcess[bytes]", into: asyncio.StreamWriter | None) -> None:
    if into is None:
        return
    with suppress(OSError, asyncssh.Error):  # it may end without reading
        while data := await _typed(process):
            into.write(data)
            await into.drain()
    into.close()


async def _pour(out: asyncio.StreamReader | None, into: "asyncssh.SSHWriter[bytes]") -> None:
    if out is None:
        return
    with suppress(OSError, asyncssh.Error):  # the person may go first
        while data := await out.read(_BLOCK):
            into.write(data)
            await into.drain()


async def on_terminal(process: "asyncssh.SSHServerProcess[bytes]", command: Sequence[str]) -> int:
    """Run `command` on a new terminal; returns its exit status."""
    ours, theirs = os.openpty()
    try:
        _resize(ours, process.term_size)
        os.set_blocking(ours, False)
        program = await _begin(command, stdin=theirs, stdout=theirs, stderr=theirs)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    try:
        async with asyncio.TaskGroup() as group:
            typing = group.create_task(_type(process, ours))
            await _show(process, ours)
            typing.cancel()
        async with asyncio.timeout(5):
            return await program.wait()
    except TimeoutError:
        return 1
    finally:
        await _end(program)
        os.close(ours)


async def _show(process: "asyncssh.SSHServerProcess[bytes]", terminal: int) -> None:
    """Everything that the program writes, until nobody holds the terminal's other end."""
    while True:
        await _ready(terminal, writing=False)
        try:
            data = os.read(terminal, _BLOCK)
        except BlockingIOError:
            continue
        except OSError:  # EIO: the last program on it is gone
            return
        if not data:
            return
        try:
            process.stdout.write(data)
            await process.stdout.drain()
        except (OSError, asyncssh.Error):
            return


async def _type(process: "asyncssh.SSHServerProcess[bytes]", terminal: int) -> None:
    """Everything that the person types, sizes and breaks included, until their end of the channel closes."""
    while data := await _typed(process, on_size=lambda size: _resize(terminal, size)):
        await _put(terminal, data)
    await _put(terminal, _END_OF_FILE)


async def _typed(
    process: "asyncssh.SSHServerProcess[bytes]", on_size: Callable[[tuple[int, int, int, int]], None] | None = None
) -> bytes:
    """The next input; a break or a signal is what the key would have sent."""
    while True:
        try:
            return await process.stdin.read(_BLOCK)
        except asyncssh.TerminalSizeChanged as changed:
            if on_size:
                on_size(changed.term_size)
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):
            return _INTERRUPT


async def _put(terminal: int, data: bytes) -> None:
    while data:
        await _ready(terminal, writing=True)
        try:
            data = data[os.write(terminal, data) :]
        except BlockingIOError:
            continue
        except OSError:
            return


async def _ready(handle: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def is_ready() -> None:
        if not ready.done():
            ready.set_result(None)

    add, remove = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    add(handle, is_ready)
    try:
        await ready
    finally:
        remove(handle)


def _resize(terminal: int, size: tuple[int, int, int, int]) -> None:
    """Columns, rows, and both in pixels, as RFC 4254 section 6.2 sends them."""
    columns, rows, width, height = (min(max(number, 0), 65535) for number in size)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows or 24, columns or 80, width, height))


async def _begin(command: Sequence[str], **streams: Any) -> asyncio.subprocess.Process:
    """Start it; a session that goes away in this moment waits for the start, so that there is something to end."""
    beginning = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, **streams))
    try:
        return await asyncio.shield(beginning)
    except asyncio.CancelledError:
        await _end(await beginning)
        raise


async def _end(program: asyncio.subprocess.Process) -> None:
    """Kill the box and wait for it: its pid namespace goes with it, and so does all that runs inside.

    The whole group, because a box that is still being built is two processes, and the inner one may not yet have asked
    to die with the outer one.
    """
    if program.returncode is None:
        with suppress(ProcessLookupError):
            os.kill(program.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
    await asyncio.shield(program.wait())
