"""Checkpoints on their way to witnesses: what is kept of what they answer, and what a liar or a slow one can do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.audit import evidence
from breakglass.audit.cosignatures import KEPT, Cosignatures, kind_of
from breakglass.audit.export import export_tiles
from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.audit.verify_tiles import verify_tiles
from breakglass.codec import note
from breakglass.codec.cosignature import WitnessKey, cosign, parse_add_checkpoint
from breakglass.errors import NotWitnessed, Tampered, Unavailable
from breakglass.flow import outside
from breakglass.flow import witness as steps
from breakglass.model.people import SYSTEM
from breakglass.storage import anchors, outbox
from breakglass.trust.witnesses import Witness
from breakglass.vigilance import witnesses as vigilance
from breakglass.vigilance.witnesses import Submitter
from tests.kit import Town

Answer = Callable[[bytes], Awaitable[tuple[int, bytes]]]
NOW = 1_800_000_000


@dataclass
class Machine:
    """A witness's machine on loopback that answers what a test wants; honest unless told otherwise."""

    name: str
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    answer: Answer | None = None
    asked: int = 0
    url: str = ""

    @property
    def key(self) -> WitnessKey:
        return WitnessKey(name=self.name, public=self.private.public_key().public_bytes_raw())

    def line(self, body: bytes) -> bytes:
        text = note.parse(parse_add_checkpoint(body).checkpoint).text
        return cosign(text, self.name, self.private, NOW).line().encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                [length] = [
                    int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
                ]
                body = await reader.readexactly(length)
                self.asked += 1
                status, said = await self.answer(body) if self.answer else (200, self.line(body))
                writer.write(b"HTTP/1.1 %d x\r\nContent-Length: %d\r\n\r\n" % (status, len(said)))
                for byte in range(0, len(said), 4096):
                    writer.write(said[byte : byte + 4096])
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def watched(folder: Path, *names: str, quorum: int = 0) -> AsyncIterator[tuple[Town, list[Machine]]]:
    machines, servers = [Machine(name) for name in names], []
    for one in machines:
        server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        servers.append(server)

    def named(estate: dict[str, Any]) -> None:
        known = [{"key": one.key.text(), "url": one.url} for one in machines]
        estate["witnesses"] = {"quorum": quorum or min(2, len(known)), "known": known}

    try:
        async with Town.found(folder, change=named, password="") as town:
            yield town, machines
    finally:
        for server in servers:
            server.close()


async def grown(town: Town) -> None:
    """By an entry."""
    await town.system(outside.runs, "siem", "node1")


async def newest(town: Town) -> bytes:
    found = await town.store.read(evidence.newest_checkpoint)
    assert found is not None
    return found


def submitter(town: Town) -> Submitter:
    return Submitter(town.store, Cosignatures(town.store, lambda: town.estate.roster.witnesses))


async def submitted(town: Town, seen: int = 0) -> dict[str, int]:
    """The newest checkpoint goes to each of them once."""
    known = town.estate.roster.witnesses.known
    async with httpx.AsyncClient(trust_env=False) as http:
        return {one.key.name: await submitter(town)._once(one, http, seen) for one in known}


async def kinds(town: Town) -> list[str]:
    return [(await town.store.read(outbox.told, n)).kind for n in range(town.log.size)]


def checked(town: Town) -> Report:
    return verify(f"sqlite:///{town.folder / 'breakglass.db'}", pin=town.settings.roster_pin)


def bad(report: Report) -> str:
    [found] = report.findings
    assert found.level == "witness"
    return found.words


def changed(town: Town, sql: str, *values: Any) -> None:
    with town.store.engine.begin() as conn:
        conn.exec_driver_sql(sql, values)


# -- what is kept ------------------------------------------------------------------------------------------------------
async def test_what_they_cosigned_is_kept_verified_and_exported(tmp_path: Path) -> None:
    async with watched(tmp_path / "town", "w1", "w2", "w3") as (town, machines):
        await grown(town)
        assert set((await submitted(town)).values()) == {town.log.size}
        report = checked(town)
        assert report.ok, report.in_words()
        assert (report.window.witnessed, report.window.uncovered) == (town.log.size, 0)
        assert f"witnesses have cosigned the first {town.log.size} entries" in " ".join(report.in_words())

        export_tiles(town.store.engine, tmp_path / "tiles", pin=town.settings.roster_pin)
        lines = [one.name for one in note.parse((tmp_path / "tiles/checkpoint").read_bytes()).signatures]
        assert lines[1:] == ["w1", "w2", "w3"]
        held = verify_tiles(tmp_path / "tiles", pin=town.settings.roster_pin)
        assert held.ok
        assert held.window.witnessed == town.log.size

        # Two of three, each at a head of its own: so far as the second one saw.
        seen = town.log.size
        await grown(town)
        async with httpx.AsyncClient(trust_env=False) as http:
            await submitter(town)._once(town.estate.roster.witnesses.known[0], http, 0)
        assert checked(town).window.witnessed == seen
        assert machines[0].asked == 2


async def test_a_cosignature_that_was_tampered_with(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1", "w2") as (town, machines):
        await grown(town)
        await submitted(town)
        good = await town.store.read(anchors.newest, kind_of("w1"))
        assert good is not None
        put = "UPDATE anchor SET receipt = ? WHERE kind = 'witness w1'"
        other = Machine("w1").line(b"old 0\n\n" + await newest(town))
        for receipt, words in (
            (good.receipt[:-6] + b"AAA=\n\n"[:6], ""),
            (other, "another key"),
            (good.receipt * 2, ""),
            (b"", "not one line"),
            (b"\xff", ""),
        ):
            changed(town, put, receipt)
            assert words in bad(checked(town))
        changed(town, put, good.receipt)
        assert checked(town).ok
        changed(town, "UPDATE anchor SET kind = 'witness w9' WHERE kind = 'witness w1'")
        assert "No roster of this log names" in bad(checked(town))
        changed(town, "UPDATE anchor SET kind = 'witness w1', size = 1 WHERE kind = 'witness w9'")
        assert checked(town).findings
        assert machines[0].asked == 1


async def test_a_line_that_was_spoilt_spoils_no_other_s(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1", "w2", "w3") as (town, machines):
        before = await newest(town)
        await grown(town)
        await submitted(town)
        cosignatures = Cosignatures(town.store, lambda: town.estate.roster.witnesses)
        [proven] = await evidence.proven(town.store, town.log, town.log.size - 1)
        older = machines[0].line(b"old 0\n\n" + before)
        for spoilt in (b"", b"\xff", older, Machine("w1").line(b"old 0\n\n" + await newest(town))):
            changed(town, "UPDATE anchor SET receipt = ? WHERE kind = 'witness w1'", spoilt)
            [found] = (await cosignatures.over(proven, timeout=1)).witnessed
            assert town.estate.roster.witnesses.seen_by([note.parse(found.note)]) == {"w2", "w3"}
        changed(town, "DELETE FROM anchor WHERE kind = 'witness w2'")
        with pytest.raises(NotWitnessed):
            await cosignatures.over(proven, timeout=0.1)


async def test_only_the_newest_of_each_are_kept(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1", quorum=1) as (town, _):
        for size in range(1, KEPT + 20):
            await town.store.run(SYSTEM, steps.cosigned, "w1", size, b"line")
        kept = [one.size for one in await town.store.read(anchors.listed) if one.kind == kind_of("w1")]
        assert kept == list(range(20, KEPT + 20))


# -- what they may answer ----------------------------------------------------------------------------------------------
async def test_what_is_no_cosignature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigilance, "WITHIN", 0.4)
    async with watched(tmp_path, "w1", quorum=1) as (town, [machine]):
        before = await newest(town)
        await grown(town)
        honest, stranger = machine.line, Machine("w1")
        older = honest(b"old 0\n\n" + before)

        async def drips(_: bytes) -> tuple[int, bytes]:
            await asyncio.sleep(5)
            return 200, b""

        sizes = iter(range(1, 10**6))
        size = town.log.size

        def says(status: int, answer: Callable[[bytes], bytes]) -> Answer:
            async def said(body: bytes) -> tuple[int, bytes]:
                return status, answer(body)

            return said

        lies: dict[str, Answer] = {
            "nothing": says(200, lambda _: b""),
            "garbage": says(200, lambda _: b"<html>"),
            "too much": says(200, lambda body: honest(body) * 5000),
            "another's line": says(200, stranger.line),
            "a line of another checkpoint": says(200, lambda _: older),
            "an error": says(500, lambda _: b"no"),
            "elsewhere": says(302, honest),
            "busy": says(429, lambda _: b""),
            "a size that is none": says(409, lambda _: b"many\n"),
            "a size that never stands still": says(409, lambda _: b"%d\n" % (next(sizes) % size)),
            "nothing in time": drips,
        }  # fmt: skip
        for name, answer in lies.items():
            machine.answer = answer
            with pytest.raises(Unavailable):
                await submitted(town)
            assert await town.store.read(anchors.newest, kind_of("w1")) is None, name
        for status, words in ((422, b""), (409, b"0\n")):
            machine.answer = says(status, lambda _, words=words: words)  # type: ignore[misc]
            with pytest.raises(Tampered):
                await submitted(town)
        machine.answer = says(409, lambda _: b"999\n")
        with pytest.raises(Tampered, match="has seen 999 entries"):
            await submitted(town)
        machine.answer = None
        assert await submitted(town, seen=999) == {"w1": size}  # what we remember may be more than there is


async def test_people_are_told_once_and_when_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vigilance, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(vigilance, "LONGEST_PAUSE", 0.01)
    async with watched(tmp_path, "w1", "w2", quorum=1) as (town, [silent, liar]):

        async def no(_: bytes) -> tuple[int, bytes]:
            return 503, b""

        async def forked(_: bytes) -> tuple[int, bytes]:
            return 422, b""

        silent.answer, liar.answer = no, forked
        working = asyncio.create_task(submitter(town).work(asyncio.Event()))
        async with asyncio.timeout(20):
            while min(silent.asked, liar.asked) < 6:  # noqa: ASYNC110 (they count by themselves)
                await asyncio.sleep(0.01)
            silent.answer = liar.answer = None
            while (await kinds(town)).count("witness.runs") < 2:  # noqa: ASYNC110 (nor does the log ring)
                await asyncio.sleep(0.01)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        said = await kinds(town)
        assert [said.count(f"witness.{one}") for one in ("waits", "disagrees", "runs")] == [1, 1, 2]


async def test_one_that_hangs_holds_up_nobody_and_one_that_leaves_the_roster_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(tmp_path, "w1", "w2", "w3") as (town, [hung, *_]):
        await grown(town)

        async def hangs(_: bytes) -> tuple[int, bytes]:
            await asyncio.sleep(60)
            return 200, b""

        hung.answer = hangs
        cosignatures = Cosignatures(town.store, lambda: town.estate.roster.witnesses)
        [proven] = await evidence.proven(town.store, town.log, town.log.size - 1)
        with pytest.raises(NotWitnessed):
            await cosignatures.over(proven, timeout=0.1)
        bell = asyncio.Event()
        worker = Submitter(town.store, cosignatures)
        working = asyncio.create_task(worker.work(bell))
        found = await cosignatures.over(proven, timeout=10)
        assert sum(len(note.parse(one.note).signatures) - 1 for one in found.witnessed) == 2
        known: tuple[Witness, ...] = town.estate.roster.witnesses.known
        monkeypatch.setattr(cosignatures, "witnesses", lambda: type(town.estate.roster.witnesses)(known=known[1:]))
        async with asyncio.timeout(10):
            while known[0] in worker._bells:  # noqa: ASYNC110 (it looks at the roster once a second)
                await asyncio.sleep(0.05)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
