"""The rotator `mariadb` against a real server, over TLS."""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pymysql
import pytest

from breakglass.errors import HostKeyMismatch, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Helper, Place, Rotator
from breakglass.plugins.mariadb import plugin
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret
from tests.plugins.helped import HelpedContract
from tests.plugins.unix import Direct
from tests.servers.mariadb import MariaDb, running_mariadb

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[MariaDb]:
    with running_mariadb() as server:
        yield server


def make_account(server: MariaDb, *grants: str) -> tuple[str, Secret]:
    name, password = f"u{secrets.token_hex(6)}", fresh_secret()
    with server.admin() as admin:
        admin.execute(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY %s", (password.reveal().decode(),))
        for grant in grants:
            admin.execute(f"GRANT {grant} TO {name}@'127.0.0.1'")
    return name, password


def at(server: MariaDb, name: str) -> Place:
    endpoint = Endpoint(protocol=Protocol.MARIADB, host="127.0.0.1", port=server.port, host_key=server.tls.pin)
    return Place(dial=Direct(), endpoint=endpoint, username=name)


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
def account(server: MariaDb) -> tuple[str, Secret]:
    return make_account(server, "CREATE USER ON *.*", "SELECT ON mysql.*")


@pytest.fixture
def place(server: MariaDb, account: tuple[str, Secret]) -> Place:
    return at(server, account[0])


@pytest.fixture
def current(account: tuple[str, Secret]) -> Secret:
    return account[1]


def stock(place: Place, secret: Secret) -> "pymysql.Connection[Any]":
    return pymysql.connect(
        host="127.0.0.1",
        port=place.endpoint.port,
        user=place.username,
        password=secret.reveal().decode(),
        autocommit=True,
    )


class TestHelped(HelpedContract):
    @pytest.fixture
    def account(self, server: MariaDb) -> tuple[str, Secret]:
        return make_account(server)

    @pytest.fixture
    def helper(self, server: MariaDb) -> Helper:
        name, secret = make_account(server, "CREATE USER ON *.*", "SELECT ON mysql.*")
        return Helper(place=at(server, name), secret=secret)

    @pytest.fixture
    def powerless(self, server: MariaDb) -> Helper:
        name, secret = make_account(server)
        return Helper(place=at(server, name), secret=secret)

    async def test_no_password_of_a_reset_reaches_the_servers_log(
        self, rotator: Any, place: Place, helper: Helper, server: MariaDb
    ) -> None:
        new = fresh_secret()
        await rotator.reset(place, helper, new)
        log = server.general_log.read_text()
        assert "IDENTIFIED BY PASSWORD" in log, "the search finds what is there"
        assert new.reveal().decode() not in log


class TestAccount(RotatorContract):
    @pytest.fixture
    def linger(self, place: Place, server: MariaDb) -> Iterator[Linger]:
        sessions = []

        async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
            sessions.append(stock(place, secret))
            id = sessions[-1].thread_id()

            async def still_runs() -> bool:
                with server.admin() as admin:
                    return bool(admin.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", (id,)))

            return still_runs

        yield start
        for session in sessions:
            with suppress(pymysql.MySQLError):
                session.close()

    @pytest.fixture
    def leave(self, place: Place) -> Leave:
        async def leave(secret: Secret) -> str:
            name = f"left{secrets.token_hex(4)}"
            session = stock(place, secret)
            with session.cursor() as cursor:
                cursor.execute(f"CREATE USER {name}@'%'")
            session.close()
            return f"+ user {name}@%"

        return leave

    async def test_no_password_reaches_the_servers_log(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, server: MariaDb
    ) -> None:
        await rotator.change(place, current, new)
        assert not await rotator.works(place, current)
        log = server.general_log.read_text()
        assert "SET PASSWORD" in log, "the search finds what is there"
        assert new.reveal().decode() not in log

    async def test_the_authority_may_be_pinned_instead(
        self, rotator: Rotator, place: Place, current: Secret, server: MariaDb
    ) -> None:
        by_authority = replace(place, endpoint=replace(place.endpoint, host_key=server.tls.authority))
        assert await rotator.works(by_authority, current)
        elsewhere = replace(by_authority, endpoint=replace(by_authority.endpoint, host="localhost"))
        with pytest.raises(HostKeyMismatch):
            await rotator.works(elsewhere, current)


async def test_a_server_without_tls_gets_nothing(rotator: Rotator) -> None:
    with running_mariadb("--skip-ssl") as server:
        name, password = make_account(server)
        with pytest.raises(TargetDown):
            await rotator.works(at(server, name), password)
        assert name not in server.general_log.read_text().rpartition("CREATE USER")[2].partition("\n")[2]


async def test_a_locked_account_is_no_wrong_password(rotator: Rotator, server: MariaDb) -> None:
    name, password = make_account(server)
    with server.admin() as admin:
        admin.execute(f"ALTER USER {name}@'127.0.0.1' ACCOUNT LOCK")
    with pytest.raises(OutcomeUnknown):
        await rotator.works(at(server, name), password)
    with pytest.raises(TargetDown):
        await rotator.change(at(server, name), password, fresh_secret())


async def test_a_replica_proves_nothing(rotator: Rotator, server: MariaDb) -> None:
    name, password = make_account(server)
    with server.admin() as admin:
        admin.execute("SET GLOBAL read_only = 1")
        try:
            with pytest.raises(TargetDown):
                await rotator.works(at(server, name), password)
        finally:
            admin.execute("SET GLOBAL read_only = 0")


async def test_what_the_server_refuses_is_refused(rotator: Rotator, server: MariaDb) -> None:
    name, password = make_account(server)
    with server.admin() as admin:
        admin.execute("INSTALL SONAME 'simple_password_check'")  # it can't check a hash, so it takes none
    try:
        with pytest.raises(ChangeRefused) as refused:
            await rotator.change(at(server, name), password, fresh_secret())
    finally:
        with server.admin() as admin:
            admin.execute("UNINSTALL SONAME 'simple_password_check'")
    assert "strict mode" in refused.value.what_to_do
    assert await rotator.works(at(server, name), password)
