"""Every way in which a session ends: within a second, on both sides, with its reason, and nothing passes afterwards."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta

import pytest

from breakglass.codec.frames import Kind
from breakglass.gateway.limits import Limits
from breakglass.gateway.words import Exit
from tests.gateway.rig import Rig, Tape, rig, until
from tests.gateway.test_session import given_back

pytestmark = pytest.mark.slow  # each waits for a real clock


@pytest.fixture
async def place(tmp_path):
    async with rig(tmp_path) as made:
        yield made


async def begun(place: Rig, *words: str) -> asyncio.subprocess.Process:
    """A session that runs `words`, and has said its first line."""
    process = await place.begin(place.ssh("alice+db1", *words))
    assert process.stdout is not None
    async with asyncio.timeout(10):
        await process.stdout.readline()
    return process


async def both_sides_gone(place: Rig, within: float = 1.0) -> None:
    async with asyncio.timeout(within):
        await place.desk.given_back.wait()
        await place.target.lost.wait()
        await place.desk.upstreams[0].wait_closed()
    await until(lambda: not place.door._guests, 0.5)


async def test_a_kill_is_told_and_cuts_both_sides(place):
    process = await begun(place, "hang")
    place.desk.orders[0].end("ended by carol")
    await both_sides_gone(place)
    _, err = await process.communicate()
    assert process.returncode == Exit.ENDED
    assert err == b"breakglass: This session was ended: ended by carol.\n"
    assert place.desk.reasons == ["ended by carol"]
    assert place.desk.tapes[0].notes()[-1] == "This session was ended: ended by carol."


@pytest.mark.parametrize("command", ["flood", "hang"])
async def test_a_kill_cuts_who_has_stopped_reading(place, command):
    process = await begun(place, "hang") if command == "hang" else await place.begin(place.ssh("alice+db1", "flood"))
    await until(lambda: place.desk.tapes and place.desk.tapes[0].of(Kind.OUTPUT))
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.5)
    place.desk.orders[0].end("ended by carol")
    await both_sides_gone(place)
    process.kill()
    await process.communicate()


async def test_who_has_stopped_reading_stops_the_target_too(place):
    place.desk.bulk_cap = 1 << 40
    process = await place.begin(place.ssh("alice+db1", "flood"))
    await until(lambda: place.desk.tapes and place.desk.tapes[0].of(Kind.OUTPUT))
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.7)
    before = len(place.desk.tapes[0].of(Kind.OUTPUT))
    await asyncio.sleep(0.3)
    assert len(place.desk.tapes[0].of(Kind.OUTPUT)) == before
    process.kill()
    await process.communicate()
    await both_sides_gone(place, within=3)


async def test_the_clock_ends_it_without_an_order(place):
    place.desk.last_for = 0.8
    process = await begun(place, "hang")
    _, err = await process.communicate()
    assert process.returncode == Exit.ENDED
    assert b"its time is over" in err
    await both_sides_gone(place)
    assert place.desk.reasons == ["its time is over"]


async def test_warnings_come_before_the_end_in_terminals_only(tmp_path):
    async with rig(tmp_path, limits=Limits(warn_before=(1.4, 0.7))) as place:
        place.desk.last_for = 2.2
        terminal, stream = await begun(place, "-tt"), await begun(place, "hang")
        _, said = await terminal.communicate()
        _, quiet = await stream.communicate()
        assert said.count(b"This session ends in 1 seconds") == 2
        assert b"ends in" not in quiet
        assert terminal.returncode == stream.returncode == Exit.ENDED


async def test_an_extension_moves_the_end_without_disconnecting(place):
    place.desk.last_for = 0.8
    process = await begun(place, "-tt")
    place.desk.orders[0].extend(datetime.now(UTC) + timedelta(seconds=60))
    await asyncio.sleep(1.0)
    assert place.desk.reasons == []
    place.desk.orders[0].extend(datetime.now(UTC) + timedelta(seconds=0.1))
    _, err = await process.communicate()
    assert err.count(b"This session now ends at") == 2
    assert b"its time is over" in err


async def test_a_pause_lets_nothing_pass(place):
    process = await begun(place, "-tt")
    assert process.stdin is not None
    assert process.stdout is not None
    place.desk.orders[0].pause()
    await asyncio.sleep(0.1)
    process.stdin.write(b"while paused\n")
    await asyncio.sleep(0.3)
    assert b"while paused" not in place.desk.tapes[0].of(Kind.INPUT)
    place.desk.orders[0].resume()
    async with asyncio.timeout(5):
        assert b"while paused" in await process.stdout.readline()
    process.stdin.write(b"exit\n")
    _, err = await process.communicate()
    assert process.returncode == 5
    assert b"is paused" in err
    assert b"goes on" in err


async def test_a_channel_that_is_opened_while_paused_waits_too(place, tmp_path):
    mux = f"-oControlPath={tmp_path / 'mux'}"
    master = await begun(place, "-oControlMaster=yes", mux, "hang")
    place.desk.orders[0].pause()
    second = await place.begin(place.ssh("alice+db1", mux, "exit 4"))
    await asyncio.sleep(0.4)
    assert second.returncode is None
    place.desk.orders[0].resume()
    out, _ = await second.communicate()
    assert out == b"out\n"
    assert await second.wait() == 4
    master.terminate()
    await master.communicate()


@pytest.mark.parametrize("kind", [Kind.INPUT, Kind.OUTPUT, Kind.EXEC, Kind.OPEN])
async def test_what_is_not_recorded_does_not_pass_and_ends_the_session(place, kind):
    tape = place.desk.prepared = Tape()
    tape.fails_at = kind
    done = await place.run(place.ssh("alice+db1", "cat"), b"never seen")
    assert done.status == Exit.ENDED
    assert done.out == b""
    assert done.err == "breakglass: This session was ended: it could not be recorded: The disk is full.\n"
    await both_sides_gone(place)
    assert place.target.received == 0
    assert place.desk.reasons == ["it could not be recorded: The disk is full."]


async def test_a_slow_recorder_stops_reading_and_loses_nothing(place):
    tape = place.desk.prepared = Tape()
    place.desk.bulk_cap = 1 << 40
    tape.behind = True
    process = await place.begin(place.ssh("alice+db1", "give 20971520"))
    await until(lambda: tape.waits)
    await asyncio.sleep(0.5)
    held = len(tape.of(Kind.OUTPUT))
    await asyncio.sleep(0.3)
    assert len(tape.of(Kind.OUTPUT)) == held < 1 << 20
    tape.go.set()
    out, _ = await process.communicate()
    assert len(out) == 20971520
    await given_back(place)
    assert tape.of(Kind.OUTPUT) == out


async def test_the_target_dies_under_the_session(place):
    process = await begun(place, "hang")
    place.target.connections[0].abort()
    _, err = await process.communicate()
    assert process.returncode == Exit.TARGET_LOST
    assert b"The connection to the target was lost." in err
    await both_sides_gone(place)
    assert place.desk.reasons == ["the target closed the connection"]


async def test_the_person_leaves_and_the_target_is_left(place):
    process = await begun(place, "hang")
    process.kill()
    await process.wait()
    await both_sides_gone(place)
    assert place.desk.reasons == ["the person left"]


async def test_a_mux_without_channels_is_cut_as_well(place, tmp_path):
    mux = f"-oControlPath={tmp_path / 'mux'}"
    master = await place.begin(place.ssh("alice+db1", "-oControlMaster=yes", mux, "-oControlPersist=60", "exit 0"))
    await until(lambda: Kind.CLOSE in [kind for tape in place.desk.tapes for kind, _, _ in tape.frames])
    assert place.desk.reasons == []
    place.desk.orders[0].end("ended by carol")
    await both_sides_gone(place)
    await master.communicate()
