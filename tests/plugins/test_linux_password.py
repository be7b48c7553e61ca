"""The rotator `linux-password` against a real sshd, PAM, sudo and shadow file."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakglass.errors import OutcomeUnknown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import Admission, ChangeRefused, Helper, Place, Rotator
from breakglass.plugins.linux_password import plugin
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret
from breakglass.vault.passwords import fresh_key
from tests.plugins.helped import HelpedContract
from tests.plugins.test_ssh_authorized_keys import public, put
from tests.plugins.unix import Direct, leaves, lingers, stock
from tests.servers.sshd import Account, Sshd, expire, make_account, processes_of, running_sshd, set_password

pytestmark = pytest.mark.server


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with running_sshd(tmp_path / "sshd") as server:
        yield server


def at(sshd: Sshd, account: Account, become: str) -> Place:
    endpoint = Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=sshd.port, host_key=sshd.host_key_line)
    return Place(dial=Direct(), endpoint=endpoint, username=account.name, options={"become": become})


class Kinds(RotatorContract):
    become = "sudo"

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        with make_account(sudo=True) as account:
            yield account

    @pytest.fixture
    def place(self, sshd: Sshd, account: Account) -> Place:
        return at(sshd, account, self.become)

    @pytest.fixture
    def current(self, account: Account) -> Secret:
        return account.password

    @pytest.fixture
    async def linger(self, place: Place, account: Account) -> Linger:
        return lingers(place, account)

    @pytest.fixture
    def leave(self, place: Place) -> Leave:
        return leaves(place)


class Helped(HelpedContract):
    """A root account, or one with three sudo rights, helps an ordinary account."""

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        with make_account() as account:
            yield account

    @pytest.fixture
    def place(self, sshd: Sshd, account: Account) -> Place:
        return at(sshd, account, "none")

    @pytest.fixture
    def current(self, account: Account) -> Secret:
        return account.password

    @pytest.fixture
    def powerless(self, sshd: Sshd) -> Iterator[Helper]:
        with make_account() as account:
            yield Helper(place=at(sshd, account, "none"), secret=account.password)


class TestHelpedByRoot(Helped):
    @pytest.fixture
    def helper(self, sshd: Sshd) -> Iterator[Helper]:
        with make_account(uid_0=True) as root:
            yield Helper(place=at(sshd, root, "none"), secret=root.password)

    async def test_a_key_lets_nobody_in_as_a_disabled_account(
        self, rotator: Any, place: Place, account: Account, helper: Helper
    ) -> None:
        """`passwd -l` would not do that."""
        key = fresh_key()
        put(account, public(key))
        assert await rotator.works(place, key)
        await rotator.disable(place, helper)
        assert await rotator.admits(place, key) is Admission.SHUT
        await rotator.enable(place, helper)
        assert await rotator.works(place, key)


class TestHelpedBySudo(Helped):
    @pytest.fixture
    def helper(self, sshd: Sshd) -> Iterator[Helper]:
        with make_account(sudo=True, only="/usr/sbin/usermod, /usr/bin/chage, /usr/sbin/chpasswd") as account:
            yield Helper(place=at(sshd, account, "sudo"), secret=account.password)


class TestWithSudo(Kinds):
    """The account may do everything by sudo, with its own password."""

    async def test_an_open_session_of_somebody_else_is_ended(
        self, rotator: Rotator, place: Place, current: Secret
    ) -> None:
        connection = await stock(place, current)
        shell = await connection.create_process(term_type="xterm")
        assert list(await rotator.end_remains(place, current)) == []
        async with asyncio.timeout(5):
            await connection.wait_closed()
        assert shell.exit_status != 0

    async def test_nothing_secret_reaches_the_log(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, sshd: Sshd, capfd: Any, caplog: Any
    ) -> None:
        caplog.set_level("DEBUG")
        await rotator.change(place, current, new)
        assert not await rotator.works(place, current)
        everything = sshd.log.read_text() + caplog.text + "".join(capfd.readouterr())
        assert place.username in everything  # the search finds what is there
        assert new.reveal().decode() not in everything
        assert current.reveal().decode() not in everything

    async def test_the_secret_stands_in_no_command_line(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret
    ) -> None:
        seen: set[bytes] = set()
        over = threading.Event()

        def look() -> None:
            while not over.is_set():
                for folder in Path("/proc").glob("[0-9]*"):
                    for name in ("cmdline", "environ"):
                        with suppress(OSError):
                            seen.add((folder / name).read_bytes())

        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.to_thread(look))
            try:
                await rotator.change(place, current, new)
            finally:
                over.set()
        assert any(b"chpasswd" in words for words in seen)
        assert not any(secret.reveal() in words for words in seen for secret in (current, new))


class TestWithSudoForChpasswdAlone(Kinds):
    """The least right that a rotation needs."""

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        with make_account(sudo=True, only="/usr/sbin/chpasswd") as account:
            yield account


class TestWithSudoThatNeverAsks(Kinds):
    """`become` is `sudo`, and sudo wants no password: its line must not reach chpasswd or the shell."""

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        with make_account(sudo=True, nopasswd=True) as account:
            yield account


class TestWithSudoNopasswd(TestWithSudoThatNeverAsks):
    become = "sudo-nopasswd"


class TestRoot(Kinds):
    """uid 0 under another name: `become` is `none`, and only login sessions of this name are ended."""

    become = "none"

    @pytest.fixture
    def account(self) -> Iterator[Account]:
        with make_account(uid_0=True) as account:
            yield account

    @pytest.fixture
    async def linger(self, place: Place, account: Account) -> Linger:
        async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
            connection = await stock(place, secret)
            process = await connection.create_process("trap '' TERM; echo $$; while :; do sleep 1; done")
            pid = int(await process.stdout.readline())

            async def still_runs() -> bool:
                return pid in processes_of(account.uid)

            return still_runs

        return start

    async def test_daemons_of_root_are_left_alone_and_named(
        self, rotator: Rotator, place: Place, current: Secret
    ) -> None:
        unrelated = await asyncio.create_subprocess_exec("sleep", "60")
        async with await stock(place, current) as connection:
            done = await connection.run("setsid sleep 60 >/dev/null 2>&1 </dev/null & echo $!", check=True)
        detached = int(str(done.stdout))
        try:
            left = await rotator.end_remains(place, current)
            assert [(one.kind, one.what) for one in left] == [("detached", f"sleep (pid {detached})")]
            assert unrelated.returncode is None
        finally:
            unrelated.terminate()
            await unrelated.wait()
            os.kill(detached, signal.SIGTERM)


async def test_without_the_right_it_is_refused(rotator: Rotator, sshd: Sshd) -> None:
    for become in ("none", "sudo", "sudo-nopasswd"):
        with make_account() as account:
            place, new = at(sshd, account, become), fresh_secret()
            with pytest.raises(ChangeRefused) as refused:
                await rotator.change(place, account.password, new)
            assert "sudo" in refused.value.what_to_do
            assert await rotator.works(place, account.password)
            assert not await rotator.works(place, new)


async def test_an_expired_password_is_neither_right_nor_wrong(rotator: Rotator, sshd: Sshd) -> None:
    with make_account(sudo=True) as account:
        expire(account)
        place = at(sshd, account, "sudo")
        with pytest.raises(OutcomeUnknown) as unknown:
            await rotator.works(place, account.password)
        assert "expired" in unknown.value.what_to_do
        with pytest.raises(ChangeRefused):
            await rotator.change(place, account.password, fresh_secret())
        assert not await rotator.works(place, fresh_secret())


async def test_keyboard_interactive_is_answered_once(rotator: Rotator, tmp_path: Path) -> None:
    lines = ("PasswordAuthentication no", "KbdInteractiveAuthentication yes")
    async with running_sshd(tmp_path / "kbd", lines=lines) as sshd:
        with make_account(sudo=True) as account:
            place, new = at(sshd, account, "sudo"), fresh_secret()
            await rotator.change(place, account.password, new)
            assert await rotator.works(place, new)
            before = sshd.log.read_text().count("Failed ")
            assert not await rotator.works(place, account.password)
            assert sshd.log.read_text().count("Failed ") - before <= 1
            expire(account)
            with pytest.raises(OutcomeUnknown):
                await rotator.works(place, new)


async def test_a_server_that_hangs_up_at_once_refuses_nothing(rotator: Rotator, tmp_path: Path) -> None:
    async with running_sshd(tmp_path / "one", lines=("MaxAuthTries 1",)) as sshd:
        with make_account() as account, pytest.raises(OutcomeUnknown):
            await rotator.works(at(sshd, account, "none"), fresh_secret())


async def test_a_second_factor_is_no_refusal(rotator: Rotator, tmp_path: Path) -> None:
    async with running_sshd(tmp_path / "two", lines=("AuthenticationMethods password,publickey",)) as sshd:
        with make_account() as account:
            with pytest.raises(OutcomeUnknown):
                await rotator.works(at(sshd, account, "none"), account.password)
            assert not await rotator.works(at(sshd, account, "none"), fresh_secret())


async def test_keys_only_is_no_refusal(rotator: Rotator, tmp_path: Path) -> None:
    async with running_sshd(tmp_path / "keys", lines=("PasswordAuthentication no",)) as sshd:
        with make_account() as account, pytest.raises(OutcomeUnknown) as unknown:
            await rotator.works(at(sshd, account, "none"), account.password)
        assert "PasswordAuthentication" in unknown.value.what_to_do


async def test_a_password_set_by_hand_meanwhile(rotator: Rotator, sshd: Sshd) -> None:
    with make_account(sudo=True) as account:
        by_hand, place = fresh_secret(), at(sshd, account, "sudo")
        set_password(account.name, by_hand)
        with pytest.raises(ChangeRefused):
            await rotator.change(place, account.password, fresh_secret())
        assert await rotator.works(place, by_hand)


@pytest.mark.parametrize("bad", [b"a\nroot:owned", b"", b"a\0b", b"a\rb"])
async def test_a_password_that_would_be_two_lines_is_never_sent(rotator: Rotator, sshd: Sshd, bad: bytes) -> None:
    with make_account(sudo=True) as account:
        place = at(sshd, account, "sudo")
        with pytest.raises(ChangeRefused):
            await rotator.change(place, account.password, Secret(bad))
        with pytest.raises(ChangeRefused):
            await rotator.change(replace(place, username="a:b"), account.password, fresh_secret())
        assert await rotator.works(place, account.password)
