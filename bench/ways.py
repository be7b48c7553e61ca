"""Three ways to the same account on the same real sshd, for the same stock client with the same cipher.

    ours     ssh ─▶ Breakglass (grant, vault, recording on) ─▶ sshd
    ssh -J   ssh ─▶ a second sshd ─▶ sshd
    ssh      ssh ─────────────────▶ sshd

`gate-steady`: the password changes at close. `gate-eager`: after every login. `gate-whole`: recorded whole, no cap.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.founded import Founded, Place
from tests.servers.sshd import Account, Sshd, make_account, running_sshd

CIPHER = "aes128-gcm@openssh.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    config: Path
    node: int
    """Its process."""
    jump: Path
    """The file that holds the jump host's process id."""
    target: Path

    def ssh(self, *to: str) -> list[str]:
        return ["ssh", "-F", str(self.config), *to]

    @property
    def ours(self) -> list[str]:
        return self.ssh("-T", "gate-steady")

    @property
    def through_jump(self) -> list[str]:
        return self.ssh("-T", "-J", "jump", "target")

    @property
    def direct(self) -> list[str]:
        return self.ssh("-T", "target")


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Ways]:
    """Servers, accounts, a founded and started node, live grants; all gone afterwards."""
    async with running_sshd(folder / "target") as target, running_sshd(folder / "jump") as jump:
        with (
            make_account(sudo=True) as steady,
            make_account(sudo=True) as eager,
            make_account(sudo=True) as whole,
            make_account() as jumper,
        ):
            places = {
                "steady": Place(account=steady),
                "eager": Place(account=eager, rotate_at="login"),
                "whole": Place(account=whole, policy="pol_whole"),
            }
            founded = Founded(folder / "node", target, places)
            await founded.found()
            await founded.start()
            try:
                await founded.sign_in()
                await founded.deposit()
                await founded.grant_all()
                for account in (steady, jumper):
                    _let_in(account, founded.alice.public)
                config = _write(folder / "ssh_config", founded, jump, jumper, steady)
                yield Ways(
                    config=config,
                    node=founded.where()["pid"],
                    jump=folder / "jump" / "sshd.pid",
                    target=folder / "target" / "sshd.pid",
                )
            finally:
                await founded.close()
                await asyncio.sleep(0.2)


def _let_in(account: Account, public: str) -> None:
    """The references log in by key; only the gateway knows the password."""
    folder = account.home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(f"{public}\n")
    shutil.chown(folder, account.uid, account.uid)
    shutil.chown(folder / "authorized_keys", account.uid, account.uid)


def _write(path: Path, founded: Founded, jump: Sshd, jumper: Account, steady: Account) -> Path:
    """One configuration for all: `ssh -J` hands nothing but the file on to its first hop."""
    where, known = founded.where(), path.with_name("known_hosts")
    door_key = (founded.home.path / "ssh_host_key.pub").read_text().strip()
    known.write_text(
        f"[127.0.0.1]:{where['ssh_port']} {door_key}\n"
        f"[127.0.0.1]:{jump.port} {jump.host_key_line}\n"
        f"[127.0.0.1]:{founded.sshd.port} {founded.sshd.host_key_line}\n"
    )
    hosts = {
        "jump": (jump.port, jumper.name),
        "target": (founded.sshd.port, steady.name),
        **{f"gate-{name}": (where["ssh_port"], f"alice+{name}+db1") for name in founded.places},
    }
    lines = [line for name, (port, user) in hosts.items() for line in (f"Host {name}", f"Port {port}", f"User {user}")]
    lines += [
        "Host *",
        "HostName 127.0.0.1",
        f"IdentityFile {founded.alice.key}",
        "IdentitiesOnly yes",
        "IdentityAgent none",
        "BatchMode yes",
        f"UserKnownHostsFile {known}",
        "GlobalKnownHostsFile none",
        "LogLevel ERROR",
        "ConnectTimeout 20",
        f"Ciphers {CIPHER}",
        "Compression no",
        # Newer clients hide the rhythm of typing from peers that can answer them; where they do, it is off for all.
        "IgnoreUnknown ObscureKeystrokeTiming",
        "ObscureKeystrokeTiming no",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
