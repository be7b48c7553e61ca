"""A real OpenSSH sshd on loopback, and real Unix accounts on this machine, both gone afterwards.

    async with running_sshd(folder) as sshd:          Sshd(port, host_key_line, log)
        with make_account(sudo=True) as account:      Account(name, uid, home, password)

Needs root, sshd and useradd; where one is missing it fails and says so: nothing is skipped.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from breakglass.model.secret import Secret
from breakglass.testing.rotator_contract import fresh_secret

_SSHD = "/usr/sbin/sshd"
_SFTP = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    port: int
    host_key_line: str
    """`ssh-ed25519 AAAA…`, without a comment, as an endpoint pins it."""
    log: Path
    """LogLevel VERBOSE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    name: str
    uid: int
    home: Path
    password: Secret


@asynccontextmanager
async def running_sshd(folder: Path, *, lines: tuple[str, ...] = ()) -> AsyncIterator[Sshd]:
    """A server with its own host key and configuration in `folder`; `lines` of sshd_config stand first, and so win."""
    port, log, line = _prepare(folder, lines)
    server = await asyncio.create_subprocess_exec(
        *_at_once(folder), _SSHD, "-D", "-f", folder / "sshd_config", "-E", log, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        await _until_it_listens(server, port, log)
        yield Sshd(port=port, host_key_line=line, log=log)
    finally:
        if server.returncode is None:
            server.terminate()
        await asyncio.wait_for(server.wait(), 10)


@contextmanager
def make_account(
    *, sudo: bool = False, nopasswd: bool = False, uid_0: bool = False, only: str = "ALL"
) -> Iterator[Account]:
    """A new Unix account with a random name and password, deleted at the end with its home and processes.

    `sudo` grants the command `only`, `nopasswd` without asking; `uid_0` makes it another name of root.
    """
    _must_be_root()
    name, password = f"bg{secrets.token_hex(5)}", fresh_secret()
    home, rights = Path(f"/home/{name}"), Path(f"/etc/sudoers.d/{name}")
    as_root = ["--non-unique", "--uid", "0", "--gid", "0"] if uid_0 else ["--user-group"]
    _locked_tool(["useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/bash", *as_root, name])
    try:
        set_password(name, password)
        if sudo:
            rights.touch(mode=0o440)
            rights.write_text(f"{name} ALL=(root) {'NOPASSWD: ' if nopasswd else ''}{only}\n")
        yield Account(name=name, uid=pwd.getpwnam(name).pw_uid, home=home, password=password)
    finally:
        rights.unlink(missing_ok=True)
        if not uid_0:
            _end_processes(pwd.getpwnam(name).pw_uid)
        _locked_tool(["userdel", "--force", name])
        shutil.rmtree(home, ignore_errors=True)


def set_password(name: str, password: Secret) -> None:
    subprocess.run(
        ["chpasswd"], input=name.encode() + b":" + password.reveal() + b"\n", check=True, capture_output=True
    )


def processes_of(uid: int) -> list[int]:
    """Pids, without zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status = dict(
                line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
            )
            if status["Uid"].split()[0] == str(uid) and not status["State"].startswith("Z"):
                found.append(int(folder.name))
    return found


def expire(account: Account) -> None:
    """The password must be changed at the next login."""
    subprocess.run(["chage", "-d", "0", account.name], check=True)


def _prepare(folder: Path, lines: tuple[str, ...]) -> tuple[int, Path, str]:
    """The port, the log and the host key of a server that can be started now."""
    _must_be_root()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation folder, which the init script makes
    folder.mkdir(parents=True, exist_ok=True)
    key, port = folder / "host_key", _free_port()
    if not key.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], check=True)
    (folder / "sshd_config").write_text("\n".join((*lines, *_settings(port, key, folder))) + "\n")
    return port, folder / "sshd.log", " ".join(key.with_suffix(".pub").read_text().split()[:2])


def _at_once(folder: Path) -> tuple[str, ...]:
    """Without the two seconds or so that PAM waits after a wrong password: each change of a password shows that the old
    one is refused. The server sees its own copy of the rules, in a mount namespace of its own; where a container
    allows none, the tests just take longer."""
    if subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode:
        return ()
    rules, mine = Path("/etc/pam.d/common-auth"), folder / "common-auth"
    mine.write_text(rules.read_text().replace("pam_unix.so", "pam_unix.so nodelay"))
    mounted = 'mount --bind "$1" "$2"; shift 2; exec "$@"'
    return "unshare", "--mount", "--", "sh", "-ec", mounted, "sh", str(mine), str(rules)


def _settings(port: int, key: Path, folder: Path) -> tuple[str, ...]:
    sftp = next((path for path in _SFTP if Path(path).exists()), "internal-sftp")
    return (
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {key}",
        f"PidFile {folder / 'sshd.pid'}",
        "LogLevel VERBOSE",
        "UsePAM yes",
        "PasswordAuthentication yes",
        "KbdInteractiveAuthentication no",
        "PubkeyAuthentication yes",
        "PermitRootLogin yes",
        "StrictModes no",
        "MaxStartups 500:30:1000",
        "UseDNS no",
        "PrintMotd no",
        f"Subsystem sftp {sftp}",
    )


def _must_be_root() -> None:
    missing = [tool for tool in (_SSHD, "useradd", "userdel", "chpasswd") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        raise RuntimeError(f"this test needs root and a real sshd with accounts; missing: {missing or 'root'}")


def _locked_tool(command: list[str]) -> None:
    """Runs useradd or userdel; another of them may hold the lock on /etc/passwd for a moment."""
    for left in range(40, -1, -1):
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        if ended.returncode == 0:
            return
        if ended.returncode not in (1, 10) or not left:
            raise RuntimeError(f"{command[0]} failed ({ended.returncode}): {ended.stderr.strip()}")
        time.sleep(0.1)


def _end_processes(uid: int) -> None:
    assert uid >= 1000
    for _ in range(50):
        pids = processes_of(uid)
        if not pids:
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    raise RuntimeError("a test account's processes do not end")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _until_it_listens(server: asyncio.subprocess.Process, port: int, log: Path) -> None:
    for _ in range(200):
        if server.returncode is not None:
            break
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.05)
    raise RuntimeError(f"sshd does not listen; its log is {log}")
