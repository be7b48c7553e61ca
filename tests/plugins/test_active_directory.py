"""The rotator `active-directory` against a real domain controller, Samba's."""

import secrets
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import ldap3
import pytest

from breakglass.errors import OutcomeUnknown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Place, Rotator
from breakglass.plugins.active_directory import plugin
from breakglass.plugins.active_directory import rotator as module
from breakglass.plugins.active_directory.between import between
from breakglass.plugins.ldap.rotator import Sent
from breakglass.plugins.ldap.signing import domain_error
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret
from tests.plugins.directory import nothing_runs
from tests.plugins.unix import Direct
from tests.servers.samba_ad import SUFFIX, Samba, running_samba

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server() -> Iterator[Samba]:
    with running_samba() as server:
        yield server


def at(server: Samba, dn: str) -> Place:
    endpoint = Endpoint(protocol=Protocol.LDAPS, host=server.host, port=server.port, host_key=server.tls.pin)
    return Place(dial=Direct(), endpoint=endpoint, username=dn, options={"base": f"CN=Users,{SUFFIX}"})


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
def account(server: Samba) -> tuple[str, Secret]:
    return server.account()


@pytest.fixture
def place(server: Samba, account: tuple[str, Secret]) -> Place:
    return at(server, account[0])


@pytest.fixture
def current(account: tuple[str, Secret]) -> Secret:
    return account[1]


class TestAccount(RotatorContract):
    @pytest.fixture
    def linger(self) -> Linger:
        return nothing_runs()

    @pytest.fixture
    def leave(self, server: Samba) -> Leave:
        async def leave(secret: Secret) -> str:
            name = f"left{secrets.token_hex(4)}"
            server.tool("group", "add", name)
            return f"+ entry CN={name},"

        return leave

    async def test_the_upn_will_do(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, account: tuple[str, Secret]
    ) -> None:
        name = account[0].partition(",")[0].removeprefix("CN=")
        by_upn = replace(place, username=f"{name}@example.test")
        await rotator.change(by_upn, current, new)
        assert await rotator.works(by_upn, new)
        assert not await rotator.works(place, current)


async def test_one_change_would_leave_the_old_password_good(place: Place, current: Secret) -> None:
    """What two changes are for: the domain takes the one before for another hour."""
    new = fresh_secret()
    one = _bound(place, current)
    assert one.modify(place.username, _modify(current, new)), one.result
    assert await plugin().works(place, current)
    assert await plugin().works(place, new)


async def test_dead_between_the_two_changes(rotator: Rotator, place: Place, current: Secret) -> None:
    """The account has the password in between, which nobody stored: the same candidate finds on from there."""
    new = fresh_secret()
    with between(new) as middle:
        one = _bound(place, current)
        assert one.modify(place.username, _modify(current, middle)), one.result
    assert not await rotator.works(place, new)
    assert await rotator.works(place, current)  # as the one before: the engine then applies the same candidate again
    await rotator.change(place, current, new)
    assert await rotator.works(place, new)
    assert not await rotator.works(place, current)


async def test_dead_after_both(rotator: Rotator, place: Place, current: Secret) -> None:
    new = fresh_secret()
    await rotator.change(place, current, new)
    await rotator.change(place, current, new)
    assert await rotator.works(place, new)


async def test_an_hour_later_it_still_finds_on(
    rotator: Rotator, place: Place, current: Secret, server: Samba, account: tuple[str, Secret]
) -> None:
    """The current password is no longer even the one before."""
    new = fresh_secret()
    with between(new) as middle:
        one = _bound(place, current)
        other = fresh_secret()
        assert one.modify(place.username, _modify(current, other)), one.result
        assert one.modify(place.username, _modify(other, middle)), one.result
    assert not await rotator.works(place, current)
    await rotator.change(place, current, new)
    assert await rotator.works(place, new)


async def test_one_that_was_changed_by_hand(
    rotator: Rotator, place: Place, current: Secret, server: Samba, account: tuple[str, Secret]
) -> None:
    name = account[0].partition(",")[0].removeprefix("CN=")
    for _ in range(2):
        server.set_password(name, fresh_secret())
    with pytest.raises(CurrentRefused):
        await rotator.change(place, current, fresh_secret())


async def test_what_the_policy_refuses_is_refused(rotator: Rotator, place: Place, current: Secret) -> None:
    used = fresh_secret()
    await rotator.change(place, current, used)
    with pytest.raises(ChangeRefused):  # it stands in the history
        await rotator.change(place, used, current)


async def test_a_shortest_age_is_seen_before_anything_is_changed(
    rotator: Rotator, place: Place, current: Secret, server: Samba
) -> None:
    server.tool("domain", "passwordsettings", "set", "--min-pwd-age=1")
    try:
        with pytest.raises(ChangeRefused, match=r"within 1\.0 days"):
            await rotator.change(place, current, fresh_secret())
        assert await rotator.works(place, current)
    finally:
        server.tool("domain", "passwordsettings", "set", "--min-pwd-age=0")


async def test_a_lost_answer_is_unknown_and_the_same_candidate_goes_on(
    rotator: Rotator, place: Place, current: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, real, sent = fresh_secret(), module._set, 0

    async def lost(place: Place, session: Any, old: Secret, fresh: Secret) -> bool:
        nonlocal sent
        await real(place, session, old, fresh)
        sent += 1
        raise Sent("No answer.", what_to_do="", about="")

    for _ in range(2):  # of the first change, then of the second
        monkeypatch.setattr(module, "_set", lost)
        with pytest.raises(OutcomeUnknown):
            await rotator.change(place, current, new)
        monkeypatch.setattr(module, "_set", real)
    await rotator.change(place, current, new)
    assert sent == 2
    assert await rotator.works(place, new)
    assert not await rotator.works(place, current)


async def test_a_locked_account_is_no_wrong_password(rotator: Rotator, place: Place, current: Secret) -> None:
    for _ in range(5):
        with suppress(OutcomeUnknown):  # the last of them locks it
            assert not await rotator.works(place, fresh_secret())
    with pytest.raises(OutcomeUnknown) as unknown:
        await rotator.works(place, current)
    assert "locked" in unknown.value.message


async def test_a_disabled_account_is_no_wrong_password(
    rotator: Rotator, place: Place, current: Secret, server: Samba, account: tuple[str, Secret]
) -> None:
    server.tool("user", "disable", account[0].partition(",")[0].removeprefix("CN="))
    with pytest.raises(OutcomeUnknown) as unknown:
        await rotator.works(place, current)
    assert "disabled" in unknown.value.message


def test_what_the_domain_says() -> None:
    said = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {}, v1db1"
    assert domain_error(said.format("52e")) == ""
    assert domain_error(said.format("775")) == "locked"
    assert domain_error("data 775, v1db1") == ""
    assert domain_error("") == ""


def test_the_password_in_between_follows_from_the_new_one() -> None:
    new = Secret(b"Candidate-Horse-Battery-9")
    text = between(new).reveal().decode()
    assert text == between(new).reveal().decode() != between(fresh_secret()).reveal().decode()
    assert len(text) == 47
    assert all(any(kind(c) for c in text) for kind in (str.islower, str.isupper, str.isdigit))


def _bound(place: Place, secret: Secret) -> ldap3.Connection:
    tls = ldap3.Tls(validate=ssl.CERT_NONE)
    server = ldap3.Server(place.endpoint.host, place.endpoint.port, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(server, place.username, secret.reveal().decode())
    assert connection.bind(), connection.result
    return connection


def _modify(old: Secret, new: Secret) -> dict[str, Any]:
    return {
        "unicodePwd": [(ldap3.MODIFY_DELETE, [module._quoted(old)]), (ldap3.MODIFY_ADD, [module._quoted(new)])],
    }
