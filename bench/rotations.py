"""Password changes a minute with 1, 10 and 100 accounts on one PostgreSQL; against the bare statement.

A rotation of ours is: a candidate made and sealed, marks in the database and the log before each act, releases proven
to the vault, the change over pinned TLS, the proof that the new one works and the old one is refused, the look around.
The reference signs in over TLS and sends ALTER ROLE, as many at a time as the engine does, and proves nothing.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
from psycopg import sql

from bench.measure import OURS, Row, Wanted, in_turn, rows
from breakglass.model.secret import Secret
from breakglass.rotation.engine import AT_ONCE
from breakglass.testing.rotator_contract import fresh_secret
from tests.deployment import Deployment
from tests.plugins.test_postgresql import make_role
from tests.servers.postgres import Postgres, running_postgres

SUITE = "vault"
COUNTS = (1, 10, 100)
LAPS = 3
REFERENCE = "ALTER ROLE"


class Estate(Deployment):
    """A deployment whose accounts are roles of one PostgreSQL."""

    def __init__(self, folder: Path, server: Postgres, roles: Mapping[str, Secret]) -> None:
        assert server.tls is not None
        nobody: Any = SimpleNamespace(port=1, host_key_line="", name="nobody")
        super().__init__(folder, nobody, nobody)
        self.server, self.roles, self.pin = server, roles, server.tls.pin

    def estate(self) -> dict[str, Any]:
        made = super().estate()
        [(target, place)] = made["targets"].items()
        [account] = made["accounts"].values()
        del place["host_key"]
        place.update(protocol="postgresql", port=self.server.port, certificate=self.pin.removeprefix("x509 "))
        del account["rotator_options"]
        one = {**account, "rotator": "postgresql", "target": target}
        made["accounts"] = {f"acc_{role}": {**one, "name": role, "username": role} for role in self.roles}
        return made

    async def deposit(self) -> None:
        for role, secret in self.roles.items():
            path = f"/api/accounts/acc_{role}/credential"
            await self.carol.call("PUT", path, {"secret": secret.reveal().decode()})
        await self.settled(600)

    async def rotate(self, count: int) -> float:
        """Rotations a minute."""
        accounts = [f"acc_{role}" for role in list(self.roles)[:count]]
        began = time.perf_counter()
        await self.carol.call("POST", "/api/rotations", {"accounts": accounts})
        while await self.carol.call("GET", "/api/rotations?owed=true&limit=1"):  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.02)
        return 60 * count / (time.perf_counter() - began)


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    counts = [count for count in COUNTS if wanted(f"vault.rotations_{count}")]
    if not counts:
        return
    with running_postgres(tls=True) as server:
        ours = dict(make_role(server) for _ in range(max(counts)))
        theirs = dict(make_role(server) for _ in range(max(counts)))
        world = Estate(folder / "rotations", server, ours)
        await world.found(plugins=("breakglass.plugins.postgresql",))
        await world.start()
        try:
            await world.sign_in()
            await world.deposit()
            for count in counts:
                sides = {
                    OURS: lambda count=count: world.rotate(count),
                    REFERENCE: lambda count=count: _alter(server, theirs, count),
                }
                for row in rows(f"vault.rotations_{count}", "rotations/min", await in_turn(LAPS, sides)):
                    yield row
        finally:
            await world.close()


async def _alter(server: Postgres, roles: dict[str, Secret], count: int) -> float:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(role: str) -> None:
        new = fresh_secret()
        async with gate, await _session(server, role, roles[role]) as session:
            verifier = session.pgconn.encrypt_password(new.reveal(), role.encode(), b"scram-sha-256").decode()
            await session.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
            )
        roles[role] = new

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for role in list(roles)[:count]:
            group.create_task(one(role))
    return 60 * count / (time.perf_counter() - began)


async def _session(server: Postgres, role: str, secret: Secret) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    return await psycopg.AsyncConnection.connect(
        host="127.0.0.1", port=server.port, user=role, password=secret.reveal().decode(), dbname="postgres",
        sslmode="require", autocommit=True, application_name=f"bench-{secrets.token_hex(2)}",
    )  # fmt: skip
