"""The database: SQLite in a file by default, PostgreSQL by its address; each set up so that a commit is a commit.

    writer   SQLite BEGIN IMMEDIATE           PostgreSQL READ COMMITTED, behind the log's locked head row
    reader   SQLite BEGIN                     PostgreSQL REPEATABLE READ, READ ONLY: one snapshot

No wait is without an end. A node that stops in the middle of a transaction holds the others up for `STALLED_MAX` at
most: then its server ends the transaction, and what was not committed never was.
"""

import os
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.pool import QueuePool

from breakglass.errors import Malformed, Refused, Unavailable

READERS = 4
STATEMENT_MAX, LOCK_MAX, STALLED_MAX = 30, 10, 12
"""Seconds that PostgreSQL gives a statement, a wait for a lock, and a transaction in which nothing happens (the vault
answers within 5)."""
CONNECT = {
    "application_name": "breakglass",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
_SESSION = (
    "SET synchronous_commit TO on",
    f"SET statement_timeout TO '{STATEMENT_MAX}s'",
    f"SET lock_timeout TO '{LOCK_MAX}s'",
    f"SET idle_in_transaction_session_timeout TO '{STALLED_MAX}s'",
)
_PROMISES = "SELECT current_setting('fsync'), current_setting('server_encoding')"


class PasswordInEnvironment(Refused):
    """libpq would take it; but the vault's process is started from here, and must not know it."""

    code = "password_in_environment"


def address(url: str) -> URL:
    """`sqlite:///FILE` or `postgresql://…`, which means psycopg. Raises `Malformed`; no words of it tell a password."""
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise Malformed("The database's address can't be read.", what_to_do=_LIKE) from None
    match found.get_backend_name():
        case "sqlite":
            return found
        case "postgresql" | "postgres":
            return found.set(drivername="postgresql+psycopg")
        case other:
            raise Malformed(f"{other[:40]!r} is not a database that Breakglass keeps its log in.", what_to_do=_LIKE)


def open_engine(url: str) -> Engine:
    """Does not connect yet. Raises `Malformed`, `PasswordInEnvironment`, and `Unavailable` when the database's driver
    is not installed."""
    where = address(url)
    shared = where.get_backend_name() != "sqlite"
    if shared and os.environ.get("PGPASSWORD"):
        raise PasswordInEnvironment(
            "The database's password stands in the environment (PGPASSWORD): every program started here gets it.",
            what_to_do="Unset it. Write the password to a file of mode 0600, and name that with `passfile=` in the "
            "database's address or with PGPASSFILE.",
        )
    try:
        # Values of a failed statement never reach a log or traceback: some are sealed secrets, some are people's words.
        engine = create_engine(
            where,
            hide_parameters=True,
            poolclass=QueuePool,
            pool_size=READERS + 1,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=shared,  # the server may have been restarted since
            connect_args=CONNECT if shared else {},
            **({"isolation_level": "READ COMMITTED"} if shared else {}),
        )
    except ModuleNotFoundError as missing:
        raise Unavailable(
            f"The database's driver is missing: {missing.name}.",
            what_to_do="Install it: pip install 'breakglass[postgresql]'.",
        ) from None
    if shared:
        _set_up_postgresql(engine)
    else:
        _set_up_sqlite(engine)
    return engine


def snapshot(engine: Engine) -> Connection:
    """A connection that looks, and sees one instant."""
    if engine.dialect.name == "sqlite":
        return engine.connect().execution_options(reading=True)
    return engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def words(error: BaseException) -> str:
    """What the database said, without the values that it complains of. Up to 200 characters."""
    original = getattr(error, "orig", None) or error
    said = _primary(original) or (str(original) if hasattr(error, "orig") else "") or type(error).__name__
    return " ".join(said.split())[:200]


_ZEROED = "secure_delete=ON"
"""What is erased leaves no copy in the file's free pages."""


def _set_up_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: Any) -> None:
        dbapi.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000", _ZEROED):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        # A write transaction takes the lock at once: one that upgrades later fails with "database is locked".
        conn.exec_driver_sql("BEGIN" if conn.get_execution_options().get("reading") else "BEGIN IMMEDIATE")


def _set_up_postgresql(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: Any) -> None:
        dbapi.autocommit = True
        for setting in _SESSION:
            dbapi.execute(setting)
        fsync, encoding = dbapi.execute(_PROMISES).fetchone()
        dbapi.autocommit = False
        if fsync != "on":
            raise Unavailable(
                "The database server forgets commits when its power fails (fsync is off).",
                what_to_do="Set fsync = on in postgresql.conf, and restart it.",
            )
        if encoding != "UTF8":
            raise Unavailable(
                f"The database's encoding is {encoding}.", what_to_do="Create one with ENCODING 'UTF8', and use that."
            )

    @event.listens_for(engine, "handle_error")
    def _shorten(context: ExceptionContext) -> None:
        """PostgreSQL's DETAIL repeats whole rows: no message, log or traceback may hold them."""
        said = _primary(context.original_exception)
        if said is not None:
            context.original_exception.args = (said,)
            if isinstance(context.sqlalchemy_exception, StatementError | DBAPIError):
                kind = type(context.original_exception)
                context.sqlalchemy_exception.args = (f"({kind.__module__}.{kind.__name__}) {said}",)


def _primary(error: BaseException) -> str | None:
    """The first line of what PostgreSQL said, where it was PostgreSQL that said it."""
    diag = getattr(error, "diag", None)
    return getattr(diag, "message_primary", None)


_LIKE = "Write it like postgresql://breakglass@db.example.org/breakglass, or leave it out for the embedded one."
