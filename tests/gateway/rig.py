"""A door with a made-up desk in front of a target that asyncssh plays; people come with the stock OpenSSH clients."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh

from breakglass.codec.frames import Kind
from breakglass.errors import BreakglassError, Forbidden, Unavailable
from breakglass.gateway.desk import Caller, Held, Opened
from breakglass.gateway.dial import Direct
from breakglass.gateway.door import Door
from breakglass.gateway.limits import Limits
from breakglass.gateway.order import Order
from breakglass.gateway.upstream import open_upstream
from breakglass.model.policy import Permission
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol

PASSWORD = "Kein-Mensch_sieht=mich"
ALL = frozenset(Permission)


class Tape:
    """A recorder in memory."""

    def __init__(self) -> None:
        self.frames: list[tuple[Kind, int, bytes]] = []
        self.fails_at: Kind | None = None
        self.behind = False
        self.waits = 0
        self.go = asyncio.Event()

    def frame(self, kind: int, channel: int, data: bytes) -> None:
        if kind == self.fails_at:
            raise Unavailable("The disk is full.", what_to_do="Make room.")
        self.frames.append((Kind(kind), channel, data))

    async def drained(self) -> None:
        self.waits += 1
        await self.go.wait()
        self.behind = False

    def of(self, kind: Kind, channel: int | None = None) -> bytes:
        return b"".join(data for k, c, data in self.frames if k is kind and channel in (None, c))

    def notes(self) -> list[str]:
        return [data.decode() for kind, _, data in self.frames if kind is Kind.NOTE]


@dataclass
class FakeDesk:
    people: dict[str, list[str]]
    endpoint: Endpoint
    secret: bytes = PASSWORD.encode()
    username: str = "root"
    home: Path = Path("/")
    uid: int = 0
    permissions: frozenset[Permission] = ALL
    bulk_cap: int = 1 << 20
    last_for: float = 3600
    refusal: BreakglassError | None = None
    waits: asyncio.Event | None = None
    tapes: list[Tape] = field(default_factory=list)
    prepared: Tape | None = None
    orders: list[Order] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    asked: list[tuple[Caller, str | None, str]] = field(default_factory=list)
    cancelled: int = 0
    upstreams: list[asyncssh.SSHClientConnection] = field(default_factory=list)
    given_back: asyncio.Event = field(default_factory=asyncio.Event)

    def who(self, login: str, key: asyncssh.SSHKey, from_address: str) -> Caller | None:
        shown = key.get_fingerprint()
        if shown not in self.people.get(login, ()):
            return None
        return Caller(login=login, person=f"usr_{login}", key=shown, from_address=from_address)

    @asynccontextmanager
    async def connect(self, caller: Caller, account: str | None, target: str, held: Held) -> AsyncIterator[Opened]:
        self.asked.append((caller, account, target))
        if self.refusal is not None:
            raise self.refusal
        if self.waits is not None:
            held.say("Waiting for an approval: code 4711.")
            try:
                await self.waits.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        tape = self.prepared or Tape()
        order = Order(datetime.now(UTC) + timedelta(seconds=self.last_for))
        with Secret(self.secret) as secret:
            upstream = await open_upstream(Direct(), self.endpoint, self.username, secret, timeout=10)
        self.tapes.append(tape)
        self.orders.append(order)
        self.upstreams.append(upstream)
        try:
            yield Opened(
                session="ses_1",
                banner=f"PRODUCTION  {target}  until {order.ends_at:%H:%M}",
                upstream=upstream,
                recorder=tape,
                order=order,
                permissions=self.permissions,
                bulk_cap=self.bulk_cap,
            )
        finally:
            self.reasons.append(order.reason)
            self.given_back.set()

    async def gate(
        self, caller: Caller, argv: list[str], stdin: Callable[[], Awaitable[bytes]]
    ) -> tuple[int, str, str]:
        if argv[:1] == ["approve"]:
            return 0, f"{len(await stdin())} bytes for {argv[1]}\n", ""
        if argv[:1] == ["fail"]:
            raise Forbidden("Only approvers.", what_to_do="Ask one.")
        if argv[:1] == ["crash"]:
            raise RuntimeError("boom")
        return 3, f"{caller.person} {argv}\n", "trouble\n"


async def until(true: Callable[[], object], within: float = 5.0) -> None:
    """Wait for something that nothing else tells of."""
    for _ in range(int(within / 0.01)):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


# ── the target ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _TargetLogin(asyncssh.SSHServer):
    def __init__(self, target: "Target") -> None:
        self._target = target

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._target.connections.append(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        self._target.lost.set()

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._target.takes == "password"

    def validate_password(self, username: str, password: str) -> bool:
        self._target.tried.append(password)
        if self._target.demands_change:
            raise asyncssh.PasswordChangeRequired("change it")
        return password == PASSWORD

    def kbdint_auth_supported(self) -> bool:
        return self._target.takes == "kbdint"

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str):
        return "", "", "", [("Secret word, please:", False)]

    def validate_kbdint_response(self, username: str, responses):
        self._target.tried.extend(responses)
        return list(responses) == [PASSWORD]

    def public_key_auth_supported(self) -> bool:
        return self._target.takes == "key"

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key.get_fingerprint() == self._target.client_key.get_fingerprint()


class Target:
    """Commands are words of its own; `sftp` and `scp` are asyncssh's."""

    def __init__(self) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.takes = "password"
        self.demands_change = False
        self.tried: list[str] = []
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.lost = asyncio.Event()
        self.received = 0
        self.port = 0

    async def start(self) -> None:
        self._listener = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _TargetLogin(self),
            server_host_keys=[self.host_key],
            process_factory=self._process,
            sftp_factory=True,
            encoding=None,
            line_editor=False,
            gss_host=None,
        )
        self.port = self._listener.get_port()

    async def stop(self) -> None:
        self._listener.close()
        await self._listener.wait_closed()
        for connection in self.connections:
            connection.abort()
            await connection.wait_closed()

    @property
    def endpoint(self) -> Endpoint:
        pin = " ".join(self.host_key.export_public_key().decode().split()[:2])
        return Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=self.port, host_key=pin)

    async def _process(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        words = (process.command or "").split()
        with suppress(BrokenPipeError, ConnectionError, asyncssh.Error, asyncssh.BreakReceived):
            match words:
                case []:
                    await self._shell(process)
                case ["exit", status]:
                    process.stdout.write(b"out\n")
                    process.stderr.write(b"err\n")
                    process.exit(int(status))
                case ["die", name]:
                    process.exit_with_signal(name, False, "died")
                case ["env"]:
                    process.stdout.write(repr(dict(process.env)).encode())
                    process.exit(0)
                case _:
                    await self._stream(process, words)

    async def _stream(self, process: "asyncssh.SSHServerProcess[bytes]", words: list[str]) -> None:
        with suppress(BrokenPipeError, ConnectionError, asyncssh.Error, asyncssh.BreakReceived):
            match words:
                case ["cat"]:
                    while data := await process.stdin.read(65536):
                        process.stdout.write(data)
                        await process.stdout.drain()
                    process.exit(0)
                case ["sink"]:
                    while data := await process.stdin.read(65536):
                        self.received += len(data)
                    process.stdout.write(str(self.received).encode())
                    process.exit(0)
                case ["give", size]:
                    block = os.urandom(65536)
                    for _ in range(int(size) // 65536):
                        process.stdout.write(block)
                        await process.stdout.drain()
                    process.exit(0)
                case ["flood"]:
                    while True:
                        process.stdout.write(bytes(65536))
                        await process.stdout.drain()
                case ["hang"]:
                    process.stdout.write(b"hanging\n")
                    await asyncio.Event().wait()
                case _:
                    process.exit(127)

    async def _shell(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        size = process.get_terminal_size()
        modes = len(process.channel.get_terminal_modes())
        process.stdout.write(f"shell {process.get_terminal_type()} {size[0]}x{size[1]} modes={modes > 3}\r\n".encode())
        while True:
            try:
                data = await process.stdin.read(1024)
            except asyncssh.TerminalSizeChanged as change:
                process.stdout.write(f"now {change.width}x{change.height}\r\n".encode())
                continue
            if not data or b"exit" in data:
                process.exit(5)
                return
            process.stdout.write(data.replace(b"\n", b"\r\n"))


# ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Done:
    status: int
    out: bytes
    err: str


@dataclass
class Rig:
    door: Door
    desk: FakeDesk
    target: Target
    folder: Path

    def options(self, *, key: str = "alice") -> list[str]:
        return [
            *("-F", "none", "-i", str(self.folder / key)),
            *("-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"),
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}", "-o", "GlobalKnownHostsFile=none"),
            *("-o", "LogLevel=ERROR", "-o", "HostKeyAlias=gateway", "-o", "ConnectTimeout=10"),
        ]

    def ssh(self, user: str, *words: str, key: str = "alice") -> list[str]:
        """The command line; `words` may begin with options."""
        options = [word for word in words if word.startswith("-")]
        command = [word for word in words if not word.startswith("-")]
        return [
            "ssh",
            *options,  # the first of two that differ counts
            *self.options(key=key),
            "-p",
            str(self.door.port),
            f"{user}@127.0.0.1",
            *command,
        ]

    async def run(self, argv: list[str], stdin: bytes = b"", *, timeout: float = 30) -> Done:
        process = await self.begin(argv)
        async with asyncio.timeout(timeout):
            try:
                out, err = await process.communicate(stdin)
            finally:
                if process.returncode is None:
                    process.kill()
        return Done(process.returncode or 0, out, err.decode())

    async def begin(self, argv: list[str]) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
        }
        return await asyncio.create_subprocess_exec(*argv, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)


@asynccontextmanager
async def rig(folder: Path, *, limits: Limits | None = None) -> AsyncIterator[Rig]:
    people: dict[str, list[str]] = {}
    for name in ("alice", "bob", "stranger"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        path = folder / name
        path.write_bytes(key.export_private_key())
        path.chmod(0o600)
        if name != "stranger":
            people[name] = [key.get_fingerprint()]
    target = Target()
    await target.start()
    desk = FakeDesk(people=people, endpoint=target.endpoint)
    door = Door(desk, limits=limits)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    (folder / "known_hosts").write_text(f"gateway {host_key.export_public_key().decode()}")
    await door.start("127.0.0.1", 0, host_key)
    try:
        yield Rig(door=door, desk=desk, target=target, folder=folder)
    finally:
        await door.stop()
        await target.stop()
