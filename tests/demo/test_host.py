"""The demo host as a target: its password, its shells, its files, its fault, and the rotator's whole contract."""

import asyncio
import hashlib
import json
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from breakglass.demo.credential import HostPassword
from breakglass.demo.host import DemoHost
from breakglass.demo.sandbox import Sandbox
from breakglass.errors import Malformed, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import Place, Rotator
from breakglass.plugins.linux_password import plugin
from breakglass.testing.rotator_contract import Leave, Linger, RotatorContract, fresh_secret

pytestmark = pytest.mark.slow  # each starts hosts, shells and people who sign in


class Direct:
    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        return await asyncio.get_running_loop().create_connection(factory, host, port, **options)


@pytest.fixture(params=[True, False], ids=["bubblewrap", "small shell"])
async def host(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[DemoHost]:
    running = await DemoHost.start(tmp_path / "demo", sandbox=request.param)
    yield running
    await running.stop()


@pytest.fixture
async def boxed(tmp_path: Path) -> AsyncIterator[DemoHost]:
    running = await DemoHost.start(tmp_path / "demo", sandbox=True)
    yield running
    await running.stop()


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[DemoHost]:
    running = await DemoHost.start(tmp_path / "demo", sandbox=False)
    yield running
    await running.stop()


async def visit(host: DemoHost, password: Secret, **more: Any) -> asyncssh.SSHClientConnection:
    return await asyncssh.connect(
        "127.0.0.1",
        host.port,
        config=None,
        username=more.pop("username", host.login),
        password=password.reveal().decode(),
        known_hosts=([asyncssh.import_public_key(host.host_key_line)], [], []),
        client_keys=None,
        agent_path=None,
        **more,
    )


class TestRotation(RotatorContract):
    """The rotator for Linux passwords takes the demo host for what it seems to be."""

    @pytest.fixture
    def rotator(self) -> Rotator:
        return plugin()

    @pytest.fixture
    def place(self, host: DemoHost) -> Place:
        endpoint = Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=host.port, host_key=host.host_key_line)
        return Place(dial=Direct(), endpoint=endpoint, username=host.login)

    @pytest.fixture
    def current(self, host: DemoHost) -> Secret:
        return host.initial_password()

    @pytest.fixture
    def linger(self, host: DemoHost) -> Linger:
        async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
            connection = await visit(host, secret)
            await connection.create_process("sleep 60" if host.boxed else None)

            async def still_runs() -> bool:
                return not connection.is_closed()

            return still_runs

        return start

    @pytest.fixture
    def leave(self, host: DemoHost) -> Leave:
        async def leave(secret: Secret) -> str:
            folder = host._box.disk / "root" / ".ssh"
            folder.mkdir(exist_ok=True)
            key = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().split()[1]
            (folder / "authorized_keys").write_text(f"ssh-ed25519 {key} left-behind\n")
            return "left-behind"

        return leave


async def test_a_restart_keeps_key_and_password_and_gives_nothing_away(tmp_path: Path) -> None:
    first = await DemoHost.start(tmp_path / "demo", sandbox=False)
    line, password = first.host_key_line, first.initial_password()
    with pytest.raises(WrongState):
        first.initial_password()
    new = fresh_secret()
    async with await visit(first, password) as connection:
        done = await connection.run("chpasswd", input=f"root:{new.reveal().decode()}\n", check=True)
        assert done.exit_status == 0
    await first.stop()
    await first.stop()
    again = await DemoHost.start(tmp_path / "demo", sandbox=False)
    try:
        assert again.host_key_line == line
        with pytest.raises(WrongState):
            again.initial_password()
        async with await visit(again, new):
            pass
        with pytest.raises(asyncssh.PermissionDenied):
            await visit(again, password)
    finally:
        await again.stop()
    kept = b"".join(file.read_bytes() for file in (tmp_path / "demo").rglob("*") if file.is_file())
    assert b"cold store" in kept  # the search finds what is there
    assert password.reveal() not in kept
    assert new.reveal() not in kept


async def test_its_folder_and_secrets_are_its_owners_only(boxed: DemoHost, tmp_path: Path) -> None:
    for name, mode in ((".", 0o700), ("host_key", 0o600), ("password.json", 0o600)):
        assert stat.S_IMODE((tmp_path / "demo" / name).stat().st_mode) == mode, name


async def test_wrong_passwords_logins_and_ways_in_are_refused(host: DemoHost) -> None:
    password = host.initial_password()
    for wrong, login in ((fresh_secret(), "root"), (password, "operator"), (Secret(b"x" * 5000), "root")):
        before = time.monotonic()
        with pytest.raises(asyncssh.PermissionDenied):
            await visit(host, wrong, username=login)
        assert time.monotonic() - before >= 0.1
    async with await visit(host, password) as connection:
        assert connection.get_server_auth_methods() is not None
        with pytest.raises(asyncssh.ChannelOpenError):
            await connection.open_connection("127.0.0.1", host.port)
        with pytest.raises(asyncssh.ChannelListenError):
            await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", host.port)


@pytest.mark.parametrize("given", ["root\n", "root:\n", "operator:new-password\n", ":x\n", "root:a\nother:b\n"])
async def test_chpasswd_says_no_and_changes_nothing(host: DemoHost, given: str) -> None:
    password = host.initial_password()
    async with await visit(host, password) as connection:
        done = await connection.run("chpasswd", input=given)
        assert done.exit_status == 1
        assert "line" in str(done.stderr)
    async with await visit(host, password):
        pass


async def test_the_fault_is_found_and_fixed_by_commands(host: DemoHost) -> None:
    assert not host.is_fixed()
    async with await visit(host, host.initial_password()) as connection:

        async def run(command: str) -> tuple[int | None, str]:
            done = await connection.run(command)
            return done.exit_status, str(done.stdout)

        assert "systemctl restart coldstore" in (await run("cat /srv/coldstore/README"))[1]
        status, said = await run("systemctl status coldstore")
        assert status == 3
        assert "failed" in said
        assert "lock /srv/coldstore/historian.lock is held" in said
        assert (await run("systemctl restart coldstore"))[0] == 1
        assert (await run("cat /srv/coldstore/health"))[1] == "FAILED\n"
        assert "not running any more" in (await run("cat /srv/coldstore/historian.lock"))[1]
        assert (await run("rm /srv/coldstore/historian.lock && systemctl restart coldstore"))[0] == 0
        assert await run("cat /srv/coldstore/health") == (0, "OK\n")
        status, said = await run("systemctl status coldstore.service")
        assert status == 0
        assert "active (running)" in said
        assert await run("systemctl is-active coldstore") == (0, "active\n")
        assert host.is_fixed()
        assert (await run("systemctl stop coldstore"))[0] == 0
        assert not host.is_fixed()
        assert (await run("systemctl start nginx"))[0] == 4
        assert (await run("systemctl dance coldstore"))[0] == 1
        assert (await run("hostname"))[1] == "plant-db1\n"
        assert "uid=0(root)" in (await run("id"))[1]
        assert (await run("no-such-command"))[0] == 127


async def test_what_people_did_outlives_a_restart(tmp_path: Path) -> None:
    first = await DemoHost.start(tmp_path / "demo")
    password = first.initial_password()
    async with await visit(first, password) as connection:
        await connection.run("rm /srv/coldstore/historian.lock && systemctl restart coldstore", check=True)
        await connection.run("echo kept > note", check=True)
    await first.stop()
    again = await DemoHost.start(tmp_path / "demo")
    async with await visit(again, password) as connection:
        assert (await connection.run("cat note")).stdout == "kept\n"
    assert again.is_fixed()
    await again.stop()


async def test_a_terminal_in_the_box(boxed: DemoHost) -> None:
    """A prompt, a size that changes, ctrl-C, and an end."""
    async with await visit(boxed, boxed.initial_password()) as connection:
        shell = await connection.create_process(term_type="xterm", term_size=(91, 31))

        async def until(words: str) -> str:
            text = ""
            async with asyncio.timeout(10):
                while words not in text:
                    part = await shell.stdout.read(4096)
                    assert part, f"it ended before {words!r}: {text!r}"
                    text += part
            return text

        assert "README" in await until("root@plant-db1:~# ")
        shell.stdin.write("stty size\n")
        await until("31 91")
        shell.change_terminal_size(133, 44)
        await asyncio.sleep(0.1)
        shell.stdin.write("stty size\n")
        await until("44 133")
        shell.stdin.write("sleep 60; echo not-reached\n")
        await until("not-reached\r\n")  # its echo
        await asyncio.sleep(0.3)
        shell.stdin.write("\x03")
        await until("# ")
        shell.stdin.write("echo $((6 * 7)); exit 5\n")
        assert "not-reached\r\nnot" not in await until("42")
        async with asyncio.timeout(10):
            await shell.wait_closed()
        assert shell.exit_status == 5


async def test_bytes_pass_through_a_command_in_the_box(boxed: DemoHost) -> None:
    payload = os.urandom(3_000_000)
    async with await visit(boxed, boxed.initial_password()) as connection:
        done = await connection.run("cat; echo complaint >&2; exit 7", input=payload, encoding=None)
        assert done.stdout == payload
        assert done.stderr == b"complaint\n"
        assert done.exit_status == 7
        summed = await connection.run("sha256sum", input=payload, encoding=None)
        assert str(summed.stdout).startswith(f"b'{hashlib.sha256(payload).hexdigest()} ")


async def test_the_box_shows_nothing_of_this_machine(boxed: DemoHost, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("outside")
    async with await visit(boxed, boxed.initial_password()) as connection:

        async def run(command: str) -> str:
            return str((await connection.run(command)).stdout)

        assert await run(f"cat {tmp_path}/outside /etc/shadow {tmp_path}/demo/password.json 2>/dev/null") == ""
        assert int(await run("ls /proc | grep -c '^[0-9]'")) < 9  # its own processes only
        assert await run("cat /proc/net/dev | grep -v lo: | tail -n +3") == ""
        assert "read-only" in (str((await connection.run("LC_ALL=C touch /usr/x /opt/x 2>&1")).stdout)).lower()
        assert await run("grep CapEff /proc/self/status") == "CapEff:\t0000000000000000\n"
        environment = await run("env")
        assert "HOME=/root\n" in environment
        assert "PYTEST" not in environment


def box_processes(folder: Path) -> list[int]:
    """Processes that were started with this folder in their arguments: the sandboxes of one host."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if os.fsencode(folder) in (one / "cmdline").read_bytes():
                found.append(int(one.name))
        except OSError:
            continue
    return found


async def until_there_are(folder: Path, *, least: int, most: int) -> None:
    for _ in range(200):
        if least <= len(box_processes(folder)) <= most:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{len(box_processes(folder))} processes, not {least} to {most}")


@pytest.mark.parametrize("ending", ["connection", "channel", "stop"])
async def test_a_dropped_session_takes_its_programs_along(boxed: DemoHost, tmp_path: Path, ending: str) -> None:
    connection = await visit(boxed, boxed.initial_password())
    stubborn = "trap '' TERM HUP INT; setsid sleep 77 & sleep 77; sleep 77"
    one = await connection.create_process(stubborn)
    two = await connection.create_process(stubborn, term_type="xterm")
    await until_there_are(tmp_path / "demo", least=4, most=9)
    match ending:
        case "connection":
            connection.abort()
        case "channel":
            one.close()
            two.close()
        case _:
            await boxed.stop()
    await until_there_are(tmp_path / "demo", least=0, most=0)
    connection.abort()


@pytest.mark.parametrize("term", [None, "xterm"])
async def test_a_session_cut_while_it_starts_leaves_nothing(boxed: DemoHost, tmp_path: Path, term: str | None) -> None:
    password = boxed.initial_password()
    for step in range(15):
        connection = await visit(boxed, password)
        await connection.create_process("trap '' TERM HUP INT; sleep 77", term_type=term)
        await asyncio.sleep(step * 0.002)
        connection.abort()
    await until_there_are(tmp_path / "demo", least=0, most=0)


async def test_files_come_and_go_by_sftp_and_scp(host: DemoHost, tmp_path: Path) -> None:
    (tmp_path / "plan.txt").write_bytes(b"\x00plan\xff" * 1000)
    async with await visit(host, host.initial_password()) as connection:
        async with connection.start_sftp_client() as sftp:
            assert await sftp.realpath(".") == "/root"
            await sftp.put(tmp_path / "plan.txt", "plan.txt")
            assert sorted(await sftp.listdir("/")) == [".", "..", "root", "srv"]
            await sftp.get("plan.txt", tmp_path / "back.txt")
            await sftp.remove("/srv/coldstore/historian.lock")
        assert (tmp_path / "back.txt").read_bytes() == (tmp_path / "plan.txt").read_bytes()
        assert "plan.txt" in str((await connection.run("ls /root")).stdout)
        assert (await connection.run("systemctl restart coldstore")).exit_status == 0
        await asyncssh.scp(str(tmp_path / "plan.txt"), (connection, "/srv/coldstore/plan2.txt"))
        await asyncssh.scp((connection, "/srv/coldstore/plan2.txt"), str(tmp_path / "again.txt"))
        assert (tmp_path / "again.txt").read_bytes() == (tmp_path / "plan.txt").read_bytes()


async def test_no_path_and_no_link_leads_out_of_the_disk(host: DemoHost, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("outside")
    disk = tmp_path / "demo" / "disk"
    (disk / "root" / "file").symlink_to(outside / "secret")
    (disk / "root" / "folder").symlink_to(outside)
    (disk / "root" / "loop").symlink_to("loop")
    async with await visit(host, host.initial_password()) as connection:
        async with connection.start_sftp_client() as sftp:
            assert {"file", "folder", "loop"} <= set(await sftp.listdir("/root"))
            for path in ("file", "folder/secret", "../../outside/secret", "loop", f"{outside}/secret"):
                with pytest.raises(asyncssh.SFTPError):
                    await sftp.get(path, tmp_path / "stolen")
            with pytest.raises(asyncssh.SFTPError):
                await sftp.put(tmp_path / "outside" / "secret", "folder/written")
            for link in (sftp.symlink, sftp.link):
                with pytest.raises(asyncssh.SFTPError):
                    await link("/srv/coldstore/README", "link")
            await sftp.remove("file")
        for path in ("folder/secret", "../../outside/secret", "loop"):
            done = await connection.run(f"cat {path}")
            assert done.exit_status != 0
            assert "outside" not in str(done.stdout)
    assert (outside / "secret").read_text() == "outside"
    assert sorted(file.name for file in outside.iterdir()) == ["secret"]
    assert not (tmp_path / "stolen").exists()


async def test_the_small_shell_on_a_terminal(small: DemoHost) -> None:
    async with await visit(small, small.initial_password()) as connection:
        shell = await connection.create_process(term_type="xterm", term_size=(100, 30))

        async def until(words: str) -> str:
            text = ""
            async with asyncio.timeout(10):
                while words not in text:
                    part = await shell.stdout.read(4096)
                    assert part, f"it ended before {words!r}: {text!r}"
                    text += part
            return text

        assert "README" in await until("root@plant-db1:~# ")
        shell.stdin.write("help\n")
        assert "systemctl" in await until("# ")
        shell.change_terminal_size(80, 24)
        shell.stdin.write("cd /srv/coldstore; pwd\n")
        await until("root@plant-db1:/srv/coldstore# ")
        shell.stdin.write("echo a 'b c' > note; cat note; ls; grep lock README\n")
        assert "a b c" in await until("/srv/coldstore# ")
        shell.stdin.write("cd nowhere; cat 'unclosed\n")
        await until("# ")
        shell.stdin.write("exit 3\n")
        async with asyncio.timeout(10):
            await shell.wait_closed()
        assert shell.exit_status == 3


async def test_no_sandbox_is_said_and_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable):
        await DemoHost.start(tmp_path / "demo", sandbox=True)
    host = await DemoHost.start(tmp_path / "demo")
    assert not host.boxed
    await host.stop()
    assert not await Sandbox(tmp_path).works()


async def test_a_taken_port_is_said(small: DemoHost, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await DemoHost.start(tmp_path / "other", port=small.port, sandbox=False)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"login": 1}', '{"login":"a","salt":"zz","hash":"zz"}'])
def test_a_broken_password_file_is_no_password(tmp_path: Path, content: str) -> None:
    (tmp_path / "file").write_text(content)
    with pytest.raises(Malformed):
        HostPassword.load(tmp_path / "file")


def test_a_change_that_is_cut_leaves_the_old_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    password, first = HostPassword.create(file, "root")

    def cut(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", cut)
    with pytest.raises(OSError, match="no space"):
        password.change(b"new")
    monkeypatch.undo()
    for one in (password, HostPassword.load(file)):
        assert one.fits("root", first.reveal())
        assert not one.fits("root", b"new")
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
    assert set(json.loads(file.read_text())) == {"login", "salt", "hash", "n", "r", "p"}
