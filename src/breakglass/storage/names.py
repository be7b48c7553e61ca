"""One node of a name: on a shared database two of one name would take each other's sessions and leases for their own.

The name is held by an advisory lock, as long as a connection of its own lasts. A node that died without a word is
noticed by the database server within half a minute; whoever starts under its name waits for that.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from time import monotonic, sleep

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from breakglass.errors import Unavailable
from breakglass.storage.engine import CONNECT, words

NAMES = 0x62676E
"""The class of these locks."""
WITHIN = 30.0
"""Seconds to wait for a name."""
_NOTICE = ("SET tcp_keepalives_idle TO 10", "SET tcp_keepalives_interval TO 3", "SET tcp_keepalives_count TO 3")


def take(engine: Engine, node: str, *, within: float = WITHIN) -> Callable[[], None]:
    """Returns what gives the name back. An embedded database has one node anyway. Raises `Unavailable`."""
    if engine.dialect.name == "sqlite":
        return lambda: None
    alone = create_engine(engine.url, poolclass=NullPool, connect_args=CONNECT, isolation_level="AUTOCOMMIT")
    try:
        conn = alone.connect()
        for setting in _NOTICE:
            conn.exec_driver_sql(setting)
        _take(conn, node, within)
    except OperationalError as error:
        raise Unavailable(
            f"The database does not answer: {words(error)}", what_to_do="Look at the database server."
        ) from None

    def give_back() -> None:
        with suppress(DBAPIError):  # its server has gone, and the lock with it
            conn.close()

    return give_back


def _take(conn: Connection, node: str, within: float) -> None:
    key, deadline = int.from_bytes(sha256(node.encode()).digest()[:4], signed=True), monotonic() + within
    while not conn.exec_driver_sql(f"SELECT pg_try_advisory_lock({NAMES}, {key})").scalar_one():
        if monotonic() > deadline:
            conn.close()
            raise Unavailable(
                f"A node with the name {node} runs already on this database.",
                what_to_do="Stop it first, or give this one a name of its own: `node` in breakglass.toml.",
            )
        sleep(0.2)
