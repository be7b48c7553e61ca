"""The rotator `ssh-authorized-keys` against a real sshd."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Place, Rotator
from breakglass.plugins.over_ssh.login import private_key
from breakglass.plugins.ssh_authorized_keys import plugin
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret
from breakglass.vault.passwords import fresh_key
from tests.plugins.unix import Direct, leaves, lingers
from tests.servers.sshd import Account, Sshd, make_account, running_sshd

pytestmark = pytest.mark.server


def public(secret: Secret) -> str:
    return private_key(secret).export_public_key().decode().strip()


def put(account: Account, *lines: str) -> Path:
    import os

    file = account.home / ".ssh" / "authorized_keys"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    for path in (file.parent, file):
        os.chown(path, account.uid, account.uid)
    file.chmod(0o600)
    return file


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with running_sshd(tmp_path / "sshd", lines=("AuthenticationMethods publickey",)) as server:
        yield server


@pytest.fixture
def account() -> Iterator[Account]:
    with make_account() as account:
        yield account


@pytest.fixture
def place(sshd: Sshd, account: Account) -> Place:
    endpoint = Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=sshd.port, host_key=sshd.host_key_line)
    return Place(dial=Direct(), endpoint=endpoint, username=account.name)


@pytest.fixture
def current(account: Account) -> Secret:
    key = fresh_key()
    put(account, "# kept", f"{public(fresh_key())} somebody", f'from="127.0.0.1",no-pty {public(key)} rescue')
    return key


class TestKeys(RotatorContract):
    make = staticmethod(fresh_key)

    @pytest.fixture
    def linger(self, place: Place, account: Account) -> Linger:
        return lingers(place, account)

    @pytest.fixture
    def leave(self, place: Place) -> Leave:
        return leaves(place)

    async def test_other_lines_and_the_options_stay(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, account: Account
    ) -> None:
        file = account.home / ".ssh" / "authorized_keys"
        before = file.read_text().split("\n")
        await rotator.change(place, current, new)
        after = file.read_text().split("\n")
        assert after[:2] == before[:2]
        assert after[2] == f'from="127.0.0.1",no-pty {" ".join(public(new).split()[:2])} rescue'
        assert after[3:] == [""]
        assert oct(file.stat().st_mode)[-3:] == "600"
        assert [one.name for one in file.parent.iterdir()] == ["authorized_keys"], "something was left beside it"


async def test_a_key_that_stands_elsewhere_is_refused(
    rotator: Rotator, place: Place, current: Secret, account: Account
) -> None:
    other = account.home / ".ssh" / "other"
    put(account, f"{public(current)}").rename(other)
    put(account, public(fresh_key()))
    async with running_sshd(account.home / "sshd", lines=("AuthorizedKeysFile .ssh/other",)) as sshd:
        endpoint = replace(place.endpoint, port=sshd.port, host_key=sshd.host_key_line)
        there, new = replace(place, endpoint=endpoint), fresh_key()
        with pytest.raises(ChangeRefused) as refused:
            await rotator.change(there, current, new)
        assert "`file`" in refused.value.what_to_do
        assert await rotator.works(there, current)
        named = replace(there, options={"file": ".ssh/other"})
        await rotator.change(named, current, new)
        assert await rotator.works(named, new)
        assert not await rotator.works(named, current)


async def test_a_file_that_cant_be_written_is_refused(
    rotator: Rotator, place: Place, current: Secret, account: Account
) -> None:
    import os

    os.chown(account.home / ".ssh", 0, 0)
    (account.home / ".ssh").chmod(0o755)
    with pytest.raises(ChangeRefused):
        await rotator.change(place, current, fresh_key())
    assert await rotator.works(place, current)


async def test_a_password_is_no_key(rotator: Rotator, place: Place, current: Secret) -> None:
    with pytest.raises(ChangeRefused) as refused:
        await rotator.change(place, current, fresh_secret())
    assert "ssh-key" in refused.value.what_to_do


@pytest.mark.parametrize("file", ["/etc/passwd", "../other/.ssh/authorized_keys", "a'b", "$(id)", ""])
async def test_a_file_elsewhere_is_no_option(rotator: Rotator, place: Place, current: Secret, file: str) -> None:
    with pytest.raises(Malformed):
        await rotator.change(replace(place, options={"file": file}), current, fresh_key())
