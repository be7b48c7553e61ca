"""Both databases: what a commit and a snapshot are worth, what an address may be, and what no message tells."""

import logging
import secrets
import signal
import stat
import threading
import time

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from breakglass import config
from breakglass.config import Home, Settings
from breakglass.errors import Malformed, Unavailable
from breakglass.storage import engine as engines
from breakglass.storage import migrate, names
from breakglass.storage.engine import address, open_engine, snapshot, words
from tests.servers.postgres import Postgres, running_postgres

SECRET = "swordfish-4711"


@pytest.fixture
def url(database, tmp_path):
    if database:
        return database
    found = f"sqlite:///{tmp_path / 'breakglass.db'}"
    engine = open_engine(found)
    migrate.upgrade(engine)
    engine.dispose()
    return found


def put(conn, id="one", state="current", account="acc_a", version=1):
    values = {"id": id, "state": state, "account": account, "version": version, "sealed": SECRET.encode()}
    conn.execute(
        text(
            "INSERT INTO credential (id, account, version, sealed, made_at, state)"
            " VALUES (:id, :account, :version, :sealed, 1, :state)"
        ),
        values,
    )


def test_a_look_sees_one_instant_and_writes_nothing(url):
    engine = open_engine(url)
    with snapshot(engine) as look:
        assert look.execute(text("SELECT count(*) FROM credential")).scalar_one() == 0
        with engine.begin() as conn:
            put(conn)
        assert look.execute(text("SELECT count(*) FROM credential")).scalar_one() == 0
    with snapshot(engine) as look:
        assert look.execute(text("SELECT sealed FROM credential")).scalar_one() == SECRET.encode()
    if engine.dialect.name == "postgresql":
        with snapshot(engine) as look, pytest.raises(DBAPIError, match="read-only"):
            put(look, "two", "previous", version=2)
    engine.dispose()


def test_the_database_keeps_the_last_line_of_defence(url):
    """Words that are none, a second current credential, a second grant of a request: whatever a step forgot."""
    engine = open_engine(url)
    with engine.begin() as conn:
        put(conn)
    for id, state, version in (("two", "current", 2), ("three", "nonsense", 3), ("four", "previous", 1)):
        with pytest.raises(DBAPIError), engine.begin() as conn:
            put(conn, id, state, version=version)
    with pytest.raises(DBAPIError), engine.begin() as conn:
        conn.execute(
            text("""INSERT INTO "session" VALUES ('ses_1','grt_none','u','a','r','n','f',1,2,'','ended','ended')""")
        )
    with engine.begin() as conn:
        put(conn, "five", "previous", version=5)
        put(conn, "six", account="acc_b")
    engine.dispose()


def test_no_value_of_a_refused_statement_is_told(url, caplog):
    engine = open_engine(url)
    with engine.begin() as conn:
        put(conn)
    for change in ({"id": "x", "state": "nonsense", "version": 2}, {"version": 2, "state": "previous"}):
        with pytest.raises(DBAPIError) as caught, engine.begin() as conn:
            put(conn, **change)
        with caplog.at_level(logging.ERROR):
            logging.getLogger("test").error("told", exc_info=caught.value)
        for told in (str(caught.value), words(caught.value), caplog.text):
            for form in (SECRET, SECRET.encode().hex(), "Failing row", "already exists."):
                assert form not in told
        assert words(caught.value)
    engine.dispose()


@pytest.mark.server
def test_no_wait_is_without_an_end(migrated, postgres: Postgres):
    with postgres.database(like=migrated) as url:
        engine = open_engine(url)
        with engine.connect() as conn:
            shown = {name: conn.execute(text(f"SHOW {name}")).scalar_one() for name in LIMITS}
        assert shown == LIMITS
        engine.dispose()


LIMITS = {
    "synchronous_commit": "on",
    "fsync": "on",
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "12s",
    "transaction_isolation": "read committed",
    "client_encoding": "UTF8",
}


@pytest.mark.server
def test_a_stalled_transaction_holds_nobody_up_for_ever(migrated, postgres: Postgres, monkeypatch):
    monkeypatch.setattr(
        engines, "_SESSION", ("SET idle_in_transaction_session_timeout TO '1s'", "SET lock_timeout TO '8s'")
    )
    with postgres.database(like=migrated) as url:
        engine = open_engine(url)
        with engine.begin() as conn:
            put(conn)
        stalled = engine.connect()
        stalled.execute(text("SELECT * FROM credential FOR UPDATE"))
        began = time.monotonic()
        with engine.begin() as conn:
            conn.execute(text("UPDATE credential SET version = 9"))
        assert 0.5 < time.monotonic() - began < 6
        with pytest.raises(DBAPIError):
            stalled.execute(text("SELECT 1"))
        stalled.close()
        engine.dispose()


@pytest.mark.server
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_it_goes_on_after_the_server_came_back(how):
    with running_postgres() as server, server.database() as url:
        engine = open_engine(url)
        migrate.upgrade(engine)
        with engine.begin() as conn:
            put(conn)
        server.stop(how)
        with pytest.raises(Unavailable, match="can't be opened"):
            migrate.upgrade(engine)
        server.start()
        with snapshot(engine) as look:
            assert look.execute(text("SELECT version FROM credential")).scalar_one() == 1
        engine.dispose()


@pytest.mark.server
def test_a_server_that_forgets_commits_is_refused():
    with running_postgres() as server, server.database() as url:
        with (server.folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write("fsync = off\n")
        server.restart()
        engine = open_engine(url)
        with pytest.raises(Unavailable, match="fsync"):
            migrate.upgrade(engine)
        engine.dispose()


@pytest.mark.server
def test_a_database_that_cannot_hold_every_text_is_refused(postgres: Postgres):
    with postgres.database(encoding="SQL_ASCII") as url:
        engine = open_engine(url)
        with pytest.raises(Unavailable, match="SQL_ASCII"):
            engine.connect()
        engine.dispose()


@pytest.mark.server
def test_nodes_that_start_at_once_migrate_once(postgres: Postgres):
    with postgres.database() as url:
        engines_, problems = [open_engine(url) for _ in range(4)], []

        def upgrade(engine):
            try:
                migrate.upgrade(engine)
            except Exception as error:
                problems.append(error)

        threads = [threading.Thread(target=upgrade, args=(one,)) for one in engines_]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not problems
        with snapshot(engines_[0]) as look:
            assert look.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1
        with engines_[0].begin() as conn:
            conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(Unavailable, match="another version"):
            migrate.upgrade(engines_[1])
        for one in engines_:
            one.dispose()


@pytest.mark.server
def test_one_node_of_a_name(postgres: Postgres):
    with postgres.database() as url, postgres.database() as elsewhere:
        one, two, other = open_engine(url), open_engine(url), open_engine(elsewhere)
        give_back = names.take(one, "node1")
        with pytest.raises(Unavailable, match="node1 runs already"):
            names.take(two, "node1", within=0.3)
        names.take(two, "node2", within=0.3)()
        names.take(other, "node1", within=0.3)()
        give_back()
        names.take(two, "node1", within=0.3)()
        for engine in (one, two, other):
            engine.dispose()


def test_an_embedded_database_needs_no_name(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    names.take(engine, "node1")()
    engine.dispose()


@pytest.mark.parametrize("given", ["postgresql://a@h/d", "postgresql+psycopg://a@h/d", "postgresql+psycopg2://a@h/d"])
def test_postgresql_means_psycopg(given):
    assert address(given).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("given", ["", "breakglass", "mysql://a@h/d", "postgresql://a:b:c@h:port/d", "http://a@h/d"])
def test_what_is_no_address(given):
    with pytest.raises(Malformed) as caught:
        address(given)
    assert "postgresql://" in caught.value.what_to_do


def test_a_password_in_the_settings_stays_there(tmp_path, caplog):
    password = secrets.token_hex(8)
    url = f"postgresql://breakglass:{password}@127.0.0.1:9/none"
    home = Home(tmp_path)
    settings = Settings(deployment="dep_x", origin="o", roster_pin="0" * 64, database=url)
    config.write(home, settings)
    assert stat.S_IMODE(home.settings.stat().st_mode) == 0o600
    assert config.read(home) == settings
    engine = open_engine(url)
    with caplog.at_level(logging.DEBUG), pytest.raises(Unavailable) as caught:
        migrate.upgrade(engine)
    told = [repr(settings), repr(engine), str(engine.url), str(caught.value), caught.value.what_to_do, caplog.text]
    told += [str(one) for one in (caught.value.__cause__, caught.value.__context__)]
    assert not [one for one in told if password in one]
    with pytest.raises(Malformed) as malformed:
        open_engine(f"postgresql://u:{password}@h:port:x/y")
    assert password not in str(malformed.value) + malformed.value.what_to_do
    assert malformed.value.__cause__ is None
