"""The log's copy in a SIEM: a collector's real TLS, bad certificates, broken lines, and a real rsyslogd."""

import asyncio
import json
import os
import re
import signal
import ssl
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit.evidence import leaves_from
from breakglass.errors import Malformed
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.vigilance.siem import Siem
from breakglass.vigilance.syslog_line import Collector
from tests.kit import Town
from tests.servers.tls import Certified, certified, other_pin


def pem(pin: str, path: Path) -> Path:
    path.write_text(ssl.DER_cert_to_PEM_cert(b64decode(pin.removeprefix("x509 "))))
    return path


class Listener:
    """A collector: takes frames apart by their lengths."""

    def __init__(self, tls: Certified) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(tls.certificate, tls.key)
        self.messages: list[bytes] = []
        self.break_after = 0
        self.port = 0
        self.server: asyncio.Server | None = None

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._take, "127.0.0.1", self.port, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server:
            self.server.close()
            self.server = None

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while size := await reader.readuntil(b" "):
                self.messages.append(await reader.readexactly(int(size)))
                if self.break_after and len(self.messages) >= self.break_after:
                    self.break_after = 0
                    writer.transport.abort()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path) as town:
        yield town


@pytest.fixture
async def listener(tmp_path: Path) -> AsyncIterator[Listener]:
    (tmp_path / "tls").mkdir()
    tls = certified(tmp_path / "tls")
    pem(tls.authority, tmp_path / "ca.pem")
    listener = Listener(tls)
    await listener.start()
    yield listener
    await listener.stop()


def sender(town: Town, port: int, ca: Path | str, folder: Path) -> Siem:
    collector = Collector.of(f"tls://127.0.0.1:{port}", str(ca))
    return Siem(town.store, town.estate, collector, folder / "siem.json", node="node1")


async def all_of(siem: Siem) -> None:
    while await siem.send_some():
        pass


async def leaves(town: Town) -> list[tuple[int, bytes]]:
    return [(index, leaf) for index, leaf, _ in await town.store.read(leaves_from, 0, 10_000)]


def indexes(messages: list[bytes]) -> list[int]:
    return [json.loads(one[one.index(b"{") :])["metadata"]["sequence"] for one in messages]


async def settled(listener: Listener, count: int) -> None:
    async with asyncio.timeout(10):
        while len(listener.messages) < count:  # noqa: ASYNC110 (another task's list rings no bell)
            await asyncio.sleep(0.01)


async def test_every_entry_goes_out_once_in_order_and_holds_no_token(
    town: Town, listener: Listener, tmp_path: Path
) -> None:
    _, grant = await town.granted()
    session = await town.session()
    await town.close(grant)
    await town.end_session(session)
    siem = sender(town, listener.port, tmp_path / "ca.pem", tmp_path)
    await all_of(siem)
    sent = await leaves(town)
    await settled(listener, len(sent))
    assert indexes(listener.messages) == [index for index, _ in sent]
    events = []
    for one, (index, leaf) in zip(listener.messages, sent, strict=True):
        kind = json.loads(leaf)["kind"]
        shape = re.fullmatch(
            rb"<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z node1 breakglass - (\S+) "
            rb'\[breakglass@32473 deployment="dep_kit" index="(\d+)"\] (\{.*\})',
            one,
        )
        assert shape, one
        assert (shape[2].decode(), int(shape[3])) == (kind[:32], index)
        assert int(shape[1]) // 8 == 13
        event: dict[str, Any] = json.loads(shape[4])
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        events.append(event)
    opened = next(one for one in events if one["metadata"]["event_code"] == "grant.opened")
    assert (opened["class_uid"], opened["user"]["uid"], opened["privileges"]) == (3003, "usr_alice", [grant])
    said = b"".join(listener.messages)
    for secret in (b"breakglass-grant-v1", b"BEGIN SSH SIGNATURE", b"breakglass-statement-v1", b"breakglass-roster-v1"):
        assert secret not in said
    assert not await siem.send_some()
    # A node that starts again goes on where it was.
    await town.store.run(SYSTEM, lambda work: work.note(Fact("vault.sealed", "dep_kit")))
    await all_of(sender(town, listener.port, tmp_path / "ca.pem", tmp_path))
    await settled(listener, len(sent) + 1)
    assert indexes(listener.messages)[-1] == len(sent)


async def test_a_bad_certificate_gets_nothing(town: Town, listener: Listener, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await sender(town, listener.port, pem(other_pin(), tmp_path / "other.pem"), tmp_path).send_some()
    with pytest.raises(ssl.SSLCertVerificationError):  # the system's authorities don't know it either
        await sender(town, listener.port, "", tmp_path).send_some()
    named = Collector.of(f"tls://localhost:{listener.port}", str(tmp_path / "ca.pem"))
    siem = Siem(town.store, town.estate, named, tmp_path / "siem.json", node="node1")
    with pytest.raises(ssl.SSLCertVerificationError, match=r"[Hh]ostname"):
        await siem.send_some()
    assert not listener.messages
    assert not (tmp_path / "siem.json").exists()


@pytest.mark.parametrize(
    "address", ["", "siem:6514", "tcp://siem:6514", "tls://siem", "tls://siem:0", "tls://siem:65536", "tls://a b:1"]
)
def test_only_tls_is_spoken(address: str) -> None:
    with pytest.raises(Malformed):
        Collector.of(address, "")


def test_a_file_without_authorities_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(Malformed):
            Collector.of("tls://127.0.0.1:6514", str(tmp_path / name)).context()


async def test_after_a_broken_line_nothing_is_missing(
    town: Town, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakglass.vigilance.siem.SOME", 5)
    monkeypatch.setattr("breakglass.vigilance.siem.FIRST_PAUSE", 0.02)
    await town.granted()
    listener.break_after = 7
    siem = sender(town, listener.port, tmp_path / "ca.pem", tmp_path)
    work = asyncio.create_task(siem.work(asyncio.Event()))
    count = len(await leaves(town))
    async with asyncio.timeout(10):
        while set(indexes(listener.messages)) < set(range(count)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await listener.stop()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    found = indexes(listener.messages)
    assert sorted(set(found)) == list(range(count))
    firsts = list(dict.fromkeys(found))
    assert firsts == sorted(firsts)  # what came first came in order


async def test_a_collector_that_is_away_is_told_once_and_gets_all_when_it_is_back(
    town: Town, listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("breakglass.vigilance.siem.FIRST_PAUSE", 0.01)
    monkeypatch.setattr("breakglass.vigilance.siem.LONGEST_PAUSE", 0.02)
    await listener.stop()
    siem = sender(town, listener.port, tmp_path / "ca.pem", tmp_path)
    work = asyncio.create_task(siem.work(asyncio.Event()))

    async def kinds() -> list[str]:
        return [json.loads(leaf)["kind"] for _, leaf in await leaves(town)]

    async with asyncio.timeout(10):
        while "siem.waits" not in await kinds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        await listener.start()
        while "siem.runs" not in await kinds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await settled(listener, len(await leaves(town)) - 1)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert (await kinds()).count("siem.waits") == 1


RSYSLOG = """
global(workDirectory="{folder}" DefaultNetstreamDriverCAFile="{folder}/ca.pem"
       DefaultNetstreamDriverCertFile="{certificate}" DefaultNetstreamDriverKeyFile="{key}" maxMessageSize="64k")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="ours" type="string" string="%msgid%\\t%structured-data%\\t%msg%\\n")
ruleset(name="all") {{ action(type="omfile" file="{folder}/all.log" template="ours") }}
input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all")
"""


@pytest.mark.server
async def test_a_real_rsyslogd_takes_them(town: Town, tmp_path: Path, unused_tcp_port: int) -> None:
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    tls = certified(folder)
    pem(tls.authority, folder / "ca.pem")
    conf = folder / "rsyslog.conf"
    conf.write_text(RSYSLOG.format(folder=folder, certificate=tls.certificate, key=tls.key, port=unused_tcp_port))
    command = ["/usr/sbin/rsyslogd", "-n", "-f", str(conf), "-i", str(folder / "pid")]
    server = subprocess.Popen(  # noqa: ASYNC220 (it is ended below)
        command, stdout=subprocess.DEVNULL, stderr=(folder / "err").open("wb")
    )
    try:
        await town.granted()
        siem = sender(town, unused_tcp_port, folder / "ca.pem", tmp_path)
        async with asyncio.timeout(20):
            while True:
                try:
                    await siem.send_some()
                    break
                except OSError:
                    await asyncio.sleep(0.1)
            await all_of(siem)
            sent, log = await leaves(town), folder / "all.log"
            while not log.exists() or log.read_bytes().count(b"\n") < len(sent):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for line, (index, leaf) in zip(log.read_text().splitlines(), sent, strict=True):
            kind, data, event = line.split("\t")
            assert kind == json.loads(leaf)["kind"][:32]
            assert f'index="{index}"' in data
            assert json.loads(event)["metadata"]["sequence"] == index
    finally:
        os.kill(server.pid, signal.SIGTERM)
        server.wait(10)
