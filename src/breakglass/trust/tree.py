"""The log's Merkle tree (RFC 6962, section 2; proofs as in RFC 9162, section 2.1). Pure: it asks its caller for hashes.

              root                leaf  SHA-256(0x00 | leaf)
             /    \\               node  SHA-256(0x01 | left | right)
         [0,4)    [4,6)           A tree splits at the largest power of two below its size; so every
        /    \\    /    \\          subtree is a range of leaves [start, end), and a proof is a list of
     [0,2) [2,4) 4     5          such ranges' hashes. `Frontier` holds all that appending needs: [0,4) [4,6).

What does not fit is `Tampered`: a proof has exactly the length that its sizes ask for, and every hash 32 bytes.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Self

from breakglass.errors import Malformed, Tampered

HASH = 32
"""Bytes of one hash."""
EMPTY_ROOT = sha256(b"").digest()
SIZE_MAX = 10**18 - 1
"""Leaves; what a checkpoint's line can say (codec/note)."""

Range = tuple[int, int]
"""The leaves `[start, end)`."""
HashOf = Callable[[int, int], bytes]
"""The hash of the subtree over the leaves `[start, end)`."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962's root over these hashes: of leaves, or of perfect subtrees that are all equally large."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)] + odd
    return level[0]


def range_hash(start: int, end: int, leaf_hashes: Callable[[int, int], Sequence[bytes]]) -> bytes:
    """The hash of the leaves `[start, end)` from their own hashes. Raises `Tampered` when some are missing."""
    hashes = leaf_hashes(start, end)
    if len(hashes) != end - start:
        raise _tampered(f"{end - start} entries from {start} on should be there, and {len(hashes)} are")
    return subtree_root(hashes)


def perfect_subtrees(start: int, end: int) -> list[Range]:
    """The fewest aligned ranges of 2ⁿ leaves that fill `[start, end)`, from left to right.

    For the range of a proof they grow smaller from left to right, and `fold` makes one hash of theirs.
    """
    found = []
    while start < end:
        width = 1 << ((end - start).bit_length() - 1)
        if start:
            width = min(width, start & -start)
        found.append((start, start + width))
        start += width
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over perfect subtrees that grow smaller from left to right. The empty tree's for none."""
    if not hashes:
        return EMPTY_ROOT
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


class Frontier:
    """A whole tree, as far as appending needs it: the roots of its perfect subtrees, the largest first."""

    __slots__ = ("_completed", "_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []
        self._completed: list[bytes] = []

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Self:
        """Raises `Tampered` unless `packed` is exactly as long as a tree of `size` leaves asks for."""
        if not 0 <= size <= SIZE_MAX or len(packed) != HASH * size.bit_count():
            raise _tampered("The log's frontier does not fit its size")
        one = cls()
        one.size = size
        one._roots = [packed[at : at + HASH] for at in range(0, len(packed), HASH)]
        return one

    def packed(self) -> bytes:
        return b"".join(self._roots)

    def copy(self) -> Self:
        return self.unpack(self.size, self.packed())

    def add(self, hashed: bytes) -> None:
        """Append one leaf by its hash."""
        if len(hashed) != HASH:
            _must_be_hashes((hashed,))
        below = self.size
        self._completed = [hashed]
        while below & 1:
            hashed = node_hash(self._roots.pop(), hashed)
            self._completed.append(hashed)
            below >>= 1
        self._roots.append(hashed)
        self.size += 1

    def root(self) -> bytes:
        return fold(self._roots)

    def last(self, width: int) -> bytes:
        """The hash of the last `width` leaves, a perfect subtree that the latest `add` completed.

        Raises `ValueError` for any other: a frontier forgets what lies below its roots.
        """
        level = width.bit_length() - 1
        if width < 1 or width & (width - 1) or level >= len(self._completed):
            raise ValueError(f"the last leaf completed no subtree of {width} leaves")
        return self._completed[level]


# -- proofs -----------------------------------------------------------------------------------------------------------
def inclusion_path(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove leaf `index` in the first `size`, in the proof's order (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise Malformed(f"A log of {size} entries has no entry {index}.", what_to_do="Count from 0 to the size less 1.")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> list[Range]:
    """The ranges whose hashes prove that the first `new` leaves begin with the first `old` ones (RFC 9162, 2.1.4.1)."""
    if not 0 <= old <= new:
        raise Malformed(f"A log of {new} entries can't begin with {old}.", what_to_do="Give the smaller size first.")
    if old in {0, new}:
        return []
    path, start, end = [], 0, new
    while end > old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    if start:  # otherwise the rest is the old tree itself, whose root the verifier has
        path.append((start, end))
    return path[::-1]


def inclusion_proof(index: int, size: int, hash_of: HashOf) -> list[bytes]:
    return [hash_of(start, end) for start, end in inclusion_path(index, size)]


def consistency_proof(old: int, new: int, hash_of: HashOf) -> list[bytes]:
    return [hash_of(start, end) for start, end in consistency_path(old, new)]


def verify_inclusion(entry_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, section 2.1.3.2. Raises `Tampered` unless `root`, over `size` leaves, has `entry_hash` at `index`."""
    if not 0 <= index < size <= SIZE_MAX:
        raise _tampered(f"Entry {index} can't be in a log of {size} entries")
    _must_be_hashes((entry_hash, root, *proof))
    node, last, hashed = index, size - 1, entry_hash
    for sibling in proof:
        if last == 0:
            raise _tampered(f"The proof of entry {index} in {size} is too long")
        if node & 1 or node == last:
            hashed = node_hash(sibling, hashed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise _tampered(f"The proof of entry {index} in {size} is too short")
    if hashed != root:
        raise _tampered(f"Entry {index} is not in the log of {size} entries with this root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162, section 2.1.4.2. Raises `Tampered` unless the new log begins with the whole old one.

    Every log begins with the empty one; equal sizes must have equal roots; both have an empty proof.
    """
    if not 0 <= old_size <= new_size <= SIZE_MAX:
        raise _tampered(f"A log that had {old_size} entries now has {new_size}")
    _must_be_hashes((old_root, new_root, *proof))
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise _tampered("A log without entries can't have this root")
    if old_size in {0, new_size}:
        if proof:
            raise _tampered(f"The proof from {old_size} to {new_size} entries must be empty")
        if old_size and old_root != new_root:
            raise _tampered(f"Two different logs have {new_size} entries")
        return
    old_hash, new_hash = _both_roots(old_size, old_root, new_size, proof)
    if old_hash != old_root:
        raise _tampered(f"The proof does not begin with the log of {old_size} entries that was seen")
    if new_hash != new_root:
        raise _tampered(f"The log of {new_size} entries does not begin with the {old_size} entries that were seen")


def _both_roots(old_size: int, old_root: bytes, new_size: int, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The two roots that the proof leads to, from the subtree where the old tree ends upwards."""
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    # A power of two is a subtree of the new tree, so its root need not stand in the proof.
    hashes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not hashes:
        raise _tampered(f"The proof from {old_size} to {new_size} entries is too short")
    old_hash = new_hash = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise _tampered(f"The proof from {old_size} to {new_size} entries is too long")
        if node & 1 or node == last:
            old_hash, new_hash = node_hash(sibling, old_hash), node_hash(sibling, new_hash)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_hash = node_hash(new_hash, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise _tampered(f"The proof from {old_size} to {new_size} entries is too short")
    return old_hash, new_hash


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _must_be_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(one) != HASH for one in hashes):
        raise _tampered(f"A hash is not {HASH} bytes long")


def _tampered(problem: str) -> Tampered:
    return Tampered(
        f"{problem}.",
        what_to_do="Stop. Keep the log and this evidence as they are, and call the custodians and the auditors.",
    )
