"""A person reaches a target: bytes, statuses, terminals and files pass, and stand in the recording."""

import asyncio
import fcntl
import hashlib
import os
import signal
import struct
import termios

import pytest

from breakglass.codec.frames import Kind, digest_of, exit_of, resize_of
from breakglass.errors import Forbidden, TooMany
from breakglass.gateway.words import Exit
from breakglass.model.policy import Permission
from tests.gateway.rig import PASSWORD, Rig, rig, until


@pytest.fixture
async def place(tmp_path):
    async with rig(tmp_path) as made:
        yield made


async def given_back(place: Rig, count: int = 1) -> None:
    await until(lambda: len(place.desk.reasons) >= count)


async def test_exec_gives_output_error_and_status_and_all_stands_in_the_recording(place):
    done = await place.run(place.ssh("alice+db1", "exit 7"))
    assert (done.status, done.out, done.err) == (7, b"out\n", "err\n")
    await given_back(place)
    tape = place.desk.tapes[0]
    kinds = [kind for kind, channel, _ in tape.frames if channel == 1]
    assert kinds[:2] == [Kind.OPEN, Kind.EXEC]
    assert kinds[-1] is Kind.CLOSE
    assert tape.of(Kind.EXEC) == b"exit 7"
    assert (tape.of(Kind.OUTPUT), tape.of(Kind.STDERR), exit_of(tape.of(Kind.EXIT))) == (b"out\n", b"err\n", 7)
    assert place.desk.reasons == ["the person left"]
    assert PASSWORD.encode() not in b"".join(data for _, _, data in tape.frames)


async def test_account_and_target_are_told_apart(place):
    assert (await place.run(place.ssh("alice+postgres+db1", "exit 0"))).status == 0
    caller, account, target = place.desk.asked[0]
    assert (caller.login, caller.person, account, target) == ("alice", "usr_alice", "postgres", "db1")
    assert caller.key == place.desk.people["alice"][0]
    assert caller.from_address == "127.0.0.1"


async def test_signal_of_the_remote_process(place):
    done = await place.run(place.ssh("alice+db1", "die TERM"))
    assert done.status == 255  # what ssh makes of a signal
    await given_back(place)
    assert exit_of(place.desk.tapes[0].of(Kind.EXIT)) == -int(signal.SIGTERM)


async def test_much_data_passes_unchanged_both_ways_and_is_hashed_above_the_cap(place):
    size = 50 << 20
    data = os.urandom(1 << 20) * 50
    done = await place.run(place.ssh("alice+db1", "cat"), data, timeout=60)
    assert done.status == 0
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()
    await given_back(place)
    tape, cap = place.desk.tapes[0], place.desk.bulk_cap
    assert tape.of(Kind.INPUT) == data[:cap]
    assert tape.of(Kind.OUTPUT) == data[:cap]
    digests = [digest_of(frame) for kind, _, frame in tape.frames if kind is Kind.DIGEST]
    rest = hashlib.sha256(data[cap:]).digest()
    assert [tuple(digest) for digest in digests] == [(size - cap, rest)] * 2
    assert sorted(tape.notes()) == [
        f"input beyond the cap: {size - cap} bytes",
        f"output beyond the cap: {size - cap} bytes",
    ]


async def test_a_terminal_has_type_banner_and_is_recorded_whole(place):
    place.desk.bulk_cap = 1
    done = await place.run(place.ssh("alice+db1", "-tt"), b"hello\nexit\n")
    assert done.status == 5
    assert b"shell xterm-256color" in done.out
    assert "breakglass: PRODUCTION  db1  until" in done.err
    await given_back(place)
    tape = place.desk.tapes[0]
    assert tape.of(Kind.OUTPUT) == done.out
    assert tape.of(Kind.INPUT) == b"hello\nexit\n"
    assert any(note.startswith("PRODUCTION") for note in tape.notes())
    assert Kind.DIGEST not in [kind for kind, _, _ in tape.frames]


async def test_resizing_a_terminal(place):
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    os.set_blocking(outer, False)
    process = await asyncio.create_subprocess_exec(
        *place.ssh("alice+db1", "-tt"), stdin=inner, stdout=inner, stderr=inner, env={"TERM": "xterm", **os.environ}
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

    await see(b"100x30 modes=True")
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
    process.send_signal(signal.SIGWINCH)
    await see(b"now 132x50")
    os.write(outer, b"exit\r")
    assert await process.wait() == 5
    os.close(outer)
    os.close(inner)
    tape = place.desk.tapes[0]
    assert [tuple(resize_of(data)) for kind, _, data in tape.frames if kind is Kind.RESIZE] == [(100, 30), (132, 50)]


async def test_sftp(place, tmp_path):
    source, up, down = tmp_path / "source", tmp_path / "up", tmp_path / "down"
    source.write_bytes(os.urandom(3_000_000))
    batch = f"put {source} {up}\nget {up} {down}\n".encode()
    argv = ["sftp", *place.options(), "-b", "-", "-P", str(place.door.port), "alice+db1@127.0.0.1"]
    assert (await place.run(argv, batch)).status == 0
    assert down.read_bytes() == source.read_bytes()
    await given_back(place)
    assert place.desk.tapes[0].of(Kind.SUBSYSTEM) == b"sftp"


async def test_a_uri_whose_plus_became_a_space(place):
    argv = ["ssh", *place.options(), f"ssh://alice+db1@127.0.0.1:{place.door.port}", "exit 3"]
    assert (await place.run(argv)).status == 3


async def test_only_the_language_passes_of_the_environment(place):
    done = await place.run(place.ssh("alice+db1", "-oSendEnv=LANG", "-oSetEnv=LC_TIME=C SECRET=x", "env"))
    assert done.out == b"{'LANG': 'C.UTF-8', 'LC_TIME': 'C'}" or done.out == b"{'LC_TIME': 'C', 'LANG': 'C.UTF-8'}"
    await given_back(place)
    assert "refused: environment SECRET" in place.desk.tapes[0].notes()


async def test_what_is_typed_before_the_target_is_there_is_not_lost(place):
    place.desk.waits = asyncio.Event()
    process = await place.begin(place.ssh("alice+db1", "cat"))
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(b"early " * 50_000)
    process.stdin.write_eof()
    assert await process.stderr.readline() == b"breakglass: Waiting for an approval: code 4711.\n"
    await asyncio.sleep(0.1)
    place.desk.waits.set()
    out, _ = await process.communicate()
    assert out == b"early " * 50_000
    assert process.returncode == 0


async def test_who_leaves_while_waiting_is_forgotten(place):
    place.desk.waits = asyncio.Event()
    process = await place.begin(place.ssh("alice+db1", "cat"))
    assert process.stderr is not None
    await process.stderr.readline()
    process.kill()
    await process.wait()
    await until(lambda: place.desk.cancelled)


async def test_many_channels_share_one_session(place, tmp_path):
    socket = tmp_path / "mux"
    master = await place.begin(place.ssh("alice+db1", "-oControlMaster=yes", f"-oControlPath={socket}", "hang"))
    assert master.stdout is not None
    assert await master.stdout.readline() == b"hanging\n"
    through = f"-oControlPath={socket}"
    results = await asyncio.gather(*(place.run(place.ssh("alice+db1", through, f"exit {n}")) for n in range(1, 6)))
    assert [done.status for done in results] == [1, 2, 3, 4, 5]
    assert len(place.desk.asked) == 1
    assert len(place.target.connections) == 1
    assert {channel for _, channel, _ in place.desk.tapes[0].frames} == {1, 2, 3, 4, 5, 6}
    master.terminate()
    await master.wait()
    await given_back(place)


async def test_twenty_at_a_time(place):
    results = await asyncio.gather(
        *(place.run(place.ssh("alice+db1", "cat"), f"person {n} ".encode() * 10_000) for n in range(20))
    )
    assert [done.out for done in results] == [f"person {n} ".encode() * 10_000 for n in range(20)]
    await given_back(place, 20)
    assert not place.door.strangers


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Forbidden("No grant of yours is open for db1.", what_to_do="ssh gate request db1"), Exit.REFUSED),
        (TooMany("Too many sessions.", what_to_do="Close one."), Exit.TOO_MANY),
    ],
)
async def test_a_refusal_says_why_and_what_to_do(place, error, status):
    place.desk.refusal = error
    done = await place.run(place.ssh("alice+db1", "exit 0"))
    assert done.status == status
    assert done.err == f"breakglass: {error.message}\nbreakglass: What to do: {error.what_to_do}\n"


async def test_what_the_policy_does_not_allow(place):
    place.desk.permissions = frozenset({Permission.SHELL})
    done = await place.run(place.ssh("alice+db1", "exit 0"))
    assert (done.status, done.out) == (Exit.REFUSED, b"")
    assert "does not allow exec sessions" in done.err
    await given_back(place)
    assert any("does not allow exec" in note for note in place.desk.tapes[0].notes())


async def test_a_subsystem_that_is_none_of_ours(place):
    done = await place.run(place.ssh("alice+db1", "-s", "netconf"))
    assert done.status == 255
    assert not place.desk.asked


async def test_a_refused_connection_asks_anew_for_its_next_channel(place, tmp_path):
    mux = f"-oControlPath={tmp_path / 'mux'}"
    place.desk.refusal = Forbidden("Not yet.", what_to_do="Wait.")
    master = await place.begin(place.ssh("alice+db1", "-oControlMaster=yes", mux, "-oControlPersist=60", "exit 0"))
    assert master.stderr is not None
    async with asyncio.timeout(5):
        assert b"Not yet." in await master.stderr.readline()
    await until((tmp_path / "mux").exists)
    place.desk.refusal = None
    assert (await place.run(place.ssh("alice+db1", mux, "exit 3"))).status == 3
    await place.run(place.ssh("alice+db1", mux, "-Oexit"))
    await master.communicate()
    assert len(place.desk.asked) == 2
