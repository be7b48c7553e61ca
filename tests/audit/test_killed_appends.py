"""SIGKILL while entries are appended: of what was acknowledged nothing is lost, there is no gap and no fork, and the
log verifies; on PostgreSQL with two nodes, of which the other one goes on.
"""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import text

from breakglass.audit.verify import verify
from breakglass.storage.engine import open_engine
from tests.audit.killed import append
from tests.audit.kit import World
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server
TIMES = [
    pytest.param(25, 0, id="some"),
    *(pytest.param(125, seed, marks=pytest.mark.nightly, id=f"many-{seed}") for seed in range(1, 9)),
]
"""How often, and the seed of the moments: nightly a thousand times on each database."""


@pytest.fixture(scope="module")
def processes() -> multiprocessing.context.ForkServerContext:
    """Each child is forked from a process that has imported everything and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.audit.killed"])
    return context


class Told:
    """What each process was told is durable, as far as it could put it down."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.all = folder, set[str]()

    def started(self, name: str) -> bool:
        file = self.folder / name
        return file.exists() and file.stat().st_size > 0

    def lines(self) -> set[str]:
        for file in self.folder.iterdir():
            whole = file.read_text().rpartition("\n")[0]
            self.all |= set(whole.split("\n")) - {"open", ""}
        return self.all


def start(context: multiprocessing.context.ForkServerContext, url: str, told: Told, name: str) -> BaseProcess:
    process = context.Process(target=append, args=(url, str(told.folder / name), name), daemon=True)
    process.start()
    until = time.monotonic() + 30
    while not told.started(name):
        assert process.is_alive(), name
        assert time.monotonic() < until, f"{name} does not start"
        time.sleep(0.002)
    return process


def kill(process: BaseProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)


def abouts(url: str) -> set[str]:
    engine = open_engine(url)
    try:
        with engine.connect() as conn:
            return set(conn.execute(text("SELECT about FROM entry WHERE about LIKE 'sgn_%'")).scalars())
    finally:
        engine.dispose()


def nothing_is_lost(url: str, told: Told, pin: str) -> None:
    lost = told.lines() - abouts(url)
    assert not lost, f"{len(lost)} acknowledged entries are lost, {min(lost)} among them"
    report = verify(url, pin=pin)
    assert report.ok, report.in_words()


@pytest.fixture
def told(tmp_path: Path) -> Told:
    (tmp_path / "told").mkdir()
    return Told(tmp_path / "told")


@pytest.mark.parametrize(("times", "seed"), TIMES)
def test_killed_on_the_embedded_database(
    processes: multiprocessing.context.ForkServerContext, tmp_path: Path, told: Told, times: int, seed: int
) -> None:
    world = World(tmp_path / "breakglass.db")
    world.stop()
    chance = random.Random(seed)
    for turn in range(times):
        process = start(processes, world.url, told, f"n{turn}")
        time.sleep(chance.uniform(0, 0.06))
        kill(process)
        if turn % 50 == 49:
            nothing_is_lost(world.url, told, world.pin)
    assert len(told.lines()) > times
    nothing_is_lost(world.url, told, world.pin)


@pytest.fixture
def shared(tmp_path: Path, postgres: Postgres, migrated: str) -> Iterator[tuple[str, str]]:
    """A founded log on PostgreSQL, and the pin."""
    with postgres.database(like=migrated) as url:
        from breakglass.audit.log import Log
        from breakglass.flow import roster as rosters
        from breakglass.model.people import SYSTEM
        from breakglass.storage.store import Store
        from tests.audit.kit import Signer, Ticking, founding

        log = Log(Signer())
        store = Store(url, log, {}, Ticking())
        with store.engine.begin() as conn:
            log.open(conn)
        store.start()
        roster, version = founding()
        store.submit(SYSTEM, rosters.found, roster, version).result(30)
        store.stop()
        yield url, roster.hash


@pytest.mark.parametrize(("times", "seed"), TIMES)
def test_killed_beside_another_node(
    processes: multiprocessing.context.ForkServerContext, shared: tuple[str, str], told: Told, times: int, seed: int
) -> None:
    url, pin = shared
    chance = random.Random(seed)
    running = [start(processes, url, told, name) for name in ("a", "b")]
    for turn in range(times):
        time.sleep(chance.uniform(0, 0.08))
        victim = running.pop(0)
        kill(victim)
        running.append(start(processes, url, told, f"n{turn}"))
    for process in running:
        kill(process)
    assert len(told.lines()) > times
    nothing_is_lost(url, told, pin)
