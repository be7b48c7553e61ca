"""What somebody with the database in their hands would do to the log, done to a copy."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path


def tampered_copy(home: Path, folder: Path) -> int:
    """A copy of the data in which one byte of one leaf differs; returns the entry."""
    shutil.copy(home / "breakglass.toml", folder)
    with (
        closing(sqlite3.connect(f"file:{home / 'breakglass.db'}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(folder / "breakglass.db")) as copy,
    ):
        source.backup(copy)
        index, leaf = copy.execute("SELECT idx, leaf FROM entry WHERE kind = 'request.approval' LIMIT 1").fetchone()
        changed = bytearray(leaf)
        changed[len(changed) // 2] ^= 1
        copy.execute("UPDATE entry SET leaf = ? WHERE idx = ?", (bytes(changed), index))
        copy.commit()
    return int(index)
