"""One instant of the embedded database in a file of its own, while its node goes on writing."""

import sqlite3
from contextlib import closing
from pathlib import Path

from breakglass.errors import Tampered, Unavailable

PAGES = 4096
"""Pages copied at a time: other writers wait no longer than for these."""


def copy(database: Path, to: Path) -> None:
    """Raises `Unavailable` when the disk or the database does not let it."""
    try:
        with closing(sqlite3.connect(database, timeout=10)) as source, closing(sqlite3.connect(to)) as copied:
            # SQLite's online backup, in one read transaction: a busy writer must not make it begin again and again.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(copied, pages=PAGES)
            copied.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise Unavailable(
            f"The database could not be copied: {error}.", what_to_do="Is there room on the disk? Then try again."
        ) from None


def close(database: Path) -> None:
    """One file again, without its write-ahead log. Raises `Unavailable`."""
    try:
        with closing(sqlite3.connect(database, timeout=10)) as found:
            found.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise Unavailable(f"The copy could not be closed: {error}.", what_to_do="Is there room on the disk?") from None


def check(database: Path) -> None:
    """Raises `Tampered` when SQLite finds the file damaged."""
    try:
        with closing(sqlite3.connect(database, timeout=10)) as found:
            said = [row[0] for row in found.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        said = [str(error)]
    if said != ["ok"]:
        raise Tampered(f"The database is damaged: {said[0]}.", what_to_do="Use another backup.")
