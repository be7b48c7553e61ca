"""A real Redis of one's own, from Debian's package: loopback, TLS alone, users in an ACL file; gone afterwards.

with running_redis(folder) as server:     Redis(port, tls, users); its only login is `ops`, who may do everything
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from breakglass.model.secret import Secret
from breakglass.testing.rotator_contract import fresh_secret
from tests.servers.postgres import free_port
from tests.servers.process import end, until_it_answers
from tests.servers.tls import Certified, certified


@dataclass(frozen=True, slots=True)
class Redis:
    port: int
    tls: Certified
    users: Path
    """The ACL file."""
    first: Secret
    """The password of `ops` when it was started."""


@contextmanager
def running_redis(folder: Path, *, rights: str = "+@all") -> Iterator[Redis]:
    folder.mkdir(mode=0o700)
    tls, port, first, users = certified(folder), free_port(), fresh_secret(), folder / "users.acl"
    users.touch(mode=0o600)
    users.write_text(f"user default off\nuser ops on >{first.reveal().decode()} ~* &* {rights}\n")
    command = [
        "redis-server", "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
        "--aclfile", str(users), "--save", "", "--tls-cert-file", str(tls.certificate),
        "--tls-key-file", str(tls.key), "--tls-auth-clients", "no", "--logfile", str(folder / "log"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until_it_answers(process, "127.0.0.1", port, folder / "log", within=20)
        yield Redis(port, tls, users, first)
    finally:
        end(process)
