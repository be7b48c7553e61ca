"""The person's side of a browser's terminal, without a browser: what is held back, what is told, and what ends it."""

import asyncio
import json
from typing import Any

import pytest

from breakglass.errors import Malformed
from breakglass.gateway.browser import HELD_MAX, MESSAGE_MAX, ON_THE_WAY_MAX, Screen, first_message


class Wire:
    """A socket whose other end is the test."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self.sent: list[bytes | str] = []
        self.closed = False

    async def receive(self) -> bytes | str | None:
        return await self.coming.get()

    async def send(self, message: bytes | str) -> None:
        self.sent.append(message)

    async def close(self) -> None:
        self.closed = True

    async def gone(self) -> str:
        await asyncio.Event().wait()
        return ""


class Session:
    """A relay's near side that takes everything down."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.full = self.lost = False
        self.size: tuple[int, int] = (0, 0)

    def connection_made(self, screen: Screen) -> None: ...
    def pty_requested(self, *_: Any) -> None: ...
    def shell_requested(self) -> None: ...
    def session_started(self) -> None: ...
    def data_received(self, data: bytes, datatype: None) -> None:
        self.got.append(data)

    def terminal_size_changed(self, cols: int, rows: int, *_: int) -> None:
        self.size = cols, rows

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False

    def connection_lost(self, _: None) -> None:
        self.lost = True


def screen() -> tuple[Screen, Wire, Session]:
    wire, session = Wire(), Session()
    made = Screen(wire, (80, 24))
    made.join(session)  # type: ignore[arg-type]
    return made, wire, session


async def test_who_leaves_while_the_target_takes_nothing_is_gone() -> None:
    """The socket is read also while nothing that was typed may go on: its end is seen."""
    made, wire, session = screen()
    made.pause_reading()
    for message in (b"typed", '{"size": [100, 30]}', None):
        wire.coming.put_nowait(message)
    async with asyncio.timeout(1):
        await made.read_all()
    assert session.got == []
    assert session.size == (100, 30)


async def test_what_was_held_goes_on_in_order_and_is_told() -> None:
    made, wire, session = screen()
    reading, sending = asyncio.create_task(made.read_all()), asyncio.create_task(made.send_all())
    made.pause_reading()
    for message in (b"one", b"two"):
        wire.coming.put_nowait(message)
    await asyncio.sleep(0.01)
    assert (session.got, wire.sent) == ([], [])
    made.resume_reading()
    await asyncio.sleep(0.01)
    assert session.got == [b"one", b"two"]
    assert [json.loads(one) for one in wire.sent] == [{"took": 3}, {"took": 3}]
    wire.coming.put_nowait(None)
    await reading
    sending.cancel()


async def test_no_more_is_held_than_a_page_of_ours_sends() -> None:
    made, wire, _ = screen()
    made.pause_reading()
    for _ in range(HELD_MAX // MESSAGE_MAX + 1):
        wire.coming.put_nowait(bytes(MESSAGE_MAX))
    with pytest.raises(Malformed, match="has not taken"):
        await made.read_all()


async def test_the_target_waits_for_what_is_shown() -> None:
    made, wire, session = screen()
    sending = asyncio.create_task(made.send_all())
    made.write(bytes(ON_THE_WAY_MAX + 1))
    assert session.full
    await asyncio.sleep(0.01)
    assert session.full  # sent is not shown
    wire.coming.put_nowait(json.dumps({"shown": ON_THE_WAY_MAX}))
    wire.coming.put_nowait(None)
    await made.read_all()
    assert not session.full
    sending.cancel()


async def test_a_cut_needs_nobody_who_reads() -> None:
    made, _, session = screen()
    made.write(bytes(ON_THE_WAY_MAX))
    made.disconnect(11, "ended")
    async with asyncio.timeout(1):
        await made.wait_closed()
    assert session.lost
    assert made.is_closing()


@pytest.mark.parametrize(
    "first", [None, b"x", "", "{}", '{"ticket": "t"}', '{"ticket": "t", "size": [0, 1]}', "[" * 2000]
)
def test_a_first_message_that_is_none(first: Any) -> None:
    with pytest.raises(Malformed):
        first_message(first)
