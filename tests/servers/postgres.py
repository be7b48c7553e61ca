"""A real PostgreSQL server of one's own, from Debian's package: loopback and a Unix socket, gone afterwards.

    with running_postgres() as server:          Postgres(port, folder, …)
        with server.database() as url:          postgresql://…, with its password in a file

The cluster is made by initdb in a folder of its own and run as an unprivileged user; `fsync` is on, as it must be for a
commit to be a commit. The distribution's default cluster is neither needed nor touched. Needs root; where something is
missing it fails and says so: nothing is skipped.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.servers.tls import Certified, certified

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
password_encryption = 'scram-sha-256'
fsync = on
max_connections = 60
shared_buffers = 32MB
log_min_messages = warning
timezone = 'UTC'
"""
_AS = ("postgres", "nobody")
"""Whoever of them exists runs the server: PostgreSQL refuses to run as root."""
_WITHIN = 30.0


@dataclass(slots=True)
class Postgres:
    folder: Path
    """Data, socket and log; only its own user and root may look into it."""
    port: int
    user: pwd.struct_passwd
    passwords: Path
    """libpq's password file, 0600."""
    process: "subprocess.Popen[bytes] | None" = field(default=None)
    tls: Certified | None = field(default=None)

    @contextmanager
    def database(self, *, like: str = "template0", encoding: str = "UTF8") -> Iterator[str]:
        """A database of one's own, empty or `like` another one: its address, without a password in it."""
        name = f"bg_{secrets.token_hex(6)}"
        template = like.partition("?")[0].rpartition("/")[2]
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE {template} LOCALE 'C'".encode())
        try:
            yield self.url(name)
        finally:
            with self.admin() as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def url(self, name: str) -> str:
        return f"postgresql://breakglass@127.0.0.1:{self.port}/{name}?passfile={self.passwords}"

    @contextmanager
    def admin(self, url: str = "") -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
        """A database administrator's connection, to any database."""
        with psycopg.connect(url or self.url("postgres"), autocommit=True, connect_timeout=5) as conn:
            yield conn

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [_tool("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[],
            )  # fmt: skip
        deadline = time.monotonic() + _WITHIN
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT ends every connection at once and in order; SIGQUIT is a crash, which the next start recovers from."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(_WITHIN)

    def restart(self, how: int = signal.SIGINT) -> None:
        self.stop(how)
        self.start()


@contextmanager
def running_postgres(*, tls: bool = False) -> Iterator[Postgres]:
    """A cluster that accepts only its one user `breakglass`, with a random password; with `tls`, over TLS too."""
    user = _somebody()
    # Not below a test's own folder: the server's user must get in, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="bgpg"))
    try:
        os.chown(folder, user.pw_uid, user.pw_gid)
        server = _made(folder, user)
        if tls:
            server.tls = certified(folder, owner=user.pw_uid)
            with (folder / "data" / "postgresql.conf").open("a") as settings:
                settings.write(
                    f"ssl = on\nssl_cert_file = '{server.tls.certificate}'\nssl_key_file = '{server.tls.key}'\n"
                )
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(folder: Path, user: pwd.struct_passwd) -> Postgres:
    password, port = secrets.token_urlsafe(18), free_port()
    fresh, passwords = folder / "fresh", folder / "passwords"
    for path, content, owner in (
        (fresh, password + "\n", user.pw_uid),
        (passwords, f"*:*:*:breakglass:{password}\n", os.geteuid()),
    ):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
        os.chown(path, owner, -1)
    made = subprocess.run(
        [_tool("initdb"), "-D", str(folder / "data"), "-U", "breakglass", "--pwfile", str(fresh),
         "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-instructions"],
        check=False, capture_output=True, text=True, cwd=folder, user=user.pw_uid, group=user.pw_gid, extra_groups=[],
    )  # fmt: skip
    fresh.unlink()
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr}")
    with (folder / "data" / "postgresql.conf").open("a") as settings:
        settings.write(SETTINGS.format(folder=folder))
    return Postgres(folder=folder, port=port, user=user, passwords=passwords)


def _somebody() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        raise RuntimeError("this test needs root, to run PostgreSQL as somebody else")
    known = {one.pw_name: one for one in pwd.getpwall()}
    return next(known[name] for name in _AS if name in known)


def _tool(name: str) -> str:
    """Debian keeps them out of PATH; the newest version that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if not found:
        raise RuntimeError(f"this test needs Debian's package postgresql; {name} is missing")
    return str(found[-1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
