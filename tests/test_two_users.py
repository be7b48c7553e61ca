"""The vault as a service of its own, under another user than the node's, as the units start them: the whole emergency
works, and neither gets at what is the other's."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from breakglass import config
from tests.deployment import Deployment
from tests.servers.confined import Confined, give, let_read
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes of other users"),
]
VAULT, NODE, STRANGER, NODES, SOCKET = 64001, 64002, 64003, 64004, 64005
"""Three users, the node's group, and the group of the socket; no such names need exist."""
VAULT_HOME, NODE_HOME, RUN = "/var/lib/breakglass-vault", "/var/lib/breakglass", "/run/breakglass-vault"
CREDENTIALS = "/run/credentials/breakglass-vault.service"
KEY_FILE = f"{CREDENTIALS}/breakglass.file-key"
TALK = """
import sys
from pathlib import Path
from breakglass.vault.client import VaultClient
print(VaultClient(Path(sys.argv[1]), user=int(sys.argv[2])).status().deployment)
"""


@dataclass(frozen=True, slots=True)
class Apart:
    world: Deployment
    vault: Confined
    node: Confined
    process: asyncio.subprocess.Process
    manager: socket.socket

    def pid(self) -> int:
        """Of the vault: bwrap stands between."""
        pid = self.process.pid
        while owner(pid) != VAULT:
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, IndexError, FileNotFoundError):
            os.kill(self.pid(), signal.SIGTERM)
        await asyncio.wait_for(self.process.wait(), 20)

    async def run(self, who: Confined, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        return await said(*who.python(script, *words))


@pytest.fixture(name="apart")
async def _apart(tmp_path: Path) -> AsyncIterator[Apart]:
    """Founded as one user, then taken apart as the guide says."""
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = Deployment(tmp_path / "world", sshd, account)
            await world.found(ssh_port=free_port(), api_port=free_port())
            vault_home, run, credentials = folders(tmp_path)
            world.home.vault.rename(vault_home / "vault")
            settings = replace(world.settings(), key_file="", vault_socket=f"{RUN}/vault.sock", vault_user=str(VAULT))
            config.write(world.home, settings)
            credential(world.folder / "seal.key", credentials / "breakglass.file-key")
            shutil.rmtree(world.home.path / "run", ignore_errors=True)
            give(vault_home, VAULT, SOCKET)
            give(run, VAULT, SOCKET)
            give(world.home.path, NODE, NODES)
            vault = Confined(
                user=VAULT,
                group=SOCKET,
                places=((vault_home, VAULT_HOME), (run, RUN), (credentials, CREDENTIALS)),
                environment=(("CREDENTIALS_DIRECTORY", CREDENTIALS), ("NOTIFY_SOCKET", f"{RUN}/notify")),
            )
            node = Confined(
                user=NODE,
                group=NODES,
                groups=(SOCKET,),
                places=((world.home.path, NODE_HOME), (run, RUN)),
                network=True,
                environment=(("USER", "breakglass"), ("LOGNAME", "breakglass"), ("HOME", NODE_HOME)),  # as systemd does
            )
            world.command = node.command("breakglass", "--home", NODE_HOME, "serve")
            manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            manager.bind(str(run / "notify"))
            os.chown(run / "notify", VAULT, SOCKET)
            manager.settimeout(20)
            words = ["--alone", "--home", VAULT_HOME, "--listen", f"{RUN}/vault.sock", "--node-user", str(NODE)]
            with (tmp_path / "vault.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(
                    *vault.command("breakglass.vault", *words, "--key-file", KEY_FILE), stdout=log, stderr=log
                )
            try:
                apart = Apart(world, vault, node, process, manager)
                yield apart
            finally:
                await world.close()
                await apart.end()
                manager.close()


async def test_the_emergency_with_a_vault_that_is_another_users(apart: Apart) -> None:
    world = apart.world
    told = await asyncio.to_thread(apart.manager.recv, 100)
    assert told == b"READY=1"
    await world.start()
    await world.sign_in()
    vault = await world.carol.call("GET", "/api/vault")
    assert not vault["sealed"], vault
    await world.deposit()
    _, grant = await world.granted()
    ran = await world.ssh("id -un")
    assert ran.out.strip() == world.account.name, ran.err
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    slots = {one["kind"]: one for one in await world.carol.call("GET", "/api/vault/slots")}
    assert slots["file"]["opens"], slots
    assert slots["file"]["where"] == KEY_FILE

    # A backup, by root, who finds the vault's files by a link that is of no use to the node.
    world.home.vault.symlink_to(apart.vault.places[0][0] / "vault")
    backup, shares = world.folder / "monday.bgb", [world.folder / f"share-{n}" for n in (1, 2)]
    assert (await world.cli("backup", str(backup))).code == 0
    for path, share in zip(shares, world.shares, strict=False):
        path.write_text(share)
    files = [word for path in shares for word in ("--share-file", str(path))]
    restored = await world.cli("restore", str(backup), "--check", *files)
    assert restored.code == 0, restored.err

    # The vault's folder is nobody's but the vault's, and the node's nobody's but the node's.
    peek = "import os, sys; print(sorted(os.listdir(sys.argv[1])))"
    with_all = tuple({*apart.vault.places, *apart.node.places})
    for who, folder, may in (
        (apart.vault, VAULT_HOME, True),
        (apart.node, VAULT_HOME, False),
        (apart.node, NODE_HOME, True),
        (apart.vault, NODE_HOME, False),
    ):
        seen = await apart.run(replace(who, places=with_all), peek, folder)
        assert (seen.returncode == 0) == may, seen.stderr
        assert may or "PermissionError" in seen.stderr
    key = await apart.run(replace(apart.node, places=with_all), "import sys; open(sys.argv[1]).read()", KEY_FILE)
    assert "PermissionError" in key.stderr

    # Nor can the node's user look into the vault's process, or end it.
    pid = apart.pid()
    outside = ["setpriv", "--reuid", str(NODE), "--regid", str(NODES), "--groups", str(SOCKET), "--no-new-privs"]
    for act in (["cat", f"/proc/{pid}/environ"], ["cat", f"/proc/{pid}/mem"], ["kill", "-0", str(pid)]):
        denied = await said(*outside, *act)
        assert denied.returncode != 0
        assert "denied" in denied.stderr or "not permitted" in denied.stderr, denied.stderr


async def test_who_may_come_to_its_socket(apart: Apart) -> None:
    await asyncio.to_thread(apart.manager.recv, 100)
    deployment = apart.world.settings().deployment
    run = Path(apart.vault.places[1][0])
    assert run.joinpath("vault.sock").stat().st_mode & 0o777 == 0o660
    where = (f"{RUN}/vault.sock", str(VAULT))
    for user, groups, may in (
        (NODE, (SOCKET,), True),
        (VAULT, (SOCKET,), True),
        (NODE, (), False),  # not of the group: the folder is closed
        (STRANGER, (SOCKET,), False),  # of the group, and not the node
        (STRANGER, (), False),
    ):
        who = Confined(user=user, group=NODES, groups=groups, places=((run, RUN),))
        answer = await apart.run(who, TALK, *where)
        assert (answer.stdout.strip() == deployment) == may, (user, groups, answer.stderr[-500:])
    # Nor does a node talk to a process that is not the vault's user's.
    other = await apart.run(apart.node, TALK, where[0], str(STRANGER))
    assert "does not answer" in other.stderr


async def test_it_runs_as_the_unit_asks(apart: Apart) -> None:
    """What the kernel says of it: no rights, nothing to gain, no core file, a network with nothing in it."""
    await asyncio.to_thread(apart.manager.recv, 100)
    status, limits, devices = told_of(apart.pid())
    assert {status[name].strip("0") for name in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {""}
    assert status["NoNewPrivs"] == "1"
    assert status["Uid"].split() == [str(VAULT)] * 4
    assert limits.split("Max core file size")[1].split()[:2] == ["0", "0"]
    assert [line.split(":")[0].strip() for line in devices.splitlines()[2:]] == ["lo"]
    write = "import sys; open(sys.argv[1], 'w')"
    for path in ("/usr/lib/x", "/etc/x", "/var/x"):
        assert "Read-only file system" in (await apart.run(apart.vault, write, path)).stderr


async def test_a_key_beside_the_vault_is_refused(apart: Apart) -> None:
    await asyncio.to_thread(apart.manager.recv, 100)
    words = ["--alone", "--home", VAULT_HOME, "--node-user", str(NODE), "--key-file", f"{VAULT_HOME}/seal.key"]
    await apart.end()
    refused = await said(*apart.vault.command("breakglass.vault", *words))
    assert refused.returncode == 1
    assert "in its backups" in refused.stderr


async def test_a_node_without_its_vault_says_so(apart: Apart) -> None:
    await asyncio.to_thread(apart.manager.recv, 100)
    await apart.end()
    (Path(apart.vault.places[1][0]) / "vault.sock").unlink(missing_ok=True)
    ran = await said(*apart.node.command("breakglass", "--home", NODE_HOME, "serve"))
    assert ran.returncode != 0
    assert "No vault answers" in ran.stderr + ran.stdout


async def said(*command: str) -> subprocess.CompletedProcess[str]:
    """It ran to its end."""
    return await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True, timeout=60)


def folders(folder: Path) -> tuple[Path, Path, Path]:
    """Of the vault, of its socket, of systemd's credentials."""
    found = folder / "vault", folder / "run", folder / "credentials"
    for one, mode in zip(found, (0o700, 0o750, 0o755), strict=True):
        one.mkdir(mode=mode)
    return found


def credential(key: Path, there: Path) -> None:
    shutil.copy(key, there)
    there.chmod(0o400)
    let_read(there, VAULT)


def told_of(pid: int) -> tuple[dict[str, str], str, str]:
    """The kernel's words on a process: its status, limits and network devices."""
    proc = Path(f"/proc/{pid}")
    lines = proc.joinpath("status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    return status, proc.joinpath("limits").read_text(), proc.joinpath("net/dev").read_text()


def owner(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0])
