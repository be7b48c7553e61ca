"""Recordings against the log's heads: whole ones pass, everything that is missing, changed or too much is named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.codec.frames import Kind
from breakglass.codec.recording import Head, Header, Sealer
from breakglass.model.recording import State
from tests.audit.kit import World


def container(path: Path, stream: str, session: str = "ses_one") -> list[Head]:
    """A real container of four chunks and an END; returns the heads after each."""
    sealer = Sealer(Header(session=session, stream=stream, created_at_ms=1, wrapped_key=b"w"), b"k" * 32)
    data, heads = sealer.header, []
    for n in range(4):
        sealer.frame(n, Kind.OUTPUT, 1, f"line {n} of the {stream}\r\n".encode())
        data += sealer.chunk() or b""
        heads.append(sealer.head)
    data += sealer.end(9, "they left")
    heads.append(sealer.head)
    path.write_bytes(data)
    return heads


def told(folder: Path, state: State, logged: Callable[[list[Head]], list[Head]] = lambda heads: heads[1:]) -> World:
    """A world whose log names these heads of the screen's container in `folder`."""
    heads = container(folder / "rec_one.screen", "screen")
    container(folder / "rec_one.keys", "keys")
    world = World(folder / "log.db")
    world.deposit()
    id = world.ask("req_one")
    world.approve(id, "bo")
    world.approve(id, "cy")
    world.open_grant(world.token(id, "grt_one"))
    world.use("ses_one", "rec_one", [(one.seq, one.hash.hex(), one.bytes) for one in logged(heads)], state)
    world.stop()
    return world


def check(world: World) -> Report:
    return verify(world.url, pin=world.pin, recordings=world.path.parent)


def test_a_whole_recording_holds(tmp_path: Path) -> None:
    report = check(told(tmp_path, State.COMPLETE))
    assert report.ok, report.in_words()
    assert report.recordings == 1


def test_a_recording_that_goes_on_or_was_cut_by_a_crash_holds(tmp_path: Path) -> None:
    running = told(tmp_path, State.OPEN, lambda heads: [*heads[:2], heads[2]])
    assert check(running).ok
    (tmp_path / "log.db").unlink()
    torn = told(tmp_path, State.TRUNCATED, lambda heads: heads[:3])
    screen = tmp_path / "rec_one.screen"
    heads = container(screen, "screen")
    screen.write_bytes(screen.read_bytes()[: heads[2].bytes + 10])
    assert check(torn).ok
    screen.write_bytes(screen.read_bytes()[: heads[1].bytes])
    assert not check(torn).ok
    container(screen, "screen")
    assert "goes on after chunk 3" in check(torn).findings[0].words


def test_a_session_that_never_opened_needs_no_recording(tmp_path: Path) -> None:
    world = told(tmp_path, State.TRUNCATED, lambda heads: [Head(seq=0, hash=b"", bytes=0, ended=False)])
    for stream in ("screen", "keys"):
        (tmp_path / f"rec_one.{stream}").unlink()
    assert check(world).ok


def edit(data: bytes, heads: list[Head]) -> bytes:
    place = heads[1].bytes + 60
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


DAMAGE: dict[str, Callable[[bytes, list[Head]], bytes]] = {
    "cut at a chunk": lambda data, heads: data[: heads[2].bytes],
    "cut within": lambda data, heads: data[:-7],
    "edited": edit,
    "dropped": lambda data, heads: data[: heads[1].bytes] + data[heads[2].bytes :],
    "swapped": lambda data, heads: (
        data[: heads[0].bytes]
        + data[heads[1].bytes : heads[2].bytes]
        + data[heads[0].bytes : heads[1].bytes]
        + data[heads[2].bytes :]
    ),
    "more behind": lambda data, heads: data + b"x",
    "empty": lambda data, heads: b"",
    "something else": lambda data, heads: b"hello" * 100,
}


@pytest.mark.parametrize("stream", ["screen", "keys"])
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str, stream: str) -> None:
    world = told(tmp_path, State.COMPLETE)
    path = tmp_path / f"rec_one.{stream}"
    heads = container(path, stream)
    path.write_bytes(DAMAGE[name](path.read_bytes(), heads))
    [found] = check(world).findings
    assert (found.level, found.where) == ("recording", f"recording rec_one.{stream}")


@pytest.mark.parametrize("stream", ["screen", "keys"])
def test_a_missing_file_is_named(tmp_path: Path, stream: str) -> None:
    world = told(tmp_path, State.COMPLETE)
    (tmp_path / f"rec_one.{stream}").unlink()
    [found] = check(world).findings
    assert "missing" in found.words


def test_another_recording_in_its_place(tmp_path: Path) -> None:
    """A whole, well-formed container, made by somebody who knows the public key: but not the one that the log names."""
    world = told(tmp_path, State.COMPLETE)
    path = tmp_path / "rec_one.screen"
    sealer = Sealer(Header(session="ses_one", stream="screen", created_at_ms=1, wrapped_key=b"w"), b"m" * 32)
    sealer.frame(0, Kind.OUTPUT, 1, b"nothing happened\r\n")
    path.write_bytes(sealer.header + (sealer.chunk() or b"") + sealer.end(9, "they left"))
    assert not check(world).ok
    container(path, "screen", session="ses_two")
    assert "another session" in check(world).findings[0].words
    container(path, "keys")
    assert "another session" in check(world).findings[0].words


def test_a_head_in_the_log_that_never_was(tmp_path: Path) -> None:
    def bent(heads: list[Head]) -> list[Head]:
        return [Head(seq=2, hash=b"x" * 32, bytes=heads[1].bytes, ended=False), *heads[2:]]

    assert not check(told(tmp_path, State.COMPLETE, bent)).ok
