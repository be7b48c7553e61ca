"""A database's rows in another one, whichever kinds the two are: a backup is a file, wherever the rows lie.

One instant of the source; the target has this version's tables, without a row, and takes all or nothing.
"""

from sqlalchemy import Engine, insert, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from breakglass.errors import Unavailable, WrongState
from breakglass.storage import migrate
from breakglass.storage.engine import open_engine, snapshot, words
from breakglass.storage.tables import META

BATCH = 1000
"""Rows held at a time."""


def copy(source_url: str, target_url: str) -> None:
    """Make this version's tables at `target_url` and copy every row of `source_url` there.

    Raises `WrongState` where there are other tables already, or rows in these; `Unavailable` when a database does not
    answer or is of another version. Then the target has at most empty tables, and it may be tried again."""
    source, target = open_engine(source_url), open_engine(target_url)
    try:
        if not set(inspect(target).get_table_names()) <= {*META.tables, migrate.VERSION_TABLE}:
            raise _not_empty()
        migrate.upgrade(target)
        _rows(source, target)
    except SQLAlchemyError as error:
        raise Unavailable(
            f"The database could not be copied: {words(error)}",
            what_to_do="Look at the database, and whether its node is of this version: start it once, then try again.",
        ) from None
    finally:
        source.dispose()
        target.dispose()


def _rows(source: Engine, target: Engine) -> None:
    with snapshot(source) as read, target.begin() as write:
        for table in META.sorted_tables:
            if write.execute(select(table).limit(1)).first() is not None:
                raise _not_empty()
            found = read.execution_options(yield_per=BATCH).execute(select(table))
            for rows in found.mappings().partitions():
                write.execute(insert(table), [dict(row) for row in rows])


def _not_empty() -> WrongState:
    return WrongState("There is something in that database already.", what_to_do="Name an empty database.")
