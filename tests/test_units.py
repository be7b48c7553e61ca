"""The units that `breakglass units` writes: systemd takes them, grades them, and what they forbid is not needed.

systemd itself does not run where tests do; tests/test_two_users.py shows the same limits on real processes."""

import asyncio
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from breakglass.cli.unit_files import FILES
from tests.deployment import Deployment
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port

pytestmark = pytest.mark.server
EXPOSURE = {"breakglass-vault.service": 10, "breakglass.service": 20}
"""Tenths of systemd's scale, from 0 to 100; an ordinary service has over 90."""
AS_ROOT_ONLY = {"fchown"}
"""SQLite gives its files to the database's owner when root runs it (robustFchown in its os_unix.c); the units don't."""


@pytest.fixture(name="written", scope="module")
def _written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("units") / "new"
    said("breakglass", "units", str(folder))
    return folder


def said(program: str, *words: str) -> str:
    command = [sys.executable, "-m", program, *words] if program == "breakglass" else [program, *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def test_they_are_written_once(written: Path) -> None:
    assert sorted(one.name for one in written.iterdir()) == sorted(FILES)
    assert not any("@PYTHON@" in one.read_text() or "@BREAKGLASS@" in one.read_text() for one in written.iterdir())
    command = [sys.executable, "-m", "breakglass", "units", str(written)]
    again = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert "nothing is overwritten" in again.stderr


def test_systemd_takes_them(written: Path) -> None:
    assert said("systemd-analyze", "verify", *(str(written / name) for name in EXPOSURE)) == ""


@pytest.mark.parametrize("name", EXPOSURE)
def test_systemd_grades_them(written: Path, name: str) -> None:
    words = ["security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE[name]}", str(written / name)]
    assert "Overall exposure level" in said("systemd-analyze", *words)
    # Not a threshold that lets everything pass.
    loose = written.parent / f"loose-{name}"
    loose.write_text("[Service]\nExecStart=/bin/true\n")
    command = ["systemd-analyze", *words[:-1], str(loose)]
    assert subprocess.run(command, check=False, capture_output=True, timeout=60).returncode != 0


def test_the_users_are_made(written: Path, tmp_path: Path) -> None:
    there = tmp_path / "usr/lib/sysusers.d"
    there.mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    (there / "breakglass.conf").write_text((written / "breakglass.conf").read_text())
    said("systemd-sysusers", f"--root={tmp_path}")
    users = {line.split(":")[0]: line.split(":")[2:4] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert users.keys() == {"breakglass", "breakglass-vault"}
    assert users["breakglass"] != users["breakglass-vault"]
    assert groups["breakglass-socket"] == "breakglass"
    assert groups["breakglass-vault"] == ""


def test_the_vault_is_kept_apart(written: Path) -> None:
    """Lines on which the rest stands."""
    vault = (written / "breakglass-vault.service").read_text().splitlines()
    for line in (
        "User=breakglass-vault", "Group=breakglass-socket", "RestrictAddressFamilies=AF_UNIX", "IPAddressDeny=any",
        "PrivateNetwork=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "LimitCORE=0", "LimitMEMLOCK=infinity",
        "StateDirectoryMode=0700", "RuntimeDirectoryMode=0750", "CapabilityBoundingSet=", "MemoryDenyWriteExecute=yes",
    ):  # fmt: skip
        assert line in vault, line
    node = (written / "breakglass.service").read_text().splitlines()
    assert "User=breakglass" in node
    assert "SupplementaryGroups=breakglass-socket" in node


@cache
def calls_of(group: str) -> frozenset[str]:
    """The system calls in one of systemd's groups."""
    found: set[str] = set()
    for line in said("systemd-analyze", "--no-pager", "syscall-filter", group).splitlines():
        name = line.strip().partition(" ")[0]
        if not name or name.startswith("#") or name == group:
            continue
        found |= calls_of(name) if name.startswith("@") else {name}
    return frozenset(found)


def allowed(unit: str) -> frozenset[str]:
    """What is left of the unit's `SystemCallFilter=` lines."""
    found: frozenset[str] = frozenset()
    for line in unit.splitlines():
        if line.startswith("SystemCallFilter="):
            words = line.partition("=")[2]
            groups = frozenset().union(*(calls_of(one) for one in words.removeprefix("~").split()))
            found = found - groups if words.startswith("~") else found | groups
    return found


async def test_no_system_call_is_needed_that_they_forbid(written: Path, tmp_path: Path) -> None:
    """Node and vault through a whole emergency, under strace; both units have the same filter."""
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = Deployment(tmp_path / "world", sshd, account)
            await world.found(ssh_port=free_port(), api_port=free_port())
            trace = tmp_path / "trace"
            # -D: what is traced is our child, and strace is not, so that signals reach it.
            world.command = ["strace", "-D", "-f", "-c", "-U", "name,calls", "-o", str(trace), *world.serve()]
            try:
                await world.start()
                await world.sign_in()
                await world.deposit()
                _, grant = await world.granted()
                ran = await world.ssh("id -un")
                assert ran.out.strip() == account.name, ran.err
                await world.alice.call("POST", f"/api/grants/{grant}/close")
                await world.settled()
            finally:
                await world.close()
            lines: list[str] = await world.until(lambda: ended(trace))
    used = {found[1] for line in lines if (found := re.fullmatch(r"(\w+)\s+\d+", line.strip()))} - {"total"}
    assert {"execve", "accept4", "bind", "fsync"} <= used
    for name in EXPOSURE:
        may = allowed((written / name).read_text())
        assert "mlockall" in may  # where the process has no right to it, it is not called
        assert "chown" not in may
        assert "mount" not in may
        assert used - may - AS_ROOT_ONLY == set(), name


async def ended(trace: Path) -> list[str]:
    """The lines of strace's table, once it is whole."""
    text = await asyncio.to_thread(trace.read_text) if await asyncio.to_thread(trace.exists) else ""
    return text.splitlines() if "total" in text else []
