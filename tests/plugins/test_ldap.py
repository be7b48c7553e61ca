"""The rotator `ldap` against a real slapd with a password policy, in TLS."""

import secrets
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import ldap3
import pytest

from breakglass.errors import HostKeyMismatch, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Helper, Place, Rotator
from breakglass.plugins.ldap import plugin
from breakglass.plugins.ldap.signing import policy_error
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret
from tests.plugins.directory import nothing_runs
from tests.plugins.helped import HelpedContract
from tests.plugins.unix import Direct
from tests.servers.slapd import SUFFIX, Slapd, running_slapd

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[Slapd]:
    with running_slapd() as server:
        yield server


def at(server: Slapd, dn: str) -> Place:
    endpoint = Endpoint(protocol=Protocol.LDAPS, host="127.0.0.1", port=server.port, host_key=server.tls.pin)
    return Place(dial=Direct(), endpoint=endpoint, username=dn, options={"base": SUFFIX})


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
def account(server: Slapd) -> tuple[str, Secret]:
    return server.account()


@pytest.fixture
def place(server: Slapd, account: tuple[str, Secret]) -> Place:
    return at(server, account[0])


@pytest.fixture
def current(account: tuple[str, Secret]) -> Secret:
    return account[1]


class TestHelped(HelpedContract):
    TELLS = False

    @pytest.fixture
    def helper(self, server: Slapd) -> Helper:
        dn, secret = server.account(helps=True)
        return Helper(place=at(server, dn), secret=secret)

    @pytest.fixture
    def powerless(self, server: Slapd) -> Helper:
        dn, secret = server.account()
        return Helper(place=at(server, dn), secret=secret)


class TestEntry(RotatorContract):
    @pytest.fixture
    def linger(self) -> Linger:
        return nothing_runs()

    @pytest.fixture
    def leave(self, place: Place) -> Leave:
        async def leave(secret: Secret) -> str:
            name = f"left{secrets.token_hex(4)}"
            tls = ldap3.Tls(validate=ssl.CERT_NONE)
            server = ldap3.Server("127.0.0.1", place.endpoint.port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
            with ldap3.Connection(server, place.username, secret.reveal().decode()) as connection:
                dn = f"uid={name},ou=people,{SUFFIX}"
                assert connection.add(dn, ["inetOrgPerson"], {"cn": name, "sn": name}), connection.result
            return f"+ entry uid={name},"

        return leave

    async def test_no_password_reaches_the_servers_log(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, server: Slapd
    ) -> None:
        await rotator.change(place, current, new)
        assert not await rotator.works(place, current)
        log = server.log.read_text()
        assert f'PASSMOD id="{place.username}"' in log, "the search finds what is there"
        assert new.reveal().decode() not in log
        assert current.reveal().decode() not in log

    async def test_the_authority_may_be_pinned_instead(
        self, rotator: Rotator, place: Place, current: Secret, server: Slapd
    ) -> None:
        by_authority = replace(place, endpoint=replace(place.endpoint, host_key=server.tls.authority))
        assert await rotator.works(by_authority, current)
        elsewhere = replace(by_authority, endpoint=replace(by_authority.endpoint, host="localhost"))
        with pytest.raises(HostKeyMismatch):
            await rotator.works(elsewhere, current)


async def test_what_the_policy_refuses_is_refused(rotator: Rotator, place: Place, current: Secret) -> None:
    with pytest.raises(ChangeRefused):
        await rotator.change(place, current, Secret(b"too-short"))
    used = fresh_secret()
    await rotator.change(place, current, used)
    with pytest.raises(ChangeRefused):  # it stands in the history
        await rotator.change(place, used, current)
    assert await rotator.works(place, used)


async def test_a_locked_entry_is_no_wrong_password(rotator: Rotator, place: Place, current: Secret) -> None:
    for _ in range(4):
        with suppress(OutcomeUnknown):  # the last of them locks it
            assert not await rotator.works(place, fresh_secret())
    with pytest.raises(OutcomeUnknown) as unknown:
        await rotator.works(place, current)
    assert "locked" in unknown.value.message
    with pytest.raises(TargetDown):
        await rotator.change(place, current, fresh_secret())


@pytest.mark.parametrize(
    ("value", "why"),
    [(b"", ""), (b"\x30\x00", ""), (b"\x30\x03\x81\x01\x01", "locked"), (b"\x30\x03\x81\x01\x09", ""),
     (b"\x30\x07\xa0\x02\x80\x00\x81\x01\x02", "to be changed"), (b"\x30\x03\x81\x01", "")],
)  # fmt: skip
def test_what_the_policy_says_is_read(value: bytes, why: str) -> None:
    assert policy_error(value) == why
