"""The database: SQLite in a file by default, PostgreSQL by its address; each set up so that a commit is a commit."""

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

READERS = 4


def open_engine(url: str) -> Engine:
    """`sqlite:///FILE` or `postgresql+psycopg://…`. Does not connect yet."""
    # Values of a failed statement never reach a log or traceback: some are sealed secrets, some are people's words.
    engine = create_engine(
        url, hide_parameters=True, poolclass=QueuePool, pool_size=READERS + 1, max_overflow=0, pool_timeout=10
    )
    if engine.dialect.name == "sqlite":
        _set_up_sqlite(engine)
    return engine


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        # A write transaction takes the lock at once: one that upgrades later fails with "database is locked".
        conn.exec_driver_sql("BEGIN" if conn.get_execution_options().get("reading") else "BEGIN IMMEDIATE")
