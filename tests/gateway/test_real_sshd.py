"""The door in front of OpenSSH's own server and a real Unix account: what people will meet."""

import asyncio
import fcntl
import hashlib
import os
import signal
import struct
import termios

import pytest

from breakglass.codec.frames import Kind, exit_of
from breakglass.model.target import Endpoint, Protocol
from tests.gateway.rig import rig, until
from tests.gateway.test_session import given_back
from tests.servers.sshd import make_account, processes_of, running_sshd

pytestmark = pytest.mark.server


@pytest.fixture
async def place(tmp_path):
    server, door = tmp_path / "server", tmp_path / "door"
    server.mkdir()
    door.mkdir()
    async with running_sshd(server) as sshd, rig(door) as made:
        with make_account() as account:
            made.desk.username = account.name
            made.desk.secret = account.password.reveal()
            made.desk.home, made.desk.uid = account.home, account.uid
            made.desk.endpoint = Endpoint(
                protocol=Protocol.SSH, host="127.0.0.1", port=sshd.port, host_key=sshd.host_key_line
            )
            yield made


async def test_commands_streams_statuses_and_signals(place):
    done = await place.run(place.ssh("alice+db1", "id -un; echo oops >&2; exit 9"))
    assert (done.status, done.out.decode().strip(), done.err) == (9, place.desk.username, "oops\n")
    done = await place.run(place.ssh("alice+db1", "kill -9 $$"))
    assert done.status == 255
    await given_back(place, 2)
    assert exit_of(place.desk.tapes[1].of(Kind.EXIT)) == -9


async def test_much_data_both_ways(place):
    data = os.urandom(1 << 20) * 50
    done = await place.run(place.ssh("alice+db1", "cat"), data, timeout=60)
    assert (done.status, hashlib.sha256(done.out).digest()) == (0, hashlib.sha256(data).digest())


async def test_a_terminal_with_its_modes_and_its_changing_size(place):
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
    modes = termios.tcgetattr(inner)
    modes[6][termios.VERASE] = b"\x08"
    termios.tcsetattr(inner, termios.TCSANOW, modes)
    os.set_blocking(outer, False)
    process = await asyncio.create_subprocess_exec(
        *place.ssh("alice+db1"),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env={"TERM": "vt220", "PATH": os.environ["PATH"]},
    )
    seen = b""

    async def see(what: bytes) -> None:
        nonlocal seen
        async with asyncio.timeout(10):
            while what not in seen:
                try:
                    seen += os.read(outer, 65536)
                except BlockingIOError:
                    await asyncio.sleep(0.01)

    await see(b"PRODUCTION")
    os.write(outer, b"stty -a; echo term=$TERM; stty size\r")
    await see(b"term=vt220")
    await see(b"33 101")
    assert b"erase = ^H" in seen
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 99, 0, 0))
    process.send_signal(signal.SIGWINCH)
    await asyncio.sleep(0.2)
    os.write(outer, b"stty size\r")
    await see(b"44 99")
    os.write(outer, b"sleep 60\r")
    await asyncio.sleep(0.2)
    os.write(outer, b"\x03")
    os.write(outer, b"exit 6\r")
    async with asyncio.timeout(10):
        assert await process.wait() == 6
    os.close(outer)
    os.close(inner)


@pytest.mark.parametrize("old_protocol", [False, True])
async def test_scp_there_and_back(place, tmp_path, old_protocol):
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(20_000_000))
    options = [*place.options(), *(["-O"] if old_protocol else []), "-P", str(place.door.port)]
    there = f"alice+db1@127.0.0.1:{place.desk.home}/file"
    done = await place.run(["scp", *options, str(source), there])
    assert (done.status, done.err) == (0, "")
    done = await place.run(["scp", *options, there, str(back)])
    assert (done.status, done.err) == (0, "")
    assert back.read_bytes() == source.read_bytes()


async def test_killing_a_session_kills_what_it_runs(place):
    process = await place.begin(place.ssh("alice+db1", "-tt", "echo there; exec sleep 300"))
    assert process.stdout is not None
    await process.stdout.readline()
    place.desk.orders[0].end("ended by carol")
    async with asyncio.timeout(1):
        await place.desk.given_back.wait()
    await process.communicate()
    await until(lambda: not processes_of(place.desk.uid))
