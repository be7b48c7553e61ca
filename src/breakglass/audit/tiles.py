"""C2SP tlog-tiles on paper: which files a log of a given size consists of, where they lie, what is in them. Pure.

tile/0/x001/x234/067          256 hashes of 32 bytes             full tiles never change
tile/0/x001/x234/068.p/17     17 hashes                          a partial one belongs to one size
tile/entries/067[.p/W]        uint16 length | entry, again and again
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

CHECKPOINT = "checkpoint"
WIDTH = 256
ENTRY_MAX = 65_535
"""Bytes: what a 16-bit length can say."""


@dataclass(frozen=True, slots=True)
class Tile:
    """`width` hashes of `level`, from `index` * 256 on."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        return f"tile/{self.level}/{_number(self.index)}{_partial(self.width)}"

    @property
    def entries_path(self) -> str:
        """Of the bundle with the leaves under a tile of level 0."""
        return f"tile/entries/{_number(self.index)}{_partial(self.width)}"


def tiles(level: int, size: int) -> Iterator[Tile]:
    """The tiles of one level in a tree of `size` leaves; an empty one is none."""
    hashes = size // WIDTH**level
    for index in range(hashes // WIDTH):
        yield Tile(level, index, WIDTH)
    if hashes % WIDTH:
        yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def levels(size: int) -> range:
    """The levels that have a tile in a tree of `size` leaves."""
    level = 0
    while size // WIDTH**level:
        level += 1
    return range(level)


def bundle(entries: Iterable[bytes]) -> bytes:
    """Up to 256 entries, each behind its length. Raises `ValueError` for one that is too long."""
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_MAX:
            raise ValueError(f"an entry has at most {ENTRY_MAX} bytes")
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def unbundle(data: bytes) -> Sequence[bytes]:
    """The entries of a bundle. Raises `ValueError` unless every length is exact."""
    entries, place = [], 0
    while place < len(data):
        end = place + 2 + int.from_bytes(data[place : place + 2], "big")
        if place + 2 > len(data) or end > len(data):
            raise ValueError("a bundle is cut short")
        entries.append(data[place + 2 : end])
        place = end
    return entries


def _number(index: int) -> str:
    """Groups of three digits, an `x` before all but the last: 1234067 is `x001/x234/067`."""
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.append(f"x{index % 1000:03}")
    return "/".join(reversed(parts))


def _partial(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
