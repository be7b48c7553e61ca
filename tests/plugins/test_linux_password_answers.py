"""What the rotator `linux-password` makes of answers that no healthy sshd gives: servers that stop, lie or hang."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import HostKeyMismatch, Malformed, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Place
from breakglass.plugins.linux_password.rotator import LinuxPassword
from breakglass.plugins.over_ssh import remains
from breakglass.testing.rotator_contract import holds_no_secret, other_host_key

CURRENT, NEW = Secret(b"the-current-one"), Secret(b"the-new-one")
ROTATOR = LinuxPassword(connect_within=timedelta(seconds=3), answer_within=timedelta(seconds=1))
KEY = asyncssh.generate_private_key("ssh-ed25519")

Command = Callable[[Any], Awaitable[None]]


class Direct:
    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        return await asyncio.get_running_loop().create_connection(factory, host, port, **options)


def at(port: int, host_key: str | None = None, **options: str) -> Place:
    line = host_key or " ".join(KEY.export_public_key().decode().split()[:2])
    endpoint = Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=port, host_key=line)
    return Place(dial=Direct(), endpoint=endpoint, username="root", options=options)


class Honest(asyncssh.SSHServer):
    """Takes the current password, and counts what it is asked."""

    tried = 0

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        self.connection = connection

    def password_auth_supported(self) -> bool:
        return True

    def kbdint_auth_supported(self) -> bool:
        return False

    def validate_password(self, username: str, password: str) -> bool:
        type(self).tried += 1
        return password == CURRENT.reveal().decode()


@asynccontextmanager
async def served(server: type[asyncssh.SSHServer], command: Command | None = None, **more: Any) -> AsyncIterator[Place]:
    async def run(process: Any) -> None:
        if process.command == "true":
            process.exit(0)
        elif command is not None:
            await command(process)

    options: dict[str, Any] = {"server_host_keys": [KEY], "encoding": None, "process_factory": run, **more}
    listener = await asyncssh.listen("127.0.0.1", 0, server_factory=server, **options)
    try:
        yield at(listener.get_port())
    finally:
        listener.close()
        await listener.wait_closed()


@asynccontextmanager
async def raw(speak: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Place]:
    async def guest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await speak(reader, writer)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guest, "127.0.0.1", 0)
    async with server:
        yield at(server.sockets[0].getsockname()[1])


async def gone(process: Any) -> None:
    assert await process.stdin.readline() == b"root:the-new-one\n"
    process.channel.get_connection().abort()


async def killed(process: Any) -> None:
    await process.stdin.readline()
    process.exit_with_signal("KILL")


async def killed_below(process: Any) -> None:
    await process.stdin.readline()
    process.exit(137)


async def no_status(process: Any) -> None:
    await process.stdin.readline()
    process.close()


async def silent(process: Any) -> None:
    await asyncio.sleep(5)


async def endless(process: Any) -> None:
    try:
        while True:
            process.stdout.write(b"x" * 65536)
            await process.stdout.drain()
    except (OSError, asyncssh.Error):
        return


@pytest.mark.parametrize("command", [gone, killed, killed_below, no_status, silent, endless])
async def test_an_ending_that_nobody_saw_is_unknown(command: Command) -> None:
    async with served(Honest, command) as place:
        with pytest.raises(OutcomeUnknown) as unknown:
            await ROTATOR.change(place, CURRENT, NEW)
        holds_no_secret(unknown.value, CURRENT, NEW)


async def echoes(process: Any) -> None:
    line = await process.stdin.readline()
    process.stderr.write(b"BAD PASSWORD: " + line)
    process.exit(1)


async def missing(process: Any) -> None:
    process.stderr.write(b"sh: 1: chpasswd: not found\n")
    process.exit(127)


@pytest.mark.parametrize(("command", "helps"), [(echoes, "password rules"), (missing, "missing on the target")])
async def test_a_no_is_refused_and_its_words_are_not_passed_on(command: Command, helps: str) -> None:
    async with served(Honest, command) as place:
        with pytest.raises(ChangeRefused) as refused:
            await ROTATOR.change(place, CURRENT, NEW)
        assert helps in refused.value.what_to_do
        holds_no_secret(refused.value, CURRENT, NEW)


async def test_a_server_that_runs_nothing_refuses() -> None:
    async with served(Honest, process_factory=None) as place:
        with pytest.raises(ChangeRefused):
            await ROTATOR.change(place, CURRENT, NEW)
        with pytest.raises(OutcomeUnknown):
            await ROTATOR.works(place, CURRENT)


async def test_a_wrong_password_is_tried_once() -> None:
    class Counting(Honest):
        tried = 0

    async with served(Counting) as place:
        assert await ROTATOR.works(place, NEW) is False
        assert Counting.tried == 1
        assert await ROTATOR.works(place, CURRENT) is True


async def test_a_demand_for_a_new_password_decides_nothing() -> None:
    class Expired(Honest):
        def validate_password(self, username: str, password: str) -> bool:
            raise asyncssh.PasswordChangeRequired("Your password has expired.")

    async with served(Expired) as place:
        with pytest.raises(OutcomeUnknown):
            await ROTATOR.works(place, CURRENT)
        with pytest.raises(TargetDown):
            await ROTATOR.change(place, CURRENT, NEW)


@pytest.mark.parametrize("prompts", [[("Password:", False), ("Code:", False)], [("Password (shown):", True)]])
async def test_questions_that_are_not_for_a_password_get_none(prompts: list[tuple[str, bool]]) -> None:
    class Asking(Honest):
        def password_auth_supported(self) -> bool:
            return False

        def kbdint_auth_supported(self) -> bool:
            return True

        def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
            return "", "", "", prompts

        def validate_kbdint_response(self, username: str, responses: Any) -> Any:
            raise AssertionError("something was answered")

    async with served(Asking) as place:
        with pytest.raises(OutcomeUnknown):
            await ROTATOR.works(place, CURRENT)


@pytest.mark.parametrize("second", [False, True])
async def test_keyboard_interactive_with_one_hidden_question(second: bool) -> None:
    """A right answer that is followed by another question (a code, a new password) decides nothing."""

    class Asking(Honest):
        def password_auth_supported(self) -> bool:
            return False

        def kbdint_auth_supported(self) -> bool:
            return True

        def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
            return "", "", "", [("Password:", False)]

        def validate_kbdint_response(self, username: str, responses: Any) -> Any:
            right = list(responses) == [CURRENT.reveal().decode()]
            return ("", "", "", [("New password:", False)]) if right and second else right

    async with served(Asking) as place:
        assert await ROTATOR.works(place, NEW) is False
        if second:
            with pytest.raises(OutcomeUnknown):
                await ROTATOR.works(place, CURRENT)
        else:
            assert await ROTATOR.works(place, CURRENT) is True


@pytest.mark.parametrize("code", [asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, asyncssh.DISC_BY_APPLICATION])
async def test_a_server_that_hangs_up_on_a_password_refuses_nothing(code: int) -> None:
    class HangsUp(Honest):
        def validate_password(self, username: str, password: str) -> bool:
            self.connection.disconnect(code, "go away")
            return False

    async with served(HangsUp) as place:
        with pytest.raises(OutcomeUnknown):
            await ROTATOR.works(place, CURRENT)
        with pytest.raises(TargetDown):
            await ROTATOR.change(place, CURRENT, NEW)


async def test_refused_now_and_unreachable_then_is_unknown() -> None:
    """The current password is refused, so the new one may stand already: that is not "nothing happened"."""

    class Once(Honest):
        visits = 0

        def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
            super().connection_made(connection)
            type(self).visits += 1
            if type(self).visits > 1:
                connection.abort()

        def validate_password(self, username: str, password: str) -> bool:
            return False

    async with served(Once) as place:
        with pytest.raises(OutcomeUnknown):
            await ROTATOR.change(place, CURRENT, NEW)


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-nobody\r\n")
    await writer.drain()


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-babble\r\n" + bytes(range(256)) * 64)
    await writer.drain()
    await reader.read(65536)


@pytest.mark.parametrize("speak", [pytest.param(hang, marks=pytest.mark.slow), hang_up, babble])
async def test_what_is_no_ssh_server_is_down(speak: Any) -> None:
    async with raw(speak) as place:
        for act in (ROTATOR.works(place, CURRENT), ROTATOR.change(place, CURRENT, NEW)):
            with pytest.raises(TargetDown):
                await act


async def test_a_server_with_a_key_of_another_type_is_an_alarm() -> None:
    async with served(Honest, server_host_keys=[asyncssh.generate_private_key("ecdsa-sha2-nistp256")]) as place:
        with pytest.raises(HostKeyMismatch):
            await ROTATOR.works(place, CURRENT)


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "x\ny z"])
async def test_a_pin_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(Malformed):
        await ROTATOR.works(at(1, line or " "), CURRENT)


async def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Malformed) as refused:
        await ROTATOR.change(at(1, other_host_key(), become="su"), CURRENT, NEW)
    assert "sudo-nopasswd" in refused.value.what_to_do


async def test_a_password_that_is_no_text_hides_its_bytes() -> None:
    with pytest.raises(Malformed) as refused:
        await ROTATOR.works(at(1), Secret(b"\xff\xfesecret"))
    assert refused.value.__context__ is None
    assert "secret" not in str(refused.value)


async def greets(process: Any) -> None:
    await process.stdin.read()
    process.stdout.write(b"Welcome!\nbreakglass-remains process 12 ev;il\x1b[2J\nbreakglass-done\n")
    process.exit(0)


async def stops_halfway(process: Any) -> None:
    await process.stdin.read()
    process.stdout.write(b"breakglass-remains process 12 sh\n")
    process.exit(0)


async def test_what_remains_is_told_without_the_targets_own_characters() -> None:
    async with served(Honest, greets) as place:
        (left,) = await ROTATOR.end_remains(place, CURRENT)
        assert left.what == "ev_il__2J (pid 12)"
    async with served(Honest, stops_halfway) as place:
        with pytest.raises(OutcomeUnknown):
            await ROTATOR.end_remains(place, CURRENT)


@given(st.binary(max_size=300), st.booleans())
def test_any_answer_is_read(noise: bytes, done: bool) -> None:
    answer = (
        noise
        + b"\nbreakglass-remains process 7 "
        + noise.replace(b"\n", b"")
        + (b"\nbreakglass-done\n" if done else b"")
    )
    left = remains.read(answer)
    if done:
        assert left is not None
        assert all(one.what.isascii() and one.what.isprintable() and len(one.what) < 100 for one in left)
    else:
        assert left is None or b"breakglass-done" in noise


@given(st.text(max_size=40))
def test_a_login_in_the_script_is_a_name_and_nothing_else(login: str) -> None:
    try:
        script = remains.script(login)
    except Malformed:
        return
    assert f"\naccount={login}\n".encode() in script
    assert login.replace(".", "").replace("-", "").replace("_", "").isalnum() or set(login) <= set("._-")
    assert login.isascii()
