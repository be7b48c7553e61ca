"""A real MariaDB server of one's own, from Debian's package: loopback with TLS and a Unix socket, gone afterwards.

Needs root, to run it as `mysql`; where something is missing it fails and says so: nothing is skipped.
"""

import os
import pwd
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
from typing import Any

import pymysql

from tests.servers.postgres import free_port
from tests.servers.tls import Certified, certified

_WITHIN = 60.0


@dataclass(slots=True)
class MariaDb:
    folder: Path
    port: int
    tls: Certified
    user: pwd.struct_passwd
    process: "subprocess.Popen[bytes] | None" = field(default=None)
    extra: tuple[str, ...] = ()

    @property
    def general_log(self) -> Path:
        return self.folder / "general.log"

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """root's cursor, over the Unix socket."""
        near = socket.socket(socket.AF_UNIX)  # PyMySQL leaves its own open where it can't connect
        try:
            near.settimeout(_WITHIN)
            near.connect(str(self.folder / "sock"))
            connection = pymysql.connect(user="root", autocommit=True, defer_connect=True)
            connection.connect(near)
        except BaseException:
            near.close()
            raise
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def start(self) -> None:
        settings = [
            "--no-defaults", f"--datadir={self.folder / 'data'}", f"--socket={self.folder / 'sock'}",
            f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve", f"--tmpdir={self.folder}",
            f"--pid-file={self.folder / 'pid'}", "--general-log=1", f"--general-log-file={self.general_log}",
            "--innodb-buffer-pool-size=16M", *self.extra,
        ]  # fmt: skip
        if not any("ssl" in one for one in self.extra):
            settings += [f"--ssl-cert={self.tls.certificate}", f"--ssl-key={self.tls.key}"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/mariadbd", *settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                user=self.user.pw_uid, group=self.user.pw_gid, extra_groups=[],
            )  # fmt: skip
        deadline = time.monotonic() + _WITHIN
        while True:
            try:
                with self.admin():
                    return
            except (pymysql.MySQLError, OSError):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"MariaDB does not start:\n{(self.folder / 'log').read_text()}") from None
                time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(_WITHIN)


@contextmanager
def running_mariadb(*extra: str) -> Iterator[MariaDb]:
    """A fresh server whose root may come by the socket only."""
    if os.geteuid() != 0 or shutil.which("mariadb-install-db") is None:
        raise RuntimeError("this test needs root and Debian's package mariadb-server")
    user = pwd.getpwnam("mysql")
    folder = Path(tempfile.mkdtemp(prefix="bgmy"))
    try:
        os.chown(folder, user.pw_uid, user.pw_gid)
        made = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", "--user=mysql",
             "--auth-root-authentication-method=socket", "--auth-root-socket-user=root", "--skip-test-db"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db failed: {made.stderr}")
        server = MariaDb(folder, free_port(), certified(folder, owner=user.pw_uid), user, extra=extra)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
