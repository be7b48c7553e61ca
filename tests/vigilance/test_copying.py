"""Checkpoints go elsewhere, at a constant cadence: to a real HTTPS service, a TLS collector and a mail relay."""

import asyncio
import json
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit import evidence
from breakglass.audit.verify import verify
from breakglass.errors import Malformed, Unavailable
from breakglass.storage import outbox
from breakglass.vigilance import copying, outside, sinks
from breakglass.vigilance.copying import Copying
from breakglass.vigilance.sinks import Copy, Sink, sink
from breakglass.vigilance.syslog_line import Collector
from tests.kit import Town
from tests.servers.keeper import running_relay, running_service
from tests.servers.tls import Certified, certified
from tests.template import free_port
from tests.vigilance.test_siem import Listener, pem

COPY = Copy(checkpoint="log.example.org\n1\nroot\n\n— log.example.org c2ln\n".encode(), size=1, at=datetime.now(UTC))


@pytest.fixture
def tls(tmp_path: Path) -> Certified:
    (tmp_path / "tls").mkdir()
    found = certified(tmp_path / "tls")
    pem(found.authority, tmp_path / "ca.pem")
    return found


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path) as town:
        yield town


def place(address: str, tmp_path: Path) -> Sink:
    return sink(address, str(tmp_path / "ca.pem"), node="node1")


async def kinds(town: Town) -> list[str]:
    return [(await town.store.read(outbox.told, n)).kind for n in range(town.log.size)]


async def test_every_minute_whether_the_log_grew_or_not(town: Town, tls: Certified, tmp_path: Path) -> None:
    with running_service(tls) as posted:
        worker = Copying(town.store, place(f"https://127.0.0.1:{posted.port}/keep", tmp_path))
        size = town.log.size
        assert await worker.once() == 50
        assert 0 < await worker.once() <= 50  # also another node's
        assert len(posted.bodies) == 1
        town.clock.go(seconds=51)
        await worker.once()
        assert posted.bodies == [await town.store.read(evidence.newest_checkpoint)] * 2
        assert town.log.size == size, "a copy is no entry"
        await town.ask()
        town.clock.go(seconds=51)
        await worker.once()
        newest = posted.bodies[-1]
        assert newest != posted.bodies[0]
    report = verify(f"sqlite:///{town.folder / 'breakglass.db'}", pin=town.settings.roster_pin, outside=[newest])
    assert report.ok, report.in_words()


async def test_a_place_that_is_away_is_told_once_and_again_when_it_is_back(
    town: Town, tls: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "FIRST_PAUSE", 0.01)
    with running_service(tls) as posted:
        posted.status = 500
        worker = Copying(town.store, place(f"https://127.0.0.1:{posted.port}/keep", tmp_path))
        task = asyncio.create_task(worker.work())
        try:
            async with asyncio.timeout(20):
                while len(posted.bodies) < outside.TOLD_AFTER + 2 or "copy.waits" not in await kinds(town):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)  # another thread's list rings no bell
                posted.status = 204
                while "copy.runs" not in await kinds(town):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert (await kinds(town)).count("copy.waits") == 1
    [told] = [one for n in range(town.log.size) if (one := await town.store.read(outbox.told, n)).kind == "copy.waits"]
    assert told.about == f"webhook 127.0.0.1:{posted.port}"


async def test_a_webhook_whose_certificate_does_not_hold(tls: Certified, tmp_path: Path) -> None:
    with running_service(tls) as posted:
        with pytest.raises(Unavailable):
            await sink(f"https://127.0.0.1:{posted.port}/", "", node="node1").take(COPY)
        assert posted.bodies == []


async def test_a_webhook_that_does_not_answer(tls: Certified, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "WITHIN", 0.2)
    silent = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            await place(f"https://127.0.0.1:{port}/", tmp_path).take(COPY)


async def test_syslog_has_the_note_to_the_byte(tls: Certified, tmp_path: Path) -> None:
    listener = Listener(tls)
    await listener.start()
    collector = place(f"tls://127.0.0.1:{listener.port}", tmp_path)
    try:
        await collector.take(COPY)
        async with asyncio.timeout(10):
            while not listener.messages:  # noqa: ASYNC110 (another task's list rings no bell)
                await asyncio.sleep(0.01)
        [message] = listener.messages
        head, _, text = message.partition(b"] ")
        assert b' checkpoint [breakglass@32473 size="1"' in head
        assert json.loads(text)["checkpoint"].encode() == COPY.checkpoint
    finally:
        await listener.stop()
    with pytest.raises(Unavailable):
        await place(f"tls://127.0.0.1:{free_port()}", tmp_path).take(COPY)


@pytest.mark.parametrize("secured", [True, False], ids=["starttls", "plain"])
async def test_a_mail_has_it_in_its_text_and_as_a_file(tls: Certified, tmp_path: Path, secured: bool) -> None:
    with running_relay(tmp_path / "mail", tls if secured else None) as relay:
        address = f"smtp://127.0.0.1:{relay.port}/audit@example.org,board@example.org"
        mail = place(address, tmp_path)
        assert mail.name == "mail audit@example.org, board@example.org"
        assert mail.every.days == 1
        await mail.take(COPY)
        [letter] = relay.letters()
        assert letter["To"] == "audit@example.org, board@example.org"
        assert letter["Subject"] == "Breakglass: the log has 1 entries"
        [file] = letter.iter_attachments()
        assert file.get_filename() == "1.checkpoint"
        assert file.get_content() == COPY.checkpoint
        body = letter.get_body()
        assert body is not None
        assert COPY.checkpoint.decode() in body.get_content()
        if secured:
            with pytest.raises(Unavailable):
                await sink(address, "", node="node1").take(COPY)
        else:
            login = place(f"smtp://somebody:secret-word@127.0.0.1:{relay.port}/audit@example.org", tmp_path)
            assert "secret-word" not in login.name
            with pytest.raises(Unavailable, match="not sent without") as refused:
                await login.take(COPY)
            assert "secret-word" not in str(refused.value)
    with pytest.raises(Unavailable):
        await mail.take(COPY)


@pytest.mark.parametrize(
    "address",
    ["", "x", "http://a.example/", "https://", "tls://a", "tls://a:0", "smtp://relay", "smtp://relay/nobody",
     "smtp://relay/a@b\nBcc: c@d", "ftp://a/b", "https://a:99999/", "https://user:secret-word@",
     "tls://user:secret-word@a.example:6514", "tls://a.example:6514/secret-word", "tls://a.example:6514?t=secret-word",
     "tls://a..b:1", "smtp://a..b/x@y.example", f"https://{'a' * 64}.example/", "smtp://u:secret-word@relay/nobody"],
)  # fmt: skip
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(Malformed) as refused:
        sink(address, "", node="node1")
    assert "secret-word" not in refused.value.message


@pytest.mark.parametrize("setting", ["siem", "checkpoint_copies"])
def test_a_collectors_address_is_never_repeated(setting: str) -> None:
    with pytest.raises(Malformed, match=f"`{setting}`") as refused:
        Collector.of("tls://user:secret-word@a.example:6514", "", setting=setting)
    assert "secret-word" not in refused.value.message


def test_two_places_of_one_name() -> None:
    """They would share a row, and each get half of its copies."""
    for second in ("https://h.example/b", "https://h.example/a", "https://h.example:443/c"):
        with pytest.raises(Malformed, match="twice"):
            copying.sinks(["https://h.example/a", second], "", node="node1")
    found = copying.sinks(["https://h.example/a", "https://h.example:8443/a", "tls://h.example:6514"], "", node="node1")
    assert [one.name for one in found] == ["webhook h.example", "webhook h.example:8443", "syslog h.example"]


async def test_nothing_stays_open_when_the_node_stops(town: Town, tls: Certified, tmp_path: Path) -> None:
    listener = Listener(tls)
    await listener.start()
    collector: Any = place(f"tls://127.0.0.1:{listener.port}", tmp_path)
    task = asyncio.create_task(Copying(town.store, collector).work())
    try:
        async with asyncio.timeout(10):
            while not listener.messages:  # noqa: ASYNC110 (another task's list rings no bell)
                await asyncio.sleep(0.01)
        writer = collector._line._writer
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert writer.is_closing()
    finally:
        await listener.stop()


async def test_a_host_that_is_nowhere_is_told_and_stops_nobody(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "FIRST_PAUSE", 0.01)
    task = asyncio.create_task(Copying(town.store, sink("tls://nowhere.invalid:1", "", node="node1")).work())
    try:
        async with asyncio.timeout(20):
            while "copy.waits" not in await kinds(town):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_relay_that_drips_holds_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "WITHIN", 0.2)
    done = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not done.is_set():
                writer.write(b"2")  # a greeting that never ends, and never times out
                await writer.drain()
                await asyncio.sleep(0.05)
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server:
        mail = sink(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}/a@b.example", "", node="node1")
        before = threading.active_count()
        with pytest.raises(Unavailable):
            await mail.take(COPY)
        for _ in range(5):
            with pytest.raises(Unavailable, match="still on its way"):
                await mail.take(COPY)
        assert threading.active_count() <= before + 2
        done.set()


async def test_what_was_sent_must_be_what_is_stored(town: Town, tls: Certified, tmp_path: Path) -> None:
    with running_service(tls) as posted:
        await Copying(town.store, place(f"https://127.0.0.1:{posted.port}/", tmp_path)).once()
    database = town.folder / "breakglass.db"

    def words() -> str:
        report = verify(f"sqlite:///{database}", pin=town.settings.roster_pin)
        return " ".join(f"{one.where}: {one.words}" for one in report.findings if one.level == "anchor")

    assert words() == ""
    with closing(sqlite3.connect(database, timeout=10)) as rows:
        rows.execute("UPDATE anchor SET receipt = receipt || 'x'")
        rows.commit()
    assert f"checkpoint for webhook 127.0.0.1:{posted.port}" in words()
    assert "another one" in words()
    with closing(sqlite3.connect(database, timeout=10)) as rows:
        rows.execute("DELETE FROM checkpoint WHERE size = (SELECT size FROM anchor)")
        rows.commit()
    assert "is gone" in words()


def test_a_file_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for address in ("https://a.example/", "tls://a.example:6514", "smtp://a.example/a@b.example"):
        with pytest.raises(Malformed):
            sink(address, str(tmp_path / "none.pem"), node="node1")
