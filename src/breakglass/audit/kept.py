"""Where a log that is verified is kept: a database or a folder of tiles. Nothing that comes from here is believed."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from breakglass.audit.source import Source

_ENTRIES = 'SELECT idx, leaf, leaf_hash, kind, about, "by", at FROM entry ORDER BY idx'


class Row(NamedTuple):
    """One entry as it is kept; whatever it should be, it may be something else."""

    index: Any
    leaf: Any
    hash: Any
    columns: tuple[Any, ...] | None
    """`kind about by at` beside the leaf; None where nothing is kept beside it."""


class Kept(Protocol):
    def entries(self) -> Iterator[Sequence[Row]]:
        """All of them by rising index, some at a time."""
        ...

    def leaves(self, start: int, end: int) -> Sequence[Any]:
        """The leaves of `[start, end)` once more."""
        ...

    def count(self) -> int:
        """About how many entries there are: for a progress bar."""
        ...

    def checkpoints(self) -> Iterator[Sequence[Any]]:
        """(size, signed note), by rising size."""
        ...

    def stores(self, size: int) -> bool:
        """Is there a checkpoint of this size?"""
        ...


class InDatabase:
    def __init__(self, db: Source) -> None:
        self.db = db

    def entries(self) -> Iterator[Sequence[Row]]:
        for chunk in self.db.chunks(_ENTRIES):
            yield [Row(row[0], row[1], row[2], tuple(row[3:])) for row in chunk]

    def leaves(self, start: int, end: int) -> Sequence[Any]:
        sql = f"SELECT leaf FROM entry WHERE idx >= {start} AND idx < {end} ORDER BY idx"  # noqa: S608 (two numbers)
        return [leaf for (leaf,) in self.db.rows(sql)]

    def count(self) -> int:
        [(total,)] = self.db.rows("SELECT count(*) FROM entry")
        return int(total)

    def checkpoints(self) -> Iterator[Sequence[Any]]:
        yield from self.db.rows("SELECT size, note FROM checkpoint ORDER BY size")

    def stores(self, size: int) -> bool:
        return bool(list(self.db.rows(f"SELECT size FROM checkpoint WHERE size = {size}")))  # noqa: S608 (a number)
