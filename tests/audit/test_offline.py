"""Reading beside a running node and after it stopped, and never writing."""

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from breakglass import config
from breakglass.audit.offline import open_offline
from breakglass.audit.verify import verify
from breakglass.config import Home, Settings
from breakglass.errors import NotFound, Unavailable
from tests.audit.kit import DEPLOYMENT, ORIGIN, World


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def settle(home: Home, world: World) -> None:
    config.write(home, Settings(deployment=DEPLOYMENT, origin=ORIGIN, roster_pin=world.pin))


def test_while_the_node_runs_and_after_it_stopped(home: Home) -> None:
    world = World(home.database)
    settle(home, world)
    for _ in range(2):
        engine, settings = open_offline(home)
        report = verify(engine, pin=settings.roster_pin)
        assert report.ok, report.in_words()
        engine.dispose()
        world.note()
    world.stop()
    engine, settings = open_offline(home)
    assert verify(engine, pin=settings.roster_pin).window.entries == 3
    engine.dispose()


def test_it_can_not_write(home: Home) -> None:
    world = World(home.database)
    settle(home, world)
    world.stop()
    engine, _ = open_offline(home)
    with engine.connect() as conn, pytest.raises(OperationalError, match="readonly"):
        conn.execute(text("DELETE FROM entry"))
    engine.dispose()


def test_one_snapshot_while_the_log_grows(home: Home) -> None:
    world = World(home.database)
    settle(home, world)
    engine, _ = open_offline(home)
    with engine.connect() as conn:
        before = conn.execute(text("SELECT count(*) FROM entry")).scalar_one()
        world.note(5)
        assert conn.execute(text("SELECT count(*) FROM entry")).scalar_one() == before
    engine.dispose()
    world.stop()


def test_an_archive_that_nobody_may_write_to(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the files beside a database can be made (a read-only medium), the file is read by itself."""
    world = World(home.database)
    settle(home, world)
    world.stop()
    for name in ("-wal", "-shm"):
        home.database.with_name(home.database.name + name).unlink(missing_ok=True)
    real, tried = sqlite3.connect, []

    def connect(name: str, *args: object, **more: object) -> sqlite3.Connection:
        tried.append(name)
        if "mode=ro" in name:
            raise sqlite3.OperationalError("unable to open database file")
        return real(name, *args, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert verify(f"sqlite:///{home.database}", pin=world.pin).ok
    assert "immutable=1" in tried[-1]
    home.database.with_name(home.database.name + "-wal").write_bytes(b"not yet in the file")
    with pytest.raises(Unavailable):
        verify(f"sqlite:///{home.database}", pin=world.pin)


def test_nothing_there(home: Home) -> None:
    with pytest.raises(NotFound):
        open_offline(home)
    config.write(home, Settings(deployment=DEPLOYMENT, origin=ORIGIN, roster_pin="0" * 64))
    with pytest.raises(NotFound):
        open_offline(home)
