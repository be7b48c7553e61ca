"""The demo's own SSH target: a host on loopback with a real shell in a box, a fault to fix, and a password to rotate.

    password  ok ─▶ shell, exec ──▶ bubblewrap, or the small shell where that does not work
                    sftp, scp ────▶ the host's own disk
                    `chpasswd` ───▶ the host's own password, changed durably
                    `sh -s -- end-remains` ─▶ every other session is ended, and then nothing runs but this one

It is an ordinary target: the rotator `linux-password` speaks to it as to any Linux. Everything lives in one folder:
`host_key` and `password.json` (the hash only) 0600, `disk/` with what people did. Sessions die with their connection.
"""

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

from breakglass.demo import fault
from breakglass.demo.credential import MOST_BYTES, HostPassword, write_private
from breakglass.demo.files import Files
from breakglass.demo.sandbox import Sandbox
from breakglass.demo.shell import Left, SmallShell
from breakglass.demo.terminal import on_pipes, on_terminal
from breakglass.errors import Unavailable, WrongState
from breakglass.model.secret import Secret

_REFUSED_AFTER = 0.1
"""Seconds that a wrong password waits: enough to make guessing slow, too little to be felt by a typo."""
_LOGIN_WITHIN = 20
_STDIN_WITHIN = 15
_GONE_WITHIN = 10

END_REMAINS, LOOK = "sh -s -- end-remains", "sh -s -- look"
"""What the rotator runs to end what is left, and to look; its script can't look out of a box, so the host does it."""


class DemoHost:
    """A running demo host. Made by `start`, ended by `stop`."""

    def __init__(self, folder: Path, password: HostPassword, born: Secret | None, *, boxed: bool) -> None:
        self._password, self._born, self._boxed = password, born, boxed
        self._box = Sandbox(folder)
        self._visits: set[_Visit] = set()
        self._changing = asyncio.Lock()
        self._server: asyncssh.SSHAcceptor | None = None
        self.host_key_line = ""
        """`ssh-ed25519 AAAA…`, as an endpoint pins it."""

    @classmethod
    async def start(
        cls, folder: Path, port: int = 0, *, login: str = "root", sandbox: bool | None = None
    ) -> "DemoHost":
        """Listen on 127.0.0.1; `port` 0 takes a free one. Everything that must last is in `folder`.

        `sandbox`: None takes the real shell where it works; False takes the small shell; True insists on the real one
        and raises `Unavailable` where it doesn't work. Raises `Unavailable` also for a port that is taken.
        """
        box = Sandbox(folder)
        key, password, born = await asyncio.to_thread(_prepare, folder, box, login)
        boxed = sandbox is not False and await box.works()
        if sandbox and not boxed:
            raise Unavailable("The demo's sandbox does not work here.", what_to_do="Install bubblewrap, or do without.")
        host = cls(folder, password, born, boxed=boxed)
        host.host_key_line = " ".join(key.export_public_key().decode().split()[:2])
        try:
            host._server = await host._listen(key, port)
        except OSError as error:
            raise Unavailable(
                f"The demo host can't listen on port {port} ({error.strerror or 'taken'}).",
                what_to_do="Choose another port, or 0 for a free one.",
            ) from None
        return host

    @property
    def port(self) -> int:
        if self._server is None:
            raise WrongState("The demo host is not running.", what_to_do="Start it first.")
        return self._server.get_port()

    @property
    def login(self) -> str:
        return self._password.login

    @property
    def boxed(self) -> bool:
        """Whether people get the real shell."""
        return self._boxed

    def initial_password(self) -> Secret:
        """The password that this host was born with: on its first start only, and given away once.

        Raises `WrongState` afterwards: the host itself knows only the hash.
        """
        born, self._born = self._born, None
        if born is None:
            raise WrongState(
                "The demo host's password is known to the vault only.",
                what_to_do="Begin with a new demo folder if the vault has lost it.",
            )
        return born

    def is_fixed(self) -> bool:
        """Whether the planted fault was repaired."""
        return fault.is_healthy(self._box.disk)

    async def stop(self) -> None:
        """End every session and the listener; harmless when called twice."""
        if self._server is not None:
            self._server.close()
            await self._end(set(self._visits))
            await self._server.wait_closed()
            self._server = None
        if self._born is not None:
            self._born.wipe()

    async def _listen(self, key: asyncssh.SSHKey, port: int) -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            port,
            config=None,
            options=None,
            server_host_keys=[key],
            server_factory=lambda: _Visit(self),
            process_factory=self._serve,
            sftp_factory=lambda channel: Files(channel, self._box.disk),
            allow_scp=True,
            encoding=None if self._boxed else "utf-8",  # the line editor of the small shell works on text
            line_editor=not self._boxed,
            agent_forwarding=False,
            x11_forwarding=False,
            gss_host=None,
            compression_algs=["none"],
            login_timeout=_LOGIN_WITHIN,
            keepalive_interval=15,
        )

    async def _serve(self, process: "asyncssh.SSHServerProcess[Any]") -> None:
        """One session channel, from its first byte to its exit status."""
        status = await self._while_open(process, lambda: self._act(process))
        with suppress(OSError, asyncssh.Error):
            process.exit(status)

    async def _while_open(self, process: "asyncssh.SSHServerProcess[Any]", act: "Callable[[], Awaitable[int]]") -> int:
        """Do `act`; when the channel or its connection goes away first, cancel it, also before it began."""
        visit = _visit(process)
        async with asyncio.TaskGroup() as group:
            work = group.create_task(_settled(act))
            visit.work.add(work)
            work.add_done_callback(visit.work.discard)
            watch = group.create_task(_cancel_after(process.channel.wait_closed, work))
            await asyncio.wait([work])
            watch.cancel()
        return 1 if work.cancelled() else work.result()

    async def _act(self, process: "asyncssh.SSHServerProcess[Any]") -> int:
        command = process.command
        if command == "chpasswd":
            return await self._chpasswd(process)
        if command == END_REMAINS:
            return await self._end_remains(process)
        if not self._boxed:
            return await (self._look(process) if command == LOOK else self._small_shell(process, command))
        if process.term_type is None:
            return await on_pipes(process, self._box.command(command, {"TERM": "dumb"}))
        if command is None:
            _say(process.stdout, fault.GREETING.replace("\n", "\r\n"))
        return await on_terminal(process, self._box.on_terminal(command, {"TERM": _term(process.term_type)}))

    async def _chpasswd(self, process: "asyncssh.SSHServerProcess[Any]") -> int:
        """chpasswd(8) for the one login there is: `login:password` lines on standard input."""
        given = await _all_input(process, most=4 * MOST_BYTES)
        lines = [line for line in given.split(b"\n") if line]
        for number, line in enumerate(lines, start=1):
            login, colon, new = line.partition(b":")
            if not colon or not new or len(new) > MOST_BYTES or login != self.login.encode():
                _say(process.stderr, f"chpasswd: line {number}: no such user, or no new password\n")
                return 1
        async with self._changing:
            for line in lines:
                await asyncio.to_thread(self._password.change, line.partition(b":")[2])
        return 0

    async def _end_remains(self, process: "asyncssh.SSHServerProcess[Any]") -> int:
        await _all_input(process, most=256 * 1024)
        own = _visit(process)
        left = await self._end({visit for visit in self._visits if visit is not own})
        for number, _ in enumerate(left, start=1):
            _say(process.stdout, f"breakglass-remains process {number} session\n")
        _say(process.stdout, "breakglass-done\n")
        return 0

    async def _look(self, process: "asyncssh.SSHServerProcess[Any]") -> int:
        """Without a box there is nothing to leave behind but files."""
        await _all_input(process, most=256 * 1024)
        keys = self._box.disk / "root" / ".ssh" / "authorized_keys"
        for line in keys.read_text(errors="replace").splitlines() if keys.is_file() else ():
            _say(process.stdout, f"breakglass-trace key root: {line}\n")
        _say(process.stdout, "breakglass-looked\n")
        return 0

    async def _end(self, visits: "set[_Visit]") -> "set[_Visit]":
        """Cut these connections and wait until their programs are gone; returns those that are not."""
        for visit in visits:
            visit.cut()
        with suppress(TimeoutError):
            async with asyncio.timeout(_GONE_WITHIN):
                for visit in visits:
                    await visit.gone()
        return {visit for visit in visits if visit.work}

    async def _small_shell(self, process: "asyncssh.SSHServerProcess[Any]", command: str | None) -> int:
        shell = SmallShell(self._box.disk)
        try:
            if command is not None:
                status, text = await asyncio.to_thread(shell.run, command)
                _say(process.stdout, text)
                return status
            _say(process.stdout, fault.GREETING)
            status = 0
            while line := await _next_line(process, shell.prompt):
                status, text = await asyncio.to_thread(shell.run, line)
                _say(process.stdout, text)
            return status
        except Left as left:
            return left.status

    def arrived(self, visit: "_Visit") -> None:
        self._visits.add(visit)

    def left(self, visit: "_Visit") -> None:
        self._visits.discard(visit)

    async def fits(self, login: str, password: str) -> bool:
        """Checks a password beside the loop; a wrong one waits a moment."""
        if await asyncio.to_thread(self._password.fits, login, password.encode()):
            return True
        await asyncio.sleep(_REFUSED_AFTER)
        return False


class _Visit(asyncssh.SSHServer):
    """One connection: who may come in, and what runs for it."""

    def __init__(self, host: DemoHost) -> None:
        self._host = host
        self._connection: asyncssh.SSHServerConnection | None = None
        self.work: set[asyncio.Task[int]] = set()

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        self._connection = connection
        self._host.arrived(self)

    def connection_lost(self, error: Exception | None) -> None:
        for work in self.work:
            work.cancel()
        self._host.left(self)

    def cut(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    async def gone(self) -> None:
        if self._connection is not None:
            await self._connection.wait_closed()
        if self.work:
            await asyncio.wait(set(self.work))

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return False

    async def validate_password(self, username: str, password: str) -> bool:
        return await self._host.fits(username, password)


def _visit(process: "asyncssh.SSHServerProcess[Any]") -> _Visit:
    owner = process.channel.get_connection().get_owner()
    if not isinstance(owner, _Visit):
        raise OSError("the connection is gone")
    return owner


async def _settled(act: Callable[[], Awaitable[int]]) -> int:
    """The act's exit status; a stream that broke under it is a failed command and no more."""
    try:
        return await act()
    except (OSError, TimeoutError, asyncssh.Error):
        return 1


async def _cancel_after(event: Callable[[], Awaitable[Any]], task: "asyncio.Task[int]") -> None:
    await event()
    task.cancel()


async def _all_input(process: "asyncssh.SSHServerProcess[Any]", *, most: int) -> bytes:
    """Standard input to its end. Raises `OSError` for more than `most` bytes, `TimeoutError` for a slow one."""
    given = bytearray()
    async with asyncio.timeout(_STDIN_WITHIN):
        while data := await process.stdin.read(64 * 1024):
            given += data.encode() if isinstance(data, str) else data
            if len(given) > most:
                raise OSError("too much input")
    return bytes(given)


async def _next_line(process: "asyncssh.SSHServerProcess[Any]", prompt: str) -> str:
    while True:
        if process.term_type is not None:
            _say(process.stdout, prompt)
        try:
            return str(await process.stdin.readline())
        except asyncssh.TerminalSizeChanged:
            continue
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):
            _say(process.stdout, "^C\n")


def _say(writer: "asyncssh.SSHWriter[Any]", text: str) -> None:
    """Text on a stream that takes text (the small shell's) or bytes (all others)."""
    encoding, _ = writer.channel.get_encoding()
    writer.write(text if encoding else text.encode())


def _term(name: str) -> str:
    """A terminal's name as it may stand in the environment."""
    return name if name.isascii() and shlex.quote(name) == name and len(name) < 40 else "dumb"


def _prepare(folder: Path, box: Sandbox, login: str) -> tuple[asyncssh.SSHKey, HostPassword, Secret | None]:
    """Everything that must stand in the folder; what stands there already is kept. The password only if it is new."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    box.prepare()
    fault.plant(box.disk)
    key, hashed, born = folder / "host_key", folder / "password.json", None
    if not key.exists():
        write_private(key, asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    if hashed.exists():
        password = HostPassword.load(hashed)
    else:
        password, born = HostPassword.create(hashed, login)
    return asyncssh.read_private_key(key), password, born
