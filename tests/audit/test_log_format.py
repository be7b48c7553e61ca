"""docs/formats/log.md tells the truth: its example is made by our code, byte for byte, and checked by hand."""

from base64 import b64decode
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.audit.leaf import LEAF_MAX, leaf
from breakglass.codec import note
from breakglass.codec.private import ERASED, Opening, commitment, restore
from breakglass.model.change import Fact
from breakglass.storage.work import Stamped
from breakglass.trust.tree import Frontier, inclusion_proof, leaf_hash, range_hash, verify_inclusion

PAGE = (Path(__file__).parents[2] / "docs" / "formats" / "log.md").read_text()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "log.example.org"


def block(title: str) -> str:
    """The indented block below the line that ends with `title`."""
    lines = PAGE.split(f"{title}\n\n", 1)[1].split("\n")
    end = next(n for n, line in enumerate(lines) if line and not line.startswith("    "))
    return "\n".join(line.removeprefix("    ") for line in lines[:end]).rstrip("\n") + "\n"


def example() -> list[bytes]:
    at = datetime(2026, 11, 23, 21, 4, 0, 250_000, tzinfo=UTC)
    return [
        leaf(Stamped(fact, by, at), salt=lambda: bytes(range(16))).data
        for fact, by in (
            (Fact("session.connecting", "ses_1", {"grant": "grt_1", "from": "192.0.2.7"}), "usr_bo"),
            (Fact("session.alarm", "ses_1", {"code": "bell", "why": 'It said "übrigens", then rang.\n'}), "system"),
            (Fact("recording.head", "rec_1", {"chunks": 3, "head": "00ff", "size": 4096}), "system"),
        )
    ]


def test_the_leaves_are_the_pages() -> None:
    assert block("The three leaves:").encode() == b"".join(one + b"\n" for one in example())


def test_the_hashes_and_the_checkpoint_are_the_pages() -> None:
    hashes = [leaf_hash(one) for one in example()]
    assert block("Their hashes, in hexadecimal:") == "".join(f"{one.hex()}\n" for one in hashes)
    tree = Frontier()
    for one in hashes:
        tree.add(one)
    by_hand = sha256(b"\1" + sha256(b"\1" + hashes[0] + hashes[1]).digest() + hashes[2]).digest()
    assert tree.root() == by_hand

    text = note.Checkpoint(origin=ORIGIN, size=3, root=tree.root()).body()
    written = block("after a blank line, its signature:")
    assert note.sign(text, ORIGIN, KEY).decode() == written
    vkey = block("The log's key, as the roster and other people's tools write it:").strip()
    assert note.vkey(ORIGIN, KEY.public_key()) == vkey
    opened = note.parse_checkpoint(note.verify(written.encode(), [vkey]).text)

    assert opened.root == tree.root()
    proof = inclusion_proof(1, 3, lambda a, b: range_hash(a, b, lambda c, d: hashes[c:d]))
    lines = block("The proof of leaf 1, from its sibling upwards:").splitlines()
    assert [b64decode(line) for line in lines] == proof
    verify_inclusion(hashes[1], 1, 3, proof, opened.root)


def test_the_opening_is_the_pages() -> None:
    lines = block("The opening of `from` in the first:").splitlines()
    [salt, value] = [line.partition(" ")[2].strip() for line in lines]
    opening = Opening(bytes.fromhex(salt), value)
    committed = commitment("from", opening)
    assert f'"from#":"{committed}"'.encode() in example()[0]
    by_hand = sha256(b"breakglass-private-v1\0" + bytes(range(16)) + b"from\x00" + b"192.0.2.7").digest()
    assert b64decode(committed) == by_hand
    assert restore({"from#": committed}, {"from": opening}, ERASED) == {"from": "192.0.2.7"}


def test_the_longest_leaf_is_the_pages() -> None:
    assert f"{LEAF_MAX:,} bytes" in PAGE
