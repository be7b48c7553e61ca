"""The apprise channel on real servers on loopback: an HTTP one and an SMTP one, up, down, slow and unwilling."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from breakglass.errors import Unavailable
from breakglass.plugin_api.notifier import Alert, Notifier, Severity
from breakglass.plugins.apprise_notifier import notifier, plugin

TOKEN = "t0ken-that-nobody-may-see"
ALERT = Alert(
    id="dep_1/17",
    kind="request.made",
    about="req_1",
    severity=Severity.CRITICAL,
    title="Alice asks for root on db1 {{ app }}",
    body="First line: <b>&amp; *this*\nSecond line :smile: \\n",
    at=datetime(2026, 1, 1, tzinfo=UTC),
)
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[int]:
    async def safe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(safe, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def http(answer: bytes, got: list[bytes]) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        got.append(await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b"")
        writer.write(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    return serve


def opened(address: str) -> Notifier:
    found = plugin().open(address)
    assert found is not None
    return found


async def test_an_alert_arrives_as_it_was_said() -> None:
    got: list[bytes] = []
    async with server(http(b"200 OK", got)) as port:
        await opened(f"json://127.0.0.1:{port}/{TOKEN}").send(ALERT)
    [body] = got
    said = json.loads(body)
    assert said["title"] == ALERT.title
    assert said["message"] == ALERT.body
    assert said["type"] == "failure"


async def test_by_mail() -> None:
    got: list[bytes] = []

    async def smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 loopback ESMTP\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                got.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            elif word == b"QUIT":
                writer.write(b"221 bye\r\n")
                return
            else:
                writer.write(b"250 fine\r\n")

    async with server(smtp) as port:
        address = f"mailto://localhost:{port}?smtp=127.0.0.1&from=gate@example.org&to=duty@example.org&format=text"
        await opened(address).send(ALERT)
    [mail] = got
    assert b"Alice asks for root on db1" in mail
    assert b"duty@example.org" in mail


@pytest.mark.parametrize("answer", [b"500 no", b"401 who", b"302 Found\r\nLocation: http://127.0.0.1:1/"])
async def test_what_was_not_taken_is_told(answer: bytes) -> None:
    async with server(http(answer, [])) as port:
        with pytest.raises(Unavailable):
            await opened(f"json://127.0.0.1:{port}/{TOKEN}").send(ALERT)


async def test_one_of_two_services_at_an_address_is_not_enough() -> None:
    async with server(http(b"200 OK", [])) as port:
        with pytest.raises(Unavailable):
            await opened(f"json://127.0.0.1:{port}/, json://127.0.0.1:1/").send(ALERT)


async def test_a_channel_that_is_down_shows_nothing_of_its_address(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as down:
        await opened(f"json://user:{TOKEN}@127.0.0.1:1/{TOKEN}?-apikey={TOKEN}").send(ALERT)
    error: BaseException | None = down.value
    while error is not None:
        assert TOKEN not in repr(error)
        error = error.__cause__ or error.__context__
    out, err = capfd.readouterr()
    assert TOKEN not in caplog.text + out + err


async def test_a_channel_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "WITHIN", 0.3)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(silent) as port:
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await opened(f"json://127.0.0.1:{port}/?rto=1&cto=1").send(ALERT)


@pytest.mark.parametrize(
    "address", ["", " ", "nonsense", "nobody://knows", "slack://", "file:///etc/passwd", "http://[::", "json://", "\0"]
)
def test_what_is_no_address_is_known_at_once(address: str) -> None:
    assert plugin().open(address) is None
