"""Bringing a database to this version's tables, by Alembic's migrations beside this file.

Nodes that start at once on one PostgreSQL take turns by an advisory lock: the first migrates, the others find it done.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from breakglass import faults
from breakglass.errors import Unavailable
from breakglass.storage.engine import words

VERSION_TABLE = "alembic_version"
HERE = Path(__file__).parent / "migrations"
TURN = 0x62_67_6D_69_67  # any number that nobody else takes in this database
TURN_WITHIN = 300
"""Seconds for another node's migration to end."""


def upgrade(engine: Engine) -> None:
    """Idempotent, in one transaction. Raises `Unavailable` when the database does not answer, or is a newer version's.

    Migrations have no time limit of their own: a large table may take long."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    try:
        with engine.begin() as connection:
            if connection.dialect.name != "sqlite":
                _take_turn(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            faults.reach("migration.before-commit")
        faults.reach("migration.after-commit")
    except OperationalError as error:
        raise Unavailable(
            f"The database can't be opened: {words(error)}",
            what_to_do="Look at the database server, at its address in breakglass.toml and at who may connect.",
        ) from None
    except CommandError:
        raise Unavailable(
            "The database is of another version of Breakglass, probably a newer one.",
            what_to_do="Start the version that last ran on it, or restore the backup from before its update.",
        ) from None


def _take_turn(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL statement_timeout TO 0")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout TO '{TURN_WITHIN}s'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN})")
