"""The tree as a verifier grows it from leaves that it hashed itself, with every earlier root still to be asked for.

It keeps the roots of all full 256-wide tiles (an entry costs an eighth of a byte) and the leaves of the last two tiles;
for an older ragged edge it asks `leaves` for up to 255 leaf hashes.
"""

from collections.abc import Callable, Sequence

from breakglass.audit.store_tree import TILE
from breakglass.trust.tree import fold, perfect_subtrees, subtree_root

Leaves = Callable[[int, int], Sequence[bytes]]
"""The leaf hashes of `[start, end)`, hashed anew."""


class Grown:
    def __init__(self, leaves: Leaves) -> None:
        self.size = 0
        self.tiles: list[list[bytes]] = []
        """`tiles[level - 1][n]`: what the table `node` must hold as (level, n)."""
        self._leaves = leaves
        self._last: list[bytes] = []
        self._before: list[bytes] = []

    def add(self, hashed: bytes) -> None:
        self._last.append(hashed)
        self.size += 1
        if len(self._last) == TILE:
            self._complete(0, subtree_root(self._last))
            self._before, self._last = self._last, []

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves, of those that were added."""
        return fold(self.frontier(size))

    def frontier(self, size: int) -> list[bytes]:
        """The roots of the perfect subtrees over the first `size` leaves, the largest first."""
        roots = []
        for level in range(len(self.tiles), 0, -1):
            width = TILE**level
            first = size // (width * TILE) * TILE
            roots += _perfect(self.tiles[level - 1][first : size // width])
        return roots + _perfect(self._edge(size))

    def _edge(self, size: int) -> Sequence[bytes]:
        """The leaves behind the last full tile of a tree of this size."""
        begin, present = size - size % TILE, self.size - len(self._last)
        if begin == size:
            return ()
        if begin == present:
            return self._last[: size - begin]
        if begin == present - TILE:
            return self._before[: size - begin]
        return self._leaves(begin, size)

    def _complete(self, level: int, root: bytes) -> None:
        if level == len(self.tiles):
            self.tiles.append([])
        tiles = self.tiles[level]
        tiles.append(root)
        if len(tiles) % TILE == 0:
            self._complete(level + 1, subtree_root(tiles[-TILE:]))


def _perfect(hashes: Sequence[bytes]) -> list[bytes]:
    return [subtree_root(hashes[start:end]) for start, end in perfect_subtrees(0, len(hashes))]
