"""A log of forty leaves, another one that parts from it at the sixth, and what is sent to witnesses about them."""

from collections.abc import Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.codec import note
from breakglass.codec.cosignature import AddCheckpoint
from breakglass.trust.tree import EMPTY_ROOT, consistency_proof, leaf_hash, subtree_root

ORIGIN, NOW = "log.example.org", 1_800_000_000
LOG = Ed25519PrivateKey.from_private_bytes(sha256(b"log").digest())
VKEY = note.vkey(ORIGIN, LOG.public_key())
LEAVES = [leaf_hash(b"%d" % n) for n in range(40)]
FORK = [*LEAVES[:5], leaf_hash(b"another"), *LEAVES[6:]]


def checkpoint(leaves: Sequence[bytes], *, key: Ed25519PrivateKey = LOG, origin: str = ORIGIN) -> bytes:
    root = subtree_root(leaves) if leaves else EMPTY_ROOT
    return note.sign(note.Checkpoint(origin=origin, size=len(leaves), root=root).body(), origin, key)


def proof(leaves: Sequence[bytes], old: int, new: int) -> tuple[bytes, ...]:
    return tuple(consistency_proof(old, new, lambda a, b: subtree_root(leaves[a:b])))


def request(leaves: Sequence[bytes], old: int, new: int, **signed: object) -> bytes:
    body = checkpoint(leaves[:new], **signed)  # type: ignore[arg-type]
    return AddCheckpoint(old=old, proof=proof(leaves, old, new), checkpoint=body).encode()
