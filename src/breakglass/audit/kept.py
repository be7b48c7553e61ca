"""Where a log that is verified is kept: a database or a folder of tiles. Nothing that comes from here is believed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from breakglass.audit.source import Source
from breakglass.codec.private import Opening

_OPENINGS = "SELECT idx, name, salt, value FROM opening ORDER BY idx, name"
_NONE: dict[str, Opening] = {}
_ENTRIES = 'SELECT idx, leaf, leaf_hash, kind, about, "by", at FROM entry ORDER BY idx'


class Row(NamedTuple):
    """One entry as it is kept; whatever it should be, it may be something else."""

    index: Any
    leaf: Any
    hash: Any
    columns: tuple[Any, ...] | None
    """`kind about by at` beside the leaf; None where nothing is kept beside it."""
    openings: Mapping[str, Opening] | None = None
    """Of the private values that the leaf commits to; None where they are not kept."""


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
        self.strays: list[tuple[Any, Any]] = []
        """(index, name) of openings that belong to no entry, or are none."""

    def entries(self) -> Iterator[Sequence[Row]]:
        beside = self._openings()
        due = next(beside, None)
        for chunk in self.db.chunks(_ENTRIES):
            rows = []
            for row in chunk:
                found: dict[str, Opening] = _NONE
                while due is not None and isinstance(row[0], int) and due[0] <= row[0]:
                    if due[0] == row[0]:
                        found = {**found, due[1]: due[2]}
                    else:
                        self.strays.append(due[:2])
                    due = next(beside, None)
                rows.append(Row(row[0], row[1], row[2], tuple(row[3:]), found))
            yield rows
        while due is not None:
            self.strays.append(due[:2])
            due = next(beside, None)

    def _openings(self) -> Iterator[tuple[int, str, Opening]]:
        for index, name, salt, value in self.db.rows(_OPENINGS):
            if isinstance(index, int) and isinstance(name, str) and isinstance(salt, bytes) and isinstance(value, str):
                yield index, name, Opening(salt, value)
            else:
                self.strays.append((index, name))

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
