"""The Merkle tree against RFC 6962's own recursive words, against pymerkle, and against whoever bends a proof."""

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from breakglass.errors import Malformed, Tampered
from breakglass.trust.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_path,
    consistency_proof,
    fold,
    inclusion_path,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_subtrees,
    range_hash,
    subtree_root,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(71)
LEAVES = [f"entry {n}".encode() for n in SIZES]
HASHES = [leaf_hash(leaf) for leaf in LEAVES]


# -- the definition, word for word (RFC 6962, section 2.1) ------------------------------------------------------------
def k_of(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


@cache
def mth(start: int, end: int) -> bytes:
    if end == start:
        return sha256(b"").digest()
    if end - start == 1:
        return sha256(b"\0" + LEAVES[start]).digest()
    k = k_of(end - start)
    return sha256(b"\1" + mth(start, start + k) + mth(start + k, end)).digest()


def path(m: int, start: int, end: int) -> list[bytes]:
    """PATH, section 2.1.1."""
    if end - start == 1:
        return []
    k = k_of(end - start)
    if m < k:
        return [*path(m, start, start + k), mth(start + k, end)]
    return [*path(m - k, start + k, end), mth(start, start + k)]


def subproof(m: int, start: int, end: int, known: bool) -> list[bytes]:
    """SUBPROOF, section 2.1.2."""
    if m == end - start:
        return [] if known else [mth(start, end)]
    k = k_of(end - start)
    if m <= k:
        return [*subproof(m, start, start + k, known), mth(start + k, end)]
    return [*subproof(m - k, start + k, end, False), mth(start, start + k)]


def frontier(size: int) -> Frontier:
    one = Frontier()
    for hashed in HASHES[:size]:
        one.add(hashed)
    return one


# -- roots ------------------------------------------------------------------------------------------------------------
def test_the_published_roots_of_the_certificate_transparency_tests() -> None:
    """The eight leaves and the roots that certificate-transparency-go's and other logs' tests share."""
    leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    hashes = [leaf_hash(bytes.fromhex(leaf)) for leaf in leaves]
    assert {size: subtree_root(hashes[:size]).hex() for size in roots} == roots
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", SIZES)
def test_every_root_is_the_definitions(size: int) -> None:
    root = mth(0, size)
    assert subtree_root(HASHES[:size]) == root
    one = frontier(size)
    assert (one.size, one.root()) == (size, root)
    assert one.packed() == b"".join(mth(start, end) for start, end in perfect_subtrees(0, size))
    assert fold([mth(start, end) for start, end in perfect_subtrees(0, size)]) == root
    again = Frontier.unpack(size, one.packed())
    assert (again.size, again.root(), again.packed()) == (size, root, one.packed())


def test_a_copy_goes_its_own_way() -> None:
    one = frontier(6)
    other = one.copy()
    other.add(HASHES[6])
    assert (one.root(), other.root()) == (mth(0, 6), mth(0, 7))


@pytest.mark.parametrize(("size", "length"), [(0, 32), (1, 0), (1, 31), (3, 63), (3, 65), (4, 64), (7, 64), (-1, 0)])
def test_a_packed_frontier_of_another_length_is_tampered(size: int, length: int) -> None:
    with pytest.raises(Tampered):
        Frontier.unpack(size, bytes(length))


def test_only_hashes_enter_the_frontier() -> None:
    with pytest.raises(Tampered):
        Frontier().add(b"no hash")


@pytest.mark.parametrize("size", SIZES[1:])
def test_last_gives_each_subtree_that_a_leaf_completed_and_no_other(size: int) -> None:
    one, width = frontier(size), 1
    while size % width == 0:
        assert one.last(width) == mth(size - width, size)
        width *= 2
    for other in (width, 3, 0, -1):
        with pytest.raises(ValueError, match="completed no subtree"):
            one.last(other)


def test_a_frontier_that_was_unpacked_knows_of_no_last_leaf() -> None:
    with pytest.raises(ValueError, match="completed no subtree"):
        Frontier.unpack(1, HASHES[0]).last(1)


def test_range_hash_and_perfect_subtrees_fit_every_range() -> None:
    for start in SIZES:
        for end in range(start, 71):
            parts = perfect_subtrees(start, end)
            assert [n for a, b in parts for n in range(a, b)] == list(range(start, end))
            assert all((b - a).bit_count() == 1 and a % (b - a) == 0 for a, b in parts)
            assert len({b - a for a, b in parts}) * 2 >= len(parts)  # at most one up and one down of each width
            assert range_hash(start, end, lambda a, b: HASHES[a:b]) == mth(start, end)


def test_range_hash_misses_entries() -> None:
    with pytest.raises(Tampered, match="3 entries from 1 on"):
        range_hash(1, 4, lambda a, b: HASHES[a : b - 1])


# -- proofs -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", SIZES[1:])
def test_every_inclusion_proof_is_the_definitions_and_verifies(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, mth)
        assert proof == path(index, 0, size)
        verify_inclusion(HASHES[index], index, size, proof, mth(0, size))
        for start, end in inclusion_path(index, size):
            folded = fold([mth(a, b) for a, b in perfect_subtrees(start, end)])
            assert folded == mth(start, end)


@pytest.mark.parametrize("size", SIZES)
def test_every_consistency_proof_is_the_definitions_and_verifies(size: int) -> None:
    for old in range(size + 1):
        proof = consistency_proof(old, size, mth)
        assert proof == (subproof(old, 0, size, True) if old else [])
        verify_consistency(old, mth(0, old), size, mth(0, size), proof)
        for start, end in consistency_path(old, size):
            assert fold([mth(a, b) for a, b in perfect_subtrees(start, end)]) == mth(start, end)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: inclusion_path(0, 0),
        lambda: inclusion_path(3, 3),
        lambda: inclusion_path(-1, 3),
        lambda: consistency_path(4, 3),
        lambda: consistency_path(-1, 3),
    ],
)
def test_there_is_no_proof_beyond_the_log(ask: Callable[[], object]) -> None:
    with pytest.raises(Malformed):
        ask()


def bent(proof: Sequence[bytes]) -> list[list[bytes]]:
    """Every way to drop, double, swap, flip, cut and lengthen."""
    proof = list(proof)
    found = [[*proof, HASHES[0]], [HASHES[0], *proof], [*proof, EMPTY_ROOT]]
    for at, one in enumerate(proof):
        found.append(proof[:at] + proof[at + 1 :])
        found.append([*proof[:at], one, *proof[at:]])
        found.append([*proof[:at], bytes([one[0] ^ 1]) + one[1:], *proof[at + 1 :]])
        found.append([*proof[:at], one[:-1], *proof[at + 1 :]])
        found.append([*proof[:at], one + b"\0", *proof[at + 1 :]])
        if at:
            found.append([*proof[: at - 1], one, proof[at - 1], *proof[at + 1 :]])
    return found


@pytest.mark.parametrize("size", range(1, 35))
def test_every_bent_inclusion_proof_is_tampered(size: int) -> None:
    root = mth(0, size)
    for index in range(size):
        proof = inclusion_proof(index, size, mth)
        for bad in bent(proof):
            with pytest.raises(Tampered):
                verify_inclusion(HASHES[index], index, size, bad, root)
        for other in (n for n in range(size) if n != index):
            with pytest.raises(Tampered):
                verify_inclusion(HASHES[index], other, size, proof, root)
        with pytest.raises(Tampered):
            verify_inclusion(leaf_hash(b"edited"), index, size, proof, root)
        with pytest.raises(Tampered):
            verify_inclusion(HASHES[index], index, size, proof, mth(0, size + 1))


@pytest.mark.parametrize("size", range(1, 35))
def test_every_bent_consistency_proof_is_tampered(size: int) -> None:
    new = mth(0, size)
    for old in range(1, size + 1):
        seen = mth(0, old)
        proof = consistency_proof(old, size, mth)
        for bad in bent(proof):
            with pytest.raises(Tampered):
                verify_consistency(old, seen, size, new, bad)
        for other in (leaf_hash(b"fork"), seen[:-1]):
            with pytest.raises(Tampered):
                verify_consistency(old, other, size, new, proof)
            with pytest.raises(Tampered):
                verify_consistency(old, seen, size, other, proof)


@pytest.mark.parametrize("size", range(1, 35))
def test_a_proof_for_other_sizes_does_not_pass(size: int) -> None:
    """All that RFC 9162's algorithm can tell apart: the path's shape. Roots bind the rest, as each size has its own."""
    for old in range(1, size):
        proof = consistency_proof(old, size, mth)
        for other in range(size + 1):
            if other != old:
                with pytest.raises(Tampered):
                    verify_consistency(other, mth(0, old), size, mth(0, size), proof)


@pytest.mark.parametrize(
    ("old", "old_root", "new", "new_root", "proof"),
    [
        (2, mth(0, 2), 1, mth(0, 1), []),
        (-1, EMPTY_ROOT, 1, mth(0, 1), []),
        (0, mth(0, 1), 1, mth(0, 1), []),
        (0, EMPTY_ROOT, 0, mth(0, 1), []),
        (0, EMPTY_ROOT, 1, mth(0, 1), [mth(0, 1)]),
        (3, mth(0, 3), 3, mth(0, 3), [mth(0, 3)]),
        (3, mth(0, 3), 3, mth(1, 4), []),
        (1, mth(0, 1), 10**18, mth(0, 2), [mth(1, 2)]),
        (1, mth(0, 1), 2, mth(0, 2), []),
        (3, mth(0, 3), 4, mth(0, 4), []),
    ],
)
def test_logs_that_do_not_begin_with_what_was_seen(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: list[bytes]
) -> None:
    with pytest.raises(Tampered):
        verify_consistency(old, old_root, new, new_root, proof)


def test_a_node_never_passes_as_a_leaf() -> None:
    """The prefixes keep them apart: an entry made of two hashes is not the subtree above them."""
    assert leaf_hash(HASHES[0] + HASHES[1]) != node_hash(HASHES[0], HASHES[1])
    for index, size in ((0, 0), (1, 1), (-1, 1)):
        with pytest.raises(Tampered):
            verify_inclusion(mth(0, 1), index, size, [], mth(0, 1))


HASH = st.binary(min_size=32, max_size=32)


@given(st.integers(-1, 200), st.integers(-1, 200), st.lists(HASH, max_size=10), HASH, HASH)
def test_made_up_proofs_never_pass(first: int, second: int, proof: list[bytes], one: bytes, two: bytes) -> None:
    if (first, second, one) != (0, 1, two) or proof:
        with pytest.raises(Tampered):
            verify_inclusion(one, first, second, proof, two)
    if not (one == two and first == second and not proof):
        with pytest.raises(Tampered):
            verify_consistency(first, one, second, two, proof)


# -- an independent library -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def theirs() -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for leaf in LEAVES:
        tree.append_entry(leaf)
    return tree


@pytest.mark.parametrize("size", SIZES)
def test_pymerkle_has_the_same_roots_and_proofs(theirs: InmemoryTree, size: int) -> None:
    """Its inclusion paths begin with the leaf, and it counts from 1. Its consistency paths have a form of their own
    (always down to a leaf), so there its roots are what our proofs must connect."""

    def their_hashes(start: int, end: int) -> list[bytes]:
        return [theirs.get_leaf(n + 1) for n in range(start, end)]

    assert theirs.get_root(size) == frontier(size).root()
    for index in range(size):
        assert theirs.prove_inclusion(index + 1, size).path == [
            HASHES[index],
            *inclusion_proof(index, size, mth),
        ]
    for old in range(size + 1):
        proof = consistency_proof(old, size, lambda a, b: range_hash(a, b, their_hashes))
        verify_consistency(old, theirs.get_root(old), size, theirs.get_root(size), proof)
