"""The stored tree: the hash of any aligned range of leaves, from tile roots where there are some and leaf hashes
elsewhere.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from breakglass.errors import Tampered
from breakglass.storage import books
from breakglass.trust.tree import inclusion_proof, subtree_root

TILE = 256


def hash_of(conn: Connection, start: int, end: int) -> bytes:
    """RFC 6962's hash of the leaves `[start, end)`. Raises `Tampered` when some are missing."""
    width, level = 1, 0
    while width * TILE <= end - start:
        width, level = width * TILE, level + 1
    if (end - start) % width == 0:
        return subtree_root(_hashes(conn, level, start // width, end // width))
    # A ragged right edge: RFC 6962 splits at the largest power of two below the length.
    split = 1
    while split * 2 < end - start:
        split *= 2
    return subtree_root([hash_of(conn, start, start + split), hash_of(conn, start + split, end)])


def _hashes(conn: Connection, level: int, first: int, end: int) -> Sequence[bytes]:
    if level == 0:
        e = books.entry.c
        found = list(conn.execute(select(e.leaf_hash).where(e.idx >= first, e.idx < end).order_by(e.idx)).scalars())
    else:
        n = books.node.c
        query = select(n.hash).where(n.level == level, n.n >= first, n.n < end).order_by(n.n)
        found = list(conn.execute(query).scalars())
    if len(found) != end - first:
        raise Tampered(
            "Entries of the log are missing.", what_to_do="Run `breakglass audit verify`; call the auditors."
        )
    return found


def prove(conn: Connection, index: int, size: int) -> Sequence[bytes]:
    """The inclusion proof (RFC 9162, 2.1.3) of one entry in the tree of the first `size` entries."""
    return inclusion_proof(index, size, lambda a, b: hash_of(conn, a, b))
