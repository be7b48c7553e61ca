"""Checkpoints timestamped by openssl's authority, verified by us and by `openssl ts -verify`."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakglass.audit import timestamps
from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.errors import BadSignature, BreakglassError, Malformed, Unavailable
from breakglass.storage import outbox
from breakglass.vigilance import timestamping
from breakglass.vigilance.timestamping import Timestamping
from tests.kit import DEPLOYMENT, Town
from tests.servers.tsa import Tsa, running_tsa

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tsa]:
    with running_tsa(tmp_path_factory.mktemp("tsa") / "one") as tsa:
        yield tsa


@pytest.fixture
def tsa(authority: Tsa) -> Iterator[Tsa]:
    authority.asked.clear()
    yield authority
    authority.answer = None


def stamping(town: Town, tsa: Tsa) -> Timestamping:
    return Timestamping(town.store, DEPLOYMENT, tsa.address, str(tsa.ca), node="node1")


def checked(town: Town, tsa: Tsa | None = None) -> Report:
    roots = timestamps.authorities(tsa.ca) if tsa else ()
    return verify(f"sqlite:///{town.folder / 'breakglass.db'}", pin=town.settings.roster_pin, authorities=roots)


async def kinds(town: Town) -> list[str]:
    return [(await town.store.read(outbox.told, n)).kind for n in range(town.log.size)]


async def test_a_checkpoint_is_timestamped_once_an_hour(tmp_path: Path, tsa: Tsa) -> None:
    async with Town.found(tmp_path) as town:
        worker = stamping(town, tsa)
        assert [await worker.once() for _ in range(3)] == [True, False, False]
        town.clock.go(minutes=59)
        await town.ask()
        assert not await worker.once()
        town.clock.go(minutes=2)
        assert await worker.once()
        assert len(tsa.asked) == 2
        assert (await kinds(town)).count("anchor.made") == 2

        report = checked(town, tsa)
        assert report.ok, report.in_words()
        assert "(CN=Clock of tests) says that the first" in report.stamped
        assert "timestamp" not in report.skipped
        assert checked(town).ok
        assert "timestamp" in checked(town).skipped

        found = timestamps.kept(town.store.engine)
        assert [one.size for one in found] == sorted({one.size for one in found})
        for one in found:
            (tmp_path / "data").write_bytes(one.checkpoint)
            (tmp_path / "tsr").write_bytes(one.receipt)
            assert "Verification: OK" in openssl_says(tmp_path, tsa)
            (tmp_path / "data").write_bytes(one.checkpoint + b"x")
            assert "Verification: OK" not in openssl_says(tmp_path, tsa)


def openssl_says(folder: Path, tsa: Tsa) -> str:
    command = ["openssl", "ts", "-verify", "-data", str(folder / "data"), "-in", str(folder / "tsr"), "-CAfile"]
    done = subprocess.run([*command, str(tsa.ca)], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


async def test_what_the_authority_must_not_say(tmp_path: Path, tsa: Tsa) -> None:
    async with Town.found(tmp_path / "town") as town:
        worker = stamping(town, tsa)
        with running_tsa(tmp_path / "stranger") as stranger:
            other = timestamps.request(b"something else").as_bytes()
            lies = {
                "another root": lambda query: (200, stranger.reply(query)),
                "another request": lambda query: (200, tsa.reply(other)),
                "nothing": lambda query: (200, b""),
                "garbage": lambda query: (200, b"<html>"),
                "too long": lambda query: (200, b"x" * 70_000),
                "an error": lambda query: (500, b"no"),
                "elsewhere": lambda query: (302, b""),
            }
            for name, answer in lies.items():
                tsa.answer = answer
                with pytest.raises((BadSignature, Malformed, Unavailable)):
                    await worker.once()
                assert "anchor.made" not in await kinds(town), name
        tsa.answer = None
        assert await worker.once()


async def test_people_are_told_once_and_when_it_goes_on(
    tmp_path: Path, tsa: Tsa, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timestamping, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(timestamping, "LONGEST_PAUSE", 0.01)
    async with Town.found(tmp_path) as town:
        worker = stamping(town, tsa)
        tsa.answer = lambda query: (503, b"")
        working = asyncio.create_task(worker.work())
        async with asyncio.timeout(20):
            while len(tsa.asked) < 6:  # noqa: ASYNC110 (another thread counts)
                await asyncio.sleep(0.01)
            tsa.answer = None
            while "anchor.runs" not in await kinds(town):  # noqa: ASYNC110 (nor does the log ring)
                await asyncio.sleep(0.01)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        said = await kinds(town)
        assert [said.count(one) for one in ("anchor.waits", "anchor.runs", "anchor.made")] == [1, 1, 1]


async def test_receipts_can_not_be_taken_away_or_changed(tmp_path: Path, tsa: Tsa) -> None:
    async with Town.found(tmp_path) as town:
        worker = stamping(town, tsa)
        await worker.once()
        town.clock.go(hours=2)
        await town.ask()
        await worker.once()
        for sql, words in (
            (
                "UPDATE anchor SET receipt = substr(receipt, 1, 100) WHERE size = (SELECT min(size) FROM anchor)",
                "gone, or is not",
            ),
            ("DELETE FROM anchor WHERE size = (SELECT max(size) FROM anchor)", "gone, or is not"),
            ("UPDATE anchor SET size = size - 1", "gone, or is not"),
            ("INSERT INTO anchor VALUES ('rfc3161', 1, x'00', 0)", "does not name this receipt"),
        ):
            with town.store.engine.begin() as conn:
                before = conn.exec_driver_sql("SELECT * FROM anchor").fetchall()
                conn.exec_driver_sql(sql)
            found = [one for one in checked(town).findings if one.level == "timestamp"]
            assert found, sql
            assert words in found[0].words
            with town.store.engine.begin() as conn:
                conn.exec_driver_sql("DELETE FROM anchor")
                for row in before:
                    conn.exec_driver_sql("INSERT INTO anchor VALUES (?, ?, ?, ?)", tuple(row))
        with running_tsa(tmp_path / "stranger") as stranger:
            [finding, *_] = checked(town, stranger).findings
            assert "does not hold" in finding.words
        assert checked(town, tsa).ok


def test_settings_that_can_not_work(tmp_path: Path, tsa: Tsa) -> None:
    for address, ca in ((tsa.address.replace("http", "ftp"), tsa.ca), (tsa.address, tmp_path / "none")):
        with pytest.raises(BreakglassError):
            Timestamping(None, DEPLOYMENT, address, str(ca), node="node1")  # type: ignore[arg-type]
