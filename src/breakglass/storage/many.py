"""Many rows into one table, by the driver's own `executemany`: for the one place where rows come by the thousand.

SQLAlchemy's own way names, checks and converts each value of each row; a log entry has seven of them. What this leaves
out, the caller does: values are what the driver takes (instants as `columns.micros` gives them), in the table's order.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table

_PLACE = {"qmark": "?", "pyformat": "%s"}
"""How the drivers of this project's databases mark a place for a value (PEP 249, paramstyle)."""


def insert_many(conn: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """All or none, like one statement: in the transaction that runs."""
    if rows:
        conn.exec_driver_sql(_text(conn.dialect, table), list(rows))


@cache
def _text(dialect: Dialect, table: Table) -> str:
    quoted = dialect.identifier_preparer
    names = ", ".join(quoted.format_column(one) for one in table.columns)
    places = ", ".join([_PLACE[dialect.paramstyle]] * len(table.columns))
    return f"INSERT INTO {quoted.format_table(table)} ({names}) VALUES ({places})"  # noqa: S608 (ours)
