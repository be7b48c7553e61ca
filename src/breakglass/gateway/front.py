"""The front end in the same door: `ssh gate status`, `ssh gate approve req_x < signature`.

    ssh alice@gateway COMMAND ──▶ argv ──▶ desk.gate ──▶ standard output, standard error, exit status

No shell ever runs: the command's words go to the desk as they are, split as a shell would split them. Without a command
the desk shows the state and the help.
"""

import asyncio
import logging
import shlex
from collections.abc import Callable, Coroutine
from typing import Any

import asyncssh

from breakglass.errors import BreakglassError, Malformed, Refused, Unavailable
from breakglass.gateway.desk import Caller, Desk
from breakglass.gateway.limits import Limits
from breakglass.gateway.words import Exit, exit_of, refusal, said

_log = logging.getLogger(__name__)


class Front(asyncssh.SSHServerSession[bytes]):
    """One channel that the gateway itself answers. `fault`: what is wrong with the connection as a whole."""

    def __init__(
        self,
        desk: Desk,
        caller: Caller,
        limits: Limits,
        start: Callable[[Coroutine[Any, Any, None]], object],
        *,
        fault: BreakglassError | None = None,
    ) -> None:
        self._desk, self._caller, self._limits, self._start, self._fault = desk, caller, limits, start, fault
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._command = ""
        self._terminal = False
        self._stdin = bytearray()
        self._stdin_over = asyncio.Event()

    # ── from asyncssh ────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
        self._channel = chan

    def connection_lost(self, exc: Exception | None) -> None:
        self._channel = None
        self._stdin_over.set()

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        self._terminal = True
        return True

    def shell_requested(self) -> bool:
        return True

    def exec_requested(self, command: str) -> bool:
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        self._fault = self._fault or Malformed(
            "Files are on targets, and this login name names none.",
            what_to_do="Connect as login+target or login+account+target.",
        )
        return True

    def session_started(self) -> None:
        self._start(self._answer())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._stdin += data
        if len(self._stdin) > self._limits.stdin_bytes:
            self._stdin_over.set()
            if self._channel is not None:
                self._channel.pause_reading()

    def eof_received(self) -> bool:
        self._stdin_over.set()
        return True

    # ── the answer ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _answer(self) -> None:
        try:
            async with asyncio.timeout(self._limits.gate_for):
                status, output, trouble = await self._ask()
        except BreakglassError as fault:
            self._finish(exit_of(fault), b"", said(refusal(fault), terminal=self._terminal))
        except TimeoutError:
            slow = Unavailable("No answer in time.", what_to_do="Try again; look at the state first: ssh gate status")
            self._finish(exit_of(slow), b"", said(refusal(slow), terminal=self._terminal))
        except Exception:
            _log.exception("the front end failed")
            text = "The gateway failed. Try again; if it stays so, tell its administrators."
            self._finish(Exit.SOFTWARE, b"", said(text, terminal=self._terminal))
        else:
            self._finish(status, self._lines(output), self._lines(trouble))

    async def _ask(self) -> tuple[int, str, str]:
        if self._fault is not None:
            raise self._fault
        try:
            argv = shlex.split(self._command)
        except ValueError:
            raise Malformed("The command has a quote without its partner.", what_to_do="Close the quote.") from None
        return await self._desk.gate(self._caller, argv, self._read_stdin)

    async def _read_stdin(self) -> bytes:
        try:
            async with asyncio.timeout(self._limits.stdin_for):
                await self._stdin_over.wait()
        except TimeoutError:
            raise Refused(
                "Standard input did not end.", what_to_do="Pipe it in, or end what you type with Ctrl-D."
            ) from None
        if len(self._stdin) > self._limits.stdin_bytes:
            raise Refused(
                f"Standard input is longer than {self._limits.stdin_bytes} bytes.",
                what_to_do="Is it the right file? A signature has less than a thousand bytes.",
            )
        return bytes(self._stdin)

    def _lines(self, text: str) -> bytes:
        return (text.replace("\n", "\r\n") if self._terminal else text).encode()

    def _finish(self, status: int, output: bytes, trouble: bytes) -> None:
        if self._channel is None or self._channel.is_closing():
            return
        self._channel.write(output)
        self._channel.write_stderr(trouble)
        self._channel.exit(status)
