"""The rotator `postgresql` against a real server, over TLS."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from breakglass.errors import HostKeyMismatch, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Helper, Place, Rotator
from breakglass.plugins.postgresql import plugin
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret
from tests.plugins.helped import HelpedContract
from tests.plugins.unix import Direct
from tests.servers.postgres import Postgres, running_postgres
from tests.servers.tls import other_pin

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(tls=True) as server:
        with server.admin() as admin:
            admin.execute("ALTER SYSTEM SET log_statement = 'all'")
            admin.execute("SELECT pg_reload_conf()")
        yield server


def make_role(server: Postgres, more: str = "") -> tuple[str, Secret]:
    name, password = f"r{secrets.token_hex(6)}", fresh_secret()
    with server.admin() as admin:
        verifier = admin.pgconn.encrypt_password(password.reveal(), name.encode(), b"scram-sha-256").decode()
        admin.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} " + more).format(sql.Identifier(name), sql.Literal(verifier))
        )
    return name, password


def at(server: Postgres, role: str, **options: str) -> Place:
    assert server.tls
    endpoint = Endpoint(protocol=Protocol.POSTGRESQL, host="127.0.0.1", port=server.port, host_key=server.tls.pin)
    return Place(dial=Direct(), endpoint=endpoint, username=role, options=options)


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
def role(server: Postgres) -> tuple[str, Secret]:
    return make_role(server, "CREATEROLE")


@pytest.fixture
def place(server: Postgres, role: tuple[str, Secret]) -> Place:
    return at(server, role[0])


@pytest.fixture
def current(role: tuple[str, Secret]) -> Secret:
    return role[1]


async def stock(place: Place, secret: Secret) -> psycopg.AsyncConnection[Any]:
    return await psycopg.AsyncConnection.connect(
        host="127.0.0.1", port=place.endpoint.port, user=place.username, password=secret.reveal().decode(),
        dbname="postgres", sslmode="require", autocommit=True,
    )  # fmt: skip


class TestRole(RotatorContract):
    @pytest.fixture
    async def linger(self, place: Place, server: Postgres) -> AsyncIterator[Linger]:
        sessions = []

        async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
            sessions.append(await stock(place, secret))
            pid = sessions[-1].info.backend_pid

            async def still_runs() -> bool:
                with server.admin() as admin:
                    return bool(admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchall())

            return still_runs

        yield start
        for session in sessions:
            await session.close()

    @pytest.fixture
    def leave(self, place: Place) -> Leave:
        async def leave(secret: Secret) -> str:
            name = f"left_{secrets.token_hex(4)}"
            async with await stock(place, secret) as session:
                await session.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
            return f"+ role {name}, login"

        return leave

    async def test_no_password_reaches_the_servers_log(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, server: Postgres
    ) -> None:
        await rotator.change(place, current, new)
        assert not await rotator.works(place, current)
        log = (server.folder / "log").read_text()
        assert f'ALTER ROLE "{place.username}" PASSWORD \'SCRAM-SHA-256$' in log, "the search finds what is there"
        assert new.reveal().decode() not in log
        assert current.reveal().decode() not in log

    async def test_the_authority_may_be_pinned_instead(
        self, rotator: Rotator, place: Place, current: Secret, server: Postgres
    ) -> None:
        assert server.tls
        by_authority = replace(place, endpoint=replace(place.endpoint, host_key=server.tls.authority))
        assert await rotator.works(by_authority, current)
        elsewhere = replace(by_authority, endpoint=replace(by_authority.endpoint, host="localhost"))
        with pytest.raises(HostKeyMismatch):
            await rotator.works(elsewhere, current)


class TestHelped(HelpedContract):
    """A role with CREATEROLE and the admin option helps another one."""

    @pytest.fixture
    def helper(self, server: Postgres, place: Place) -> Helper:
        name, password = make_role(server, "CREATEROLE")
        with server.admin() as admin:
            grant = "GRANT {} TO {} WITH ADMIN OPTION"
            admin.execute(sql.SQL(grant).format(sql.Identifier(place.username), sql.Identifier(name)))
        return Helper(place=at(server, name), secret=password)

    @pytest.fixture
    def powerless(self, server: Postgres) -> Helper:
        name, password = make_role(server)
        return Helper(place=at(server, name), secret=password)

    @pytest.fixture
    def role(self, server: Postgres) -> tuple[str, Secret]:
        return make_role(server)

    async def test_no_password_of_a_reset_reaches_the_servers_log(
        self, rotator: Any, place: Place, helper: Helper, server: Postgres
    ) -> None:
        new = fresh_secret()
        await rotator.reset(place, helper, new)
        log = (server.folder / "log").read_text()
        assert f'ALTER ROLE "{place.username}" PASSWORD \'SCRAM-SHA-256$' in log, "the search finds what is there"
        assert new.reveal().decode() not in log


async def test_a_server_without_tls_gets_nothing(rotator: Rotator, postgres: Postgres) -> None:
    endpoint = Endpoint(protocol=Protocol.POSTGRESQL, host="127.0.0.1", port=postgres.port, host_key=other_pin())
    with pytest.raises(TargetDown):
        await rotator.works(Place(dial=Direct(), endpoint=endpoint, username="breakglass"), fresh_secret())


async def test_a_role_that_may_not_log_in_is_no_wrong_password(rotator: Rotator, server: Postgres) -> None:
    name, password = make_role(server)
    with server.admin() as admin:
        admin.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
    with pytest.raises(OutcomeUnknown):
        await rotator.works(at(server, name), password)
    with pytest.raises(TargetDown):
        await rotator.change(at(server, name), password, fresh_secret())


async def test_a_database_that_is_missing_is_no_wrong_password(rotator: Rotator, server: Postgres) -> None:
    name, password = make_role(server)
    with pytest.raises(OutcomeUnknown):
        await rotator.works(at(server, name, database="nowhere"), password)


async def test_a_role_of_another_shape(rotator: Rotator, server: Postgres) -> None:
    name, password = make_role(server)
    odd = f'{name}"; DROP ROLE x; --'
    with server.admin() as admin:
        admin.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(odd)))
    place, new = at(server, odd), fresh_secret()
    await rotator.change(place, password, new)
    assert await rotator.works(place, new)


async def test_what_the_server_refuses_is_refused(rotator: Rotator, server: Postgres) -> None:
    name, password = make_role(server)
    with server.admin() as admin:
        admin.execute(sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))
    with pytest.raises(ChangeRefused) as refused:
        await rotator.change(at(server, name), password, fresh_secret())
    assert "25006" in refused.value.message
    assert await rotator.works(at(server, name), password)
