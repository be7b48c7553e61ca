"""The SSH door: where people come in with any SSH client.

    ssh alice@gateway status              the front end (`gate`)
    ssh alice+db1@gateway                 a session (`visit`)
    scp, sftp, rsync, ControlMaster       the same

Only public keys open, and only keys of the login's person; a stranger's login and a wrong key look the same. Nothing is
forwarded: no ports, agent, X11 or tunnel; what was tried stands in the recording. Connections that have not proven a
key are few and short-lived, and when there are too many the oldest of them makes room.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import asyncssh

from breakglass.errors import Malformed
from breakglass.gateway import algorithms
from breakglass.gateway.desk import Caller, Desk
from breakglass.gateway.front import Front
from breakglass.gateway.limits import Limits
from breakglass.gateway.login import login_of, read_login
from breakglass.gateway.visit import Visit

_log = logging.getLogger(__name__)
_SIGNATURES = {name.encode() for name in algorithms.SIGNATURES}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Door:
    """Listens until stopped."""

    def __init__(self, desk: Desk, *, limits: Limits | None = None, now: Callable[[], datetime] = _utc_now) -> None:
        self.desk, self.limits, self.now = desk, limits or Limits(), now
        self.strangers: dict[Guest, None] = {}  # in the order in which they came
        self._guests: set[Guest] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncssh.SSHAcceptor | None = None

    async def start(self, host: str, port: int, host_key: asyncssh.SSHKey) -> None:
        """Listen on `host:port` (0: any free port). Raises `OSError` when that can't be had."""
        # Its own log holds people's commands, from level INFO on.
        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        self._listener = await asyncssh.listen(
            host,
            port,
            config=None,
            server_factory=lambda: Guest(self),
            server_version="Breakglass",
            server_host_keys=[host_key],
            kex_algs=algorithms.KEY_EXCHANGES,
            encryption_algs=algorithms.DOOR_CIPHERS,
            mac_algs=algorithms.MACS,
            compression_algs=algorithms.COMPRESSIONS,
            signature_algs=algorithms.SIGNATURES,
            x509_trusted_certs=None,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            gss_host=None,
            gss_kex=False,
            gss_auth=False,
            x11_forwarding=False,
            agent_forwarding=False,
            line_editor=False,
            encoding=None,
            rdns_lookup=False,
            login_timeout=self.limits.login_for,
            keepalive_interval=self.limits.keepalive_for,
            keepalive_count_max=self.limits.keepalives,
            window=self.limits.window,
            max_pktsize=self.limits.packet,
            reuse_address=True,
        )

    @property
    def port(self) -> int:
        if self._listener is None:
            raise RuntimeError("the door is not open")
        return self._listener.get_port()

    async def stop(self) -> None:
        """Take nobody in any more, end every session, and wait until each was given back to the desk."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
        for guest in list(self._guests):
            guest.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=self.limits.stop_for)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for guest in list(self._guests):
            guest.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run what a callback of asyncssh can't wait for. The door owns the task: `stop` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("a task of the door failed", exc_info=fault)

    def arrived(self, guest: "Guest") -> bool:
        """Whether a new connection may stay."""
        self._guests.add(guest)
        near = sum(other.address == guest.address for other in self.strangers)
        if near >= self.limits.strangers_per_address:
            return False
        if len(self.strangers) >= self.limits.strangers:
            next(iter(self.strangers)).close()
        self.strangers[guest] = None
        return True

    def known(self, guest: "Guest") -> None:
        self.strangers.pop(guest, None)

    def gone(self, guest: "Guest") -> None:
        self.known(guest)
        self._guests.discard(guest)


class PersonChannel(asyncssh.SSHServerChannel[bytes]):
    """asyncssh's channel, which also tells the relay what it refuses: the requests that have no callback."""

    def _process_x11_req_request(self, packet: object) -> bool:
        return self._refuse("X11 forwarding")

    # asyncssh's own answers later, from a task; a handler that returns a bool answers at once.
    def _process_auth_agent_req_at_openssh_dot_com_request(self, packet: object) -> bool:  # type: ignore[override]
        return self._refuse("agent forwarding")

    def _refuse(self, what: str) -> bool:
        noting = getattr(self._session, "refused", None)
        if noting is not None:
            noting(what)
        return False


class Guest(asyncssh.SSHServer):
    """One connection at the door, from the first byte on."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._connection: asyncssh.SSHServerConnection | None = None
        self._caller: Caller | None = None
        self._username = ""
        self._proven = False
        self._keys = 0
        self._timer: asyncio.TimerHandle | None = None
        self._visit: Visit | None = None
        self.address = ""

    # ── coming and going ─────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        peer = conn.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        if not self._door.arrived(self):
            self.close()
            return
        self._timer = asyncio.get_running_loop().call_later(self._door.limits.stranger_for, self.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        self._door.gone(self)
        if self._visit is not None:
            self._visit.left()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def stop(self) -> None:
        if self._visit is not None:
            self._visit.stop()
        else:
            self.close()

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ── who is it? ───────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Called for a question and again for a signature, which asyncssh checks right after this, without a wait."""
        self._keys += 1
        if self._keys > self._door.limits.keys:
            raise asyncssh.DisconnectError(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "Too many keys")
        # asyncssh would also take an SHA-1 signature of an RSA key.
        key.all_sig_algorithms = key.all_sig_algorithms & _SIGNATURES
        self._caller = self._door.desk.who(login_of(username), key, self.address) if key.all_sig_algorithms else None
        self._username = username
        if self._caller is not None:
            self._forget_timer()
        return self._caller is not None

    def auth_completed(self) -> None:
        conn = self._connection
        if conn is None or self._caller is None or conn.get_extra_info("username") != self._username:
            self.close()
            return
        self._proven = True
        self._door.known(self)

    # ── what do they want? ───────────────────────────────────────────────────────────────────────────────────────────

    def session_requested(self) -> tuple[PersonChannel, asyncssh.SSHServerSession[bytes]]:
        conn, caller, limits = self._connection, self._caller, self._door.limits
        if conn is None or caller is None or not self._proven:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Not signed in")
        session: asyncssh.SSHServerSession[bytes]
        try:
            login = read_login(self._username)
        except Malformed as fault:
            session = Front(self._door.desk, caller, limits, self._door.spawn, fault=fault)
        else:
            if login.target is None:
                session = Front(self._door.desk, caller, limits, self._door.spawn)
            else:
                if self._visit is None:
                    self._visit = Visit(self._door.desk, caller, login, conn, limits=limits, now=self._door.now)
                session = self._visit.channel(self._run)
        channel = PersonChannel(
            conn, asyncio.get_running_loop(), True, False, False, 0, 0, None, "strict", limits.window, limits.packet
        )
        return channel, session

    def _run(self, visit: Visit) -> None:
        visit.running_as(self._door.spawn(visit.run()))

    # ── what is never given ──────────────────────────────────────────────────────────────────────────────────────────

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        raise self._refusal(f"forwarding to {dest_host[:255]}:{dest_port}")

    def unix_connection_requested(self, dest_path: str) -> bool:
        raise self._refusal(f"forwarding to {dest_path[:255]}")

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        self._refusal(f"listening on {listen_host[:255]}:{listen_port}")
        return False

    def unix_server_requested(self, listen_path: str) -> bool:
        self._refusal(f"listening on {listen_path[:255]}")
        return False

    def tun_requested(self, unit: int | None) -> bool:
        raise self._refusal("a network tunnel")

    def tap_requested(self, unit: int | None) -> bool:
        raise self._refusal("a network tunnel")

    def _refusal(self, what: str) -> asyncssh.ChannelOpenError:
        if self._visit is not None:
            self._visit.note(f"refused: {what}")
        return asyncssh.ChannelOpenError(
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "Nothing is forwarded here: connect as login+target@gateway"
        )
