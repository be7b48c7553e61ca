"""What the tests of rotators over SSH share: a client that is not the rotator's, and what it leaves behind."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from typing import Any

import asyncssh

from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from breakglass.testing.rotator_contract import Leave, Linger
from tests.servers.sshd import Account, processes_of


class Direct:
    """Dials from here, as the gateway's own `Direct` does."""

    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        return await asyncio.get_running_loop().create_connection(factory, host, port, **options)


async def stock(place: Place, secret: Secret) -> asyncssh.SSHClientConnection:
    """A client that is not the rotator's."""
    key = secret.reveal().startswith(b"-----BEGIN ")
    return await asyncssh.connect(
        place.endpoint.host,
        place.endpoint.port,
        config=None,
        username=place.username,
        password=None if key else secret.reveal().decode(),
        known_hosts=([asyncssh.import_public_key(place.endpoint.host_key)], [], []),
        client_keys=[asyncssh.import_private_key(secret.reveal())] if key else None,
        agent_path=None,
    )


def lingers(place: Place, account: Account) -> Linger:
    """A detached process that ignores TERM, and the session that started it is over."""

    async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
        async with await stock(place, secret) as connection:
            hidden = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done"
            await connection.run(
                f"setsid nohup sh -c {shlex.quote(hidden)} >/dev/null 2>&1 </dev/null & sleep 0.3", check=True
            )
        pid = int((account.home / "pid").read_text())

        async def still_runs() -> bool:
            return pid in processes_of(account.uid)

        return still_runs

    return start


def leaves(place: Place) -> Leave:
    """Another key in the account's authorized_keys."""

    async def leave(secret: Secret) -> str:
        line = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[:2]
        command = (
            f"umask 077; mkdir -p ~/.ssh; echo {shlex.quote(' '.join(line))} left-behind >> ~/.ssh/authorized_keys"
        )
        async with await stock(place, secret) as connection:
            await connection.run(command, check=True)
        return "left-behind"

    return leave
