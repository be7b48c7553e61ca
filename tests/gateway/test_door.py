"""Who is let in, what is never given, and how the front end answers."""

import asyncio
import socket

import pytest

from breakglass.gateway.limits import Limits
from breakglass.gateway.words import Exit
from tests.gateway.rig import rig
from tests.gateway.test_session import given_back


@pytest.fixture
async def place(tmp_path):
    async with rig(tmp_path) as made:
        yield made


async def test_a_stranger_and_a_wrong_key_look_the_same(place):
    wrong = await place.run(place.ssh("alice+db1", "exit 0", key="bob"))
    nobody = await place.run(place.ssh("nobody+db1", "exit 0", key="bob"))
    known_to_nobody = await place.run(place.ssh("alice+db1", "exit 0", key="stranger"))
    assert wrong.status == nobody.status == known_to_nobody.status == 255
    assert "Permission denied (publickey)" in wrong.err
    assert wrong.err.replace("alice", "x") == nobody.err.replace("nobody", "x")
    assert wrong.err == known_to_nobody.err
    assert not place.desk.asked


async def test_only_public_keys_are_offered(place):
    done = await place.run(place.ssh("alice", "-oPreferredAuthentications=password,keyboard-interactive", "status"))
    assert done.status == 255
    assert "Permission denied (publickey)" in done.err


async def test_a_certificate_opens_nothing(place, tmp_path):
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ca")]
    assert (await place.run(keygen)).status == 0
    sign = ["ssh-keygen", "-q", "-s", str(tmp_path / "ca"), "-I", "x", "-n", "alice", str(tmp_path / "new")]
    assert (await place.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "new")])).status == 0
    assert (await place.run([*sign[:-1], str(tmp_path / "new.pub")])).status == 0
    assert (await place.run(place.ssh("alice", "status", key="new"))).status == 255


async def test_an_rsa_key_signs_with_sha2_only(place, tmp_path):
    keygen = ["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", str(tmp_path / "rsa")]
    assert (await place.run(keygen)).status == 0
    shown = await place.run(["ssh-keygen", "-lf", str(tmp_path / "rsa.pub")])
    place.desk.people["alice"].append(shown.out.decode().split()[1])
    assert (await place.run(place.ssh("alice", "status", key="rsa"))).status == 3
    old = await place.run(place.ssh("alice", "-oPubkeyAcceptedAlgorithms=ssh-rsa", "status", key="rsa"))
    assert old.status == 255


async def test_old_cryptography_is_refused(place):
    for option in ("-oCiphers=aes128-cbc", "-oKexAlgorithms=diffie-hellman-group14-sha1"):
        done = await place.run(place.ssh("alice", option, "-oLogLevel=INFO", "status"))
        assert (done.status, "no matching" in done.err) == (255, True)


@pytest.mark.parametrize("user", ["alice+a+b+c", "alice+", "alice++db1", "alice+db1+", "alice+db=1", "alice+-oX"])
async def test_a_name_that_says_nothing_is_refused_clearly(place, user):
    done = await place.run(place.ssh(user, "exit 0"))
    assert done.status == Exit.USAGE
    assert "login+target or login+account+target" in done.err
    assert not place.desk.asked


async def test_front_end(place):
    done = await place.run(place.ssh("alice", "status 'of req 1' --all"))
    assert (done.status, done.out) == (3, b"usr_alice ['status', 'of req 1', '--all']\n")
    assert done.err == "trouble\n"
    assert (await place.run(place.ssh("alice"))).out == b"usr_alice []\n"
    assert (await place.run(place.ssh("alice", "-tt"))).out == b"usr_alice []\r\n"


async def test_front_end_reads_what_is_piped_in_up_to_a_cap(place):
    done = await place.run(place.ssh("alice", "approve req_x"), b"s" * 65536)
    assert (done.status, done.out) == (0, b"65536 bytes for req_x\n")
    done = await place.run(place.ssh("alice", "approve req_x"), b"s" * 65537)
    assert (done.status, "longer than 65536 bytes" in done.err) == (Exit.REFUSED, True)


async def test_front_end_does_not_wait_for_input_that_nobody_reads(place):
    process = await place.begin(place.ssh("alice", "status"))
    async with asyncio.timeout(5):
        assert await process.wait() == 3  # its standard input is still open


async def test_front_end_refuses_and_fails_with_words(place):
    done = await place.run(place.ssh("alice", "fail"))
    assert (done.status, done.err) == (
        Exit.REFUSED,
        "breakglass: Only approvers.\nbreakglass: What to do: Ask one.\n",
    )
    done = await place.run(place.ssh("alice", "crash"))
    assert (done.status, "boom" in done.err) == (Exit.SOFTWARE, False)
    done = await place.run(place.ssh("alice", "a 'quote"))
    assert done.status == Exit.USAGE
    sftp = ["sftp", *place.options(), "-b", "-", "-P", str(place.door.port), "alice@127.0.0.1"]
    assert "names none" in (await place.run(sftp)).err


async def test_nothing_is_forwarded(place):
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    process = await place.begin(
        place.ssh("alice+db1", f"-L{port}:127.0.0.1:22", "-A", "-X", "-R0:127.0.0.1:1", "-oLogLevel=INFO", "hang")
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"hanging\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    writer.close()
    process.terminate()
    _, err = await process.communicate()
    assert b"remote port forwarding failed" in err or b"Warning: remote port" in err
    assert b"administratively prohibited" in err
    await given_back(place)
    notes = place.desk.tapes[0].notes()
    assert "refused: forwarding to 127.0.0.1:22" in notes
    assert len(place.target.connections) == 1


async def test_agent_and_x11_are_refused_and_noted(place, tmp_path):
    agent = tmp_path / "agent"
    listener = await asyncio.start_unix_server(lambda reader, writer: writer.close(), str(agent))
    argv = place.ssh("alice+db1", "-A", "-X", "-oForwardX11Trusted=yes", "-oXAuthLocation=/bin/false", "exit 0")
    process = await asyncio.create_subprocess_exec(
        *argv, env={"PATH": "/usr/bin:/bin", "SSH_AUTH_SOCK": str(agent), "DISPLAY": "127.0.0.1:77"}
    )
    assert await process.wait() == 0
    listener.close()
    await given_back(place)
    notes = place.desk.tapes[0].notes()
    assert "refused: agent forwarding" in notes
    assert "refused: X11 forwarding" in notes


async def test_listening_is_refused(place):
    done = await place.run(place.ssh("alice+db1", "-oExitOnForwardFailure=yes", "-R0:127.0.0.1:1", "exit 0"))
    assert done.status == 255
    assert not place.desk.asked


async def test_jumping_through_is_refused_with_words(place):
    done = await place.run(place.ssh("alice+db1", "-W127.0.0.1:22", "-oLogLevel=INFO"))
    assert done.status == 255
    assert "connect as login+target@gateway" in done.err


async def test_more_channels_than_allowed(tmp_path):
    async with rig(tmp_path, limits=Limits(channels=2)) as place:
        mux = tmp_path / "mux"
        master = await place.begin(place.ssh("alice+db1", "-oControlMaster=yes", f"-oControlPath={mux}", "hang"))
        assert master.stdout is not None
        await master.stdout.readline()
        second = await place.begin(place.ssh("alice+db1", f"-oControlPath={mux}", "hang"))
        assert second.stdout is not None
        await second.stdout.readline()
        third = await place.run(place.ssh("alice+db1", f"-oControlPath={mux}", "-oProxyCommand=false", "exit 0"))
        assert third.status == 255
        master.terminate()
        await master.wait()
        await second.wait()


async def test_who_does_not_speak_is_sent_away(tmp_path):
    async with rig(tmp_path, limits=Limits(stranger_for=0.3)) as place:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.door.port)
        began = asyncio.get_running_loop().time()
        assert (await reader.readline()) == b"SSH-2.0-Breakglass\r\n"
        await reader.read()
        assert asyncio.get_running_loop().time() - began < 2
        writer.close()
        assert not place.door.strangers


async def test_silent_crowds_do_not_keep_people_out(tmp_path):
    limits = Limits(strangers=20, strangers_per_address=15, stranger_for=60)
    async with rig(tmp_path, limits=limits) as place:
        silent = [
            await asyncio.open_connection("127.0.0.1", place.door.port, local_addr=(f"127.0.0.{2 + n // 15}", 0))
            for n in range(40)
        ]
        await asyncio.sleep(0.1)
        assert len(place.door.strangers) <= 20
        assert (await place.run(place.ssh("alice", "status"))).status == 3
        for _, writer in silent:
            writer.close()


async def test_stopping_ends_sessions_and_gives_them_back(place):
    process = await place.begin(place.ssh("alice+db1", "hang"))
    assert process.stdout is not None
    await process.stdout.readline()
    await place.door.stop()
    _, err = await process.communicate()
    assert b"the gateway is stopping" in err
    assert place.desk.reasons == ["the gateway is stopping"]
