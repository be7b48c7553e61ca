"""One channel between a person and a target: every byte is recorded, then passed on.

    person ══ Near ══▶ inward  ══▶ tape ══▶ Far ══ target
           ◀═════════  outward ◀══ tape ◀═════════

It is made of asyncssh's callbacks and no queue: bytes go from one side's `data_received` straight into the other side's
`write`. When one side can't take more, the valve on the other side shuts.
"""

import asyncio
import re
import signal
from collections.abc import Callable
from typing import Any

import asyncssh

from breakglass.codec.frames import Kind
from breakglass.gateway.desk import Ask, Opened
from breakglass.gateway.limits import Limits
from breakglass.gateway.near import NearChannel
from breakglass.gateway.tape import Tape
from breakglass.gateway.valve import Hold, Valve
from breakglass.gateway.words import Exit, plain, said
from breakglass.model.policy import Permission

_ENVIRONMENT = re.compile(rb"LANG|LC_[A-Z]{1,20}")
_ENVIRONMENT_MOST, _ENVIRONMENT_LONGEST = 20, 256
_SIGNALS = {item.name.removeprefix("SIG"): int(item) for item in signal.Signals}
_UNKNOWN_SIGNAL = 99


class Relay:
    """`begin` is called once, when the person has asked for something; `over` once, when their side has closed."""

    def __init__(
        self, number: int, limits: Limits, begin: Callable[["Relay"], None], over: Callable[["Relay"], None]
    ) -> None:
        self.number, self.ask = number, Ask(kind=Permission.SHELL)
        self.inward, self.outward = Valve(), Valve()
        self.inward.shut(Hold.OPENING)
        self._limits, self._begin, self._over = limits, begin, over
        self._near: NearChannel | None = None
        self._far: asyncssh.SSHClientChannel[bytes] | None = None
        self._tape: Tape | None = None
        self._notes: list[str] = []
        self._early: list[bytes] = []
        self._early_eof = self._terminal = self._closed = False
        self._exit: int | tuple[str, bool, str, str] | None = None

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def open(self, opened: Opened, behind: Callable[[], None]) -> None:
        """Open the same channel on the target and let bytes pass. A refusal is told to the person and noted."""
        if self._closed or self._near is None:
            return
        cap = None if self.ask.terminal else opened.bulk_cap
        self._tape = tape = Tape(opened.recorder, opened.order, self.number, cap=cap, behind=behind)
        environment = self._environment(self._near)
        if not self._announce(tape, self._near):
            return
        if self.ask.kind not in opened.permissions:
            self.end(f"The policy of this account does not allow {self.ask.kind} sessions.", Exit.REFUSED)
            return
        if self.ask.terminal and self.ask.kind is Permission.SHELL:
            self.tell(opened.banner)
        near = self._near
        try:
            async with asyncio.timeout(self._limits.open_for):
                channel, _ = await opened.upstream.create_session(
                    lambda: Far(self),
                    command=self.ask.command if self.ask.kind is Permission.EXEC else None,
                    subsystem="sftp" if self.ask.kind is Permission.SFTP else None,
                    env=environment,
                    send_env=None,
                    request_pty="force" if self.ask.terminal else False,
                    term_type=near.get_terminal_type(),
                    term_size=near.get_terminal_size(),
                    term_modes=near.get_terminal_modes(),
                    x11_forwarding=False,
                    encoding=None,
                    window=self._limits.window,
                    max_pktsize=self._limits.packet,
                )
        except asyncssh.ChannelOpenError as fault:
            self.end(f"The target refused the channel: {plain(fault.reason)[:200]}", Exit.UNAVAILABLE)
        except (asyncssh.Error, OSError):
            self.end("The target did not open the channel in time.", Exit.UNAVAILABLE)
        else:
            self._joined(channel)

    def _announce(self, tape: Tape, near: NearChannel) -> bool:
        """The frames that stand before anything happens. False: it could not be recorded, so nothing happens."""
        opened = tape.event(Kind.OPEN, self.ask.kind.value)
        for note in self._notes:
            tape.note(note)
        if self.ask.terminal:
            cols, rows, _, _ = near.get_terminal_size()
            opened = opened and tape.resized(cols, rows)
        if self.ask.kind is Permission.EXEC:
            return opened and tape.event(Kind.EXEC, self.ask.command)
        if self.ask.kind is Permission.SFTP:
            return opened and tape.event(Kind.SUBSYSTEM, "sftp")
        return opened

    def _environment(self, near: NearChannel) -> dict[bytes | str, bytes | str]:
        """The language, and nothing else of what the person's machine sends along."""
        passed: dict[bytes | str, bytes | str] = {}
        refused: list[str] = []
        for name, value in list(near.get_environment_bytes().items())[:_ENVIRONMENT_MOST]:
            if _ENVIRONMENT.fullmatch(name) and len(value) < _ENVIRONMENT_LONGEST:
                passed[name] = value
            else:
                refused.append(plain(name[:40].decode("utf-8", "replace")))
        if refused:
            self.note(f"refused: environment {' '.join(refused)}")
        return passed

    def _joined(self, far: "asyncssh.SSHClientChannel[bytes]") -> None:
        self._far = far
        self.outward.attach(far)
        if self._closed:
            far.close()
            return
        early, self._early = self._early, []
        for data in early:
            self.from_person(data)
        self.inward.open(Hold.OPENING)
        if self._early_eof:
            far.write_eof()

    # ── passing on ───────────────────────────────────────────────────────────────────────────────────────────────────

    def from_person(self, data: bytes) -> None:
        if self._far is None or self._tape is None:
            # Typed before the target is there; at most one packet, because the valve is shut (asyncssh opened it by
            # itself when it answered the request).
            self._early.append(data)
            if self._near is not None:
                self._near.pause_reading()
        elif self._tape.stream(Kind.INPUT, data) and not self._far.is_closing():
            self._far.write(data)

    def from_target(self, data: bytes, datatype: int | None) -> None:
        if self._closed or self._near is None or self._tape is None:
            return
        if self._tape.stream(Kind.STDERR if datatype else Kind.OUTPUT, data) and not self._near.is_closing():
            self._near.write(data, datatype)

    def person_finished(self) -> None:
        if self._far is None:
            self._early_eof = True
        elif not self._far.is_closing():
            self._far.write_eof()

    def target_finished(self) -> None:
        if self._near is not None and not self._near.is_closing():
            self._near.write_eof()

    def resized(self, cols: int, rows: int, width: int, height: int) -> None:
        if self._far is not None and self._tape is not None and self._tape.resized(cols, rows):
            self._far.change_terminal_size(cols, rows, width, height)

    def signalled(self, name: str) -> None:
        if (
            self._far is not None
            and self._tape is not None
            and self._tape.event(Kind.NOTE, f"signal: {plain(name)[:40]}")
        ):
            self._far.send_signal(name)

    def broken(self, milliseconds: int) -> bool:
        if self._far is None or self._tape is None or not self._tape.event(Kind.NOTE, f"break: {milliseconds} ms"):
            return False
        self._far.send_break(milliseconds)
        return True

    def flow_control(self, allowed: bool) -> None:
        if self._near is not None and not self._near.is_closing():
            self._near.set_xon_xoff(allowed)

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def exited(self, how: int | tuple[str, bool, str, str]) -> None:
        """Kept until the channel closes: output may still be on its way (RFC 4254, 6.10)."""
        self._exit = how
        if self._tape is not None:
            self._tape.exited(how if isinstance(how, int) else -_SIGNALS.get(how[0], _UNKNOWN_SIGNAL))

    def target_closed(self, fault: Exception | None) -> None:
        near = self._near
        if self._far is None or near is None or self._closed:
            return
        if self._tape is not None and self._tape.over:
            return  # whoever ended the session also tells the person; a status would say that all went well
        match self._exit:
            case int(status):
                near.exit(status)
            case (str(name), bool(dumped), str(message), str(language)):
                near.exit_with_signal(name, dumped, message, language)
            case _ if fault is not None:
                self.end("The connection to the target was lost.", Exit.TARGET_LOST)
            case _:
                near.close()

    def person_closed(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._far is not None:
            self._far.close()
        if self._tape is not None:
            self._tape.close()
        self._over(self)

    def end(self, text: str, status: Exit) -> None:
        """Tell the person and close their side."""
        self.tell(text)
        if self._near is not None:
            self._near.exit(status)

    # ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def tell(self, text: str) -> None:
        """Say something to the person; it stands in the recording as a note."""
        if self._near is not None and not self._near.is_closing():
            self.note(text)
            self._near.write_stderr(said(text, terminal=self._terminal))

    def note(self, text: str) -> None:
        if self._tape is not None:
            self._tape.note(text)
        elif len(self._notes) < self._limits.notes:
            self._notes.append(text)

    # ── what the person asks for ─────────────────────────────────────────────────────────────────────────────────────

    def connected(self, near: NearChannel) -> None:
        self._near = near
        self.inward.attach(near)

    def wants_terminal(self) -> None:
        self._terminal = True

    def wants(self, kind: Permission, command: str = "") -> None:
        self.ask = Ask(kind=kind, command=command, terminal=self._terminal)

    def start(self) -> None:
        self._begin(self)


class Near(asyncssh.SSHServerSession[bytes]):
    """The person's side: asyncssh calls it, the relay does the work."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._relay.from_person(data)

    def connection_made(self, chan: NearChannel) -> None:
        self._relay.connected(chan)

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        self._relay.wants_terminal()
        return True

    def shell_requested(self) -> bool:
        self._relay.wants(Permission.SHELL)
        return True

    def exec_requested(self, command: str) -> bool:
        self._relay.wants(Permission.EXEC, command)
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        if subsystem != "sftp":
            self.refused(f"subsystem {plain(subsystem)[:40]}")
            return False
        self._relay.wants(Permission.SFTP)
        return True

    def refused(self, what: str) -> None:
        self._relay.note(f"refused: {what}")

    def session_started(self) -> None:
        self._relay.start()

    def eof_received(self) -> bool:
        self._relay.person_finished()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        self._relay.resized(width, height, pixwidth, pixheight)

    def signal_received(self, signal: str) -> None:
        self._relay.signalled(signal)

    def break_received(self, msec: int) -> bool:
        return self._relay.broken(msec)

    def pause_writing(self) -> None:
        self._relay.outward.shut(Hold.CHANNEL_FULL)

    def resume_writing(self) -> None:
        self._relay.outward.open(Hold.CHANNEL_FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.person_closed()


class Far(asyncssh.SSHClientSession[bytes]):
    """The target's side."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._relay.from_target(data, datatype)

    def eof_received(self) -> bool:
        self._relay.target_finished()
        return True

    def exit_status_received(self, status: int) -> None:
        self._relay.exited(status)

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._relay.exited((signal, core_dumped, msg, lang))

    def xon_xoff_requested(self, client_can_do: bool) -> None:
        self._relay.flow_control(client_can_do)

    def pause_writing(self) -> None:
        self._relay.inward.shut(Hold.CHANNEL_FULL)

    def resume_writing(self) -> None:
        self._relay.inward.open(Hold.CHANNEL_FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self._relay.target_closed(exc)
