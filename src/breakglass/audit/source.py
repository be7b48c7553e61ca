"""Reading a database that nobody trusts: one snapshot, never a write, also beside a running node and after it stopped.

SQLite is opened read-only by its file name, never through the node's own connections; PostgreSQL in a read-only
transaction. Values come as the database has them: a text that is not UTF-8 or a number where text belongs is a finding
of the verifier, not an error of the driver.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from breakglass.errors import NotFound, Unavailable
from breakglass.storage.engine import address, words

CHUNK = 2048
"""Rows that are in memory at once."""
BUSY = 5.0
"""Seconds to wait for a writer that locks the file."""


class Source:
    """One snapshot of the database."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.sqlite = conn.dialect.name == "sqlite"

    def chunks(self, sql: str) -> Iterator[Sequence[Sequence[Any]]]:
        """All rows in their order, up to `CHUNK` at a time."""
        with self._conn.exec_driver_sql(sql) as result:
            yield from result.partitions(CHUNK)

    def rows(self, sql: str) -> Iterator[Sequence[Any]]:
        for chunk in self.chunks(sql):
            yield from chunk

    def named(self, sql: str) -> Iterator[dict[str, Any]]:
        with self._conn.exec_driver_sql(sql) as result:
            names = list(result.keys())
            for chunk in result.partitions(CHUNK):
                for row in chunk:
                    yield dict(zip(names, row, strict=True))


def read_only(source: Engine | str) -> Engine:
    """An engine that can't write. Raises `NotFound` when there is no such file, `Malformed` for no address."""
    url = address(source) if isinstance(source, str) else source.url
    if url.get_backend_name() != "sqlite":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True, "stream_results": True}
        limit = {"connect_timeout": 5, "application_name": "breakglass audit"}
        return create_engine(
            url, hide_parameters=True, poolclass=NullPool, execution_options=options, connect_args=limit
        )
    file = Path(url.database or "")
    if not file.is_file():
        raise NotFound(f"There is no database {file}.", what_to_do="Name the data folder with `--home`.")
    engine = create_engine(url, creator=lambda: _open(file), hide_parameters=True, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN")

    return engine


@contextmanager
def reading(source: Engine | str) -> Iterator[Source]:
    """A snapshot. Raises `NotFound`, and `Unavailable` when the database does not open."""
    engine = read_only(source)
    try:
        conn = engine.connect()
    except (DBAPIError, sqlite3.Error) as error:
        said = words(error) if isinstance(error, DBAPIError) else str(error)
        raise Unavailable(f"The database does not open: {said}", what_to_do="Check the file, or its address.") from None
    try:
        with conn:
            yield Source(conn)
    finally:
        engine.dispose()


def _open(file: Path) -> sqlite3.Connection:
    name = quote(str(file.absolute()))
    try:
        conn = _connect(f"file:{name}?mode=ro")
    except sqlite3.OperationalError:
        # A write-ahead log wants to make files beside the database. Where nothing may be written and there is no log
        # to read, the file is whole by itself.
        if file.with_name(f"{file.name}-wal").exists():
            raise
        conn = _connect(f"file:{name}?immutable=1")
    conn.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return conn


def _connect(uri: str) -> sqlite3.Connection:
    conn = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY, check_same_thread=False)
    try:
        for pragma in ("query_only=ON", "trusted_schema=OFF", "cell_size_check=ON"):
            conn.execute(f"PRAGMA {pragma}")
        conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        conn.close()
        raise
    return conn
