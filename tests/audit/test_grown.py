"""The verifier's tree knows every earlier root, also those whose leaves it no longer holds."""

from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from breakglass.audit.grown import Grown
from breakglass.trust.tree import Frontier, subtree_root

SIZE = 66_300
HASHES = [sha256(n.to_bytes(4, "big")).digest() for n in range(SIZE)]


def grown() -> tuple[Grown, list[tuple[int, int]]]:
    asked: list[tuple[int, int]] = []

    def leaves(start: int, end: int) -> list[bytes]:
        asked.append((start, end))
        return HASHES[start:end]

    tree = Grown(leaves)
    for one in HASHES:
        tree.add(one)
    return tree, asked


TREE, ASKED = grown()


@settings(max_examples=200)
@given(st.integers(0, SIZE))
def test_every_root_is_rfc_6962s(size: int) -> None:
    ASKED.clear()
    assert TREE.root(size) == subtree_root(HASHES[:size])
    assert all(end - start < 256 for start, end in ASKED)
    if size % 256 == 0 or size > SIZE - 256:
        assert not ASKED


def test_the_frontier_is_the_writers() -> None:
    small, kept = Grown(lambda start, end: HASHES[start:end]), Frontier()
    for size, one in enumerate(HASHES[:1_030]):
        assert b"".join(small.frontier(size)) == kept.packed()
        small.add(one)
        kept.add(one)


def test_tiles_are_the_roots_of_full_ones() -> None:
    assert [len(level) for level in TREE.tiles] == [SIZE // 256, SIZE // 65_536]
    assert TREE.tiles[0][7] == subtree_root(HASHES[7 * 256 : 8 * 256])
    assert TREE.tiles[1][0] == subtree_root(HASHES[:65_536])
