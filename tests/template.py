"""One founded deployment, copied for each case: who needs many fresh ones founds once.

    async with Template.made(folder, sshd, account) as template:            on the embedded database
    async with Template.made(…, server=postgres, like=migrated) as …        on PostgreSQL
        async with template.copy(folder) as world:                          founded, the first password changed; stopped

The account's password is set back to what the copied vault has stored.
"""

import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakglass.demo.people import Person
from tests.deployment import Deployment
from tests.servers.postgres import Postgres
from tests.servers.sshd import Account, Sshd


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    world: Deployment
    shadow: str
    """The account's password as the copied vault knows it, hashed by the system."""
    server: Postgres | None

    @classmethod
    @asynccontextmanager
    async def made(
        cls, folder: Path, sshd: Sshd, account: Account, *, server: Postgres | None = None, like: str = ""
    ) -> "AsyncIterator[Template]":
        with server.database(like=like) if server else nullcontext("") as url:
            world = Deployment(folder, sshd, account, database=url)
            await world.found(ssh_port=free_port(), api_port=free_port())
            await world.start()
            try:
                await world.sign_in()
                await world.deposit()
                await world.until(lambda: nothing_owed(world))
            finally:
                await world.close()
            yield cls(world=world, shadow=_shadow(account), server=server)

    def _set_password_back(self) -> None:
        subprocess.run(["usermod", "--password", self.shadow, self.world.account.name], check=True)

    @asynccontextmanager
    async def copy(self, folder: Path, home: Path | None = None) -> AsyncIterator[Deployment]:
        """A deployment of its own, not started; its data folder is `home` when one is given (it may exist, empty)."""
        with self.server.database(like=self.world.database) if self.server else nullcontext("") as url:
            world = Deployment(folder, self.world.sshd, self.world.account, database=url)
            if home is not None:
                world.home = type(world.home)(home)
            world.people = {login: Person(login, self.world.folder / "people") for login in self.world.people}
            shutil.copytree(self.world.home.path, world.home.path, dirs_exist_ok=True, ignore=_not_run)
            settings = world.home.settings.read_text()
            settings = re.sub(r'^database = ".*"$', f'database = "{url}"', settings, flags=re.MULTILINE)
            world.home.settings.write_text(settings)
            self._set_password_back()
            try:
                yield world
            finally:
                await world.close()


def _shadow(account: Account) -> str:
    found = subprocess.run(["getent", "shadow", account.name], check=True, capture_output=True, text=True)
    return found.stdout.split(":")[1]


def rows(world: Deployment, sql: str) -> list[tuple[Any, ...]]:
    """What the database says, asked beside the node."""
    if world.database:
        import psycopg

        with psycopg.connect(world.database, connect_timeout=5) as conn:
            return conn.execute(sql.encode()).fetchall()
    with closing(sqlite3.connect(f"file:{world.home.database}?mode=ro", uri=True, timeout=5)) as embedded:
        return embedded.execute(sql).fetchall()


async def nothing_owed(world: Deployment) -> bool:
    return rows(world, "SELECT count(*) FROM outbox") == [(0,)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _not_run(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "run"]
