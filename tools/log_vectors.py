#!/usr/bin/env python3
"""Write docs/formats/vectors/log.json anew: leaves, trees, proofs, checkpoints, tiles and proof files of a small log.

    .venv/bin/python tools/log_vectors.py        the file must not change when the formats did not

Its key is public: nothing of this vouches for anything.
"""

import json
import sys
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.audit.leaf import leaf
from breakglass.audit.tiles import bundle, levels, tiles
from breakglass.codec import note, tlog_proof
from breakglass.codec.cosignature import cosign
from breakglass.codec.note import Checkpoint
from breakglass.model.change import Fact
from breakglass.storage.work import Stamped
from breakglass.trust import next_log
from breakglass.trust.tree import EMPTY_ROOT, consistency_proof, inclusion_proof, leaf_hash, range_hash

FILE = Path(__file__).resolve().parents[1] / "docs" / "formats" / "vectors" / "log.json"
AT = datetime(2026, 11, 23, 21, 4, 0, 250_000, tzinfo=UTC)
ORIGIN = "log.example.org"
SEED = bytes(range(32))
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
VKEY = note.vkey(ORIGIN, KEY.public_key())
SIZES = (0, 1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537)
"""Of the tree whose leaf n is the number n in decimal."""
Vector = dict[str, Any]


def main() -> None:
    FILE.write_text(content())
    sys.stdout.write(f"{FILE.name}\n")


def content() -> str:
    leaves = example()
    hashes = [leaf_hash(one) for one in leaves]

    def hash_of(start: int, end: int) -> bytes:
        return range_hash(start, end, lambda a, b: hashes[a:b])

    size = len(leaves)
    roots = [hash_of(0, n) if n else EMPTY_ROOT for n in range(size + 1)]
    signed = note.sign(Checkpoint(origin=ORIGIN, size=size, root=roots[size]).body(), ORIGIN, KEY)
    made = {
        "about": "A log of C2SP's formats (RFC 6962 tree, signed-note, tlog-checkpoint, tlog-tiles, tlog-proof) whose "
        "leaves are events. See docs/formats/log.md. Bytes are in base64, hashes and seed in hexadecimal.",
        "seed": SEED.hex(),
        "origin": ORIGIN,
        "vkey": VKEY,
        "next_logs": [{"number": n, "origin": next_name(n), "vkey": note.vkey(next_name(n), KEY.public_key())}
                      for n in (2, 3, 17)],
        "leaves": [one.decode() for one in leaves],
        "leaf_hashes": [one.hex() for one in hashes],
        "roots": [one.hex() for one in roots],
        "inclusion": [
            {"index": n, "size": to, "proof": texts(inclusion_proof(n, to, hash_of))}
            for to in range(1, size + 1) for n in range(to)
        ],
        "consistency": [
            {"old": old, "new": new, "proof": texts(consistency_proof(old, new, hash_of))}
            for new in range(2, size + 1) for old in range(1, new)
        ],
        "decimal_roots": {str(n): decimal_root(n).hex() for n in SIZES},
        "checkpoints": checkpoints(size, roots),
        "tiles": files(leaves, hashes),
        "proofs": proofs(inclusion_proof(2, size, hash_of), signed),
    }  # fmt: skip
    return json.dumps(made, indent=1, ensure_ascii=True) + "\n"


def example() -> list[bytes]:
    """Every way in which a leaf's bytes could be written otherwise."""
    facts = [
        Fact("session.connecting", "ses_1", {"grant": "grt_1", "from": "192.0.2.7"}),
        Fact("session.alarm", "ses_1", {"code": "bell", "why": 'It said "\u00fcbrigens", then rang.\n'}),
        Fact("recording.head", "rec_1", {"chunks": 3, "head": "00ff", "size": 4096}),
        Fact("session.alarm", "ses_1", {"code": "\x00\x1f\x7f\t\\/", "ok": True}),
        Fact("session.alarm", "ses_1", {"code": "\u2028\u20ac\U0001f512", "n": -1}),
        Fact("session.ended", "ses_1", {}),
        Fact("session.connecting", "ses_2", {"from": "", "grant": "grt_2"}),
    ]
    said = [Stamped(fact, "usr_bo", AT + timedelta(seconds=n)) for n, fact in enumerate(facts)]
    return [leaf(one, salt=lambda: bytes(range(16))).data for one in said]


def next_name(number: int) -> str:
    return next_log.origin_of(ORIGIN, number)


def decimal_root(size: int) -> bytes:
    if not size:
        return EMPTY_ROOT
    return range_hash(0, size, lambda a, b: [leaf_hash(str(n).encode()) for n in range(a, b)])


def checkpoints(size: int, roots: list[bytes]) -> list[Vector]:
    """`verdict`: whether it is a checkpoint of this log, under its key."""
    text = Checkpoint(origin=ORIGIN, size=size, root=roots[size]).body()
    good = note.sign(text, ORIGIN, KEY).decode()
    witness = cosign(text, "witness.example.org/w1", Ed25519PrivateKey.from_private_bytes(b"w" * 32), 1_795_000_000)
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    root = b64encode(roots[size]).decode()

    def signed(body: str, name: str = ORIGIN, key: Ed25519PrivateKey = KEY) -> str:
        """Whatever the text is: `note.sign` makes no note that it would not read."""
        public = key.public_key().public_bytes_raw()
        line = note.Signature(
            name=name, key_id=note.key_id(name, note.ED25519, public), signature=key.sign(body.encode())
        )
        return f"{body}\n{line.line()}"

    empty = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT).body()
    found = {
        "the log's": (good, "good"),
        "the empty log's": (note.sign(empty, ORIGIN, KEY).decode(), "good"),
        "with a witness's line": (good + witness.line(), "good"),
        "with a line by an unknown key of the same name": (good + signed(text, key=other).split("\n\n")[1], "good"),
        "another root": (good.replace(root, b64encode(roots[1]).decode()), "bad"),
        "another size": (good.replace(f"\n{size}\n", f"\n{size + 1}\n"), "bad"),
        "by another key": (signed(text, key=other), "bad"),
        "under another name": (signed(text, name="log.example.net"), "bad"),
        "the log's line twice, once broken": (good + broken(good), "bad"),
        "of another log": (signed(text.replace(ORIGIN, "log.example.net")), "bad"),
        "of the next log": (signed(text.replace(ORIGIN, next_name(2)), name=next_name(2)), "bad"),
        "a size with a leading zero": (signed(text.replace(f"\n{size}\n", f"\n0{size}\n")), "bad"),
        "a negative size": (signed(text.replace(f"\n{size}\n", f"\n-{size}\n")), "bad"),
        "a root without its padding": (signed(text.replace(root, root.rstrip("="))), "bad"),
        "a root of 31 bytes": (signed(text.replace(root, b64encode(roots[size][:31]).decode())), "bad"),
        "base64 with spare bits": (signed(text.replace(root, root[:-2] + chr(ord(root[-2]) + 1) + "=")), "bad"),
        "an extension line": (signed(f"{text}more\n"), "bad"),
        "an empty line in the text": (signed(text.replace("\n", "\n\n", 1)), "bad"),
        "carriage returns": (good.replace("\n", "\r\n"), "bad"),
        "no line feed at the end": (good[:-1], "bad"),
        "something behind": (f"{good}x", "bad"),
        "no signature": (f"{text}\n", "bad"),
        "a hyphen for the dash": (good.replace("\u2014 ", "- "), "bad"),
        "a signature cut short": (good[:-6] + "\n", "bad"),
    }
    return [{"name": name, "note": one, "verdict": verdict} for name, (one, verdict) in found.items()]


def broken(signed: str) -> str:
    """The note's line, with another signature."""
    [line] = note.parse(signed.encode()).signatures
    return replace(line, signature=bytes(64)).line()


def files(leaves: list[bytes], hashes: list[bytes]) -> dict[str, str]:
    """Path -> content of all tiles."""
    found = {}
    for level in levels(len(leaves)):
        for tile in tiles(level, len(leaves)):
            found[tile.path] = b64encode(b"".join(hashes)).decode()
            found[tile.entries_path] = b64encode(bundle(leaves)).decode()
    return found


def proofs(hashes: list[bytes], signed: bytes) -> list[Vector]:
    """`verdict`: whether it proves `leaf` in this log."""
    good = tlog_proof.write(tlog_proof.TlogProof(index=2, hashes=tuple(hashes), checkpoint=signed)).decode()
    first, second = (b64encode(one).decode() for one in hashes[:2])
    found = {
        "of leaf 2": (2, good, "good"),
        "with something extra": (2, good.replace("\nindex 2\n", "\nextra aGVsbG8=\nindex 2\n"), "good"),
        "of another leaf": (3, good, "bad"),
        "at another index": (2, good.replace("\nindex 2\n", "\nindex 3\n"), "bad"),
        "an index with a leading zero": (2, good.replace("\nindex 2\n", "\nindex 02\n"), "bad"),
        "an index that the log does not have": (2, good.replace("\nindex 2\n", "\nindex 7\n"), "bad"),
        "a hash too few": (2, good.replace(f"{first}\n", ""), "bad"),
        "a hash too many": (2, good.replace(f"{first}\n", f"{first}\n{first}\n"), "bad"),
        "two hashes swapped": (2, good.replace(f"{first}\n{second}\n", f"{second}\n{first}\n"), "bad"),
        "another title": (2, good.replace("proof@v1", "proof@v2"), "bad"),
        "without its checkpoint": (2, good.split("\n\n", 1)[0] + "\n\n", "bad"),
        "a hash of 31 bytes": (2, good.replace(first, b64encode(hashes[0][:31]).decode()), "bad"),
        "a space behind a hash": (2, good.replace(first, f"{first} "), "bad"),
    }
    return [{"name": name, "leaf": n, "proof": text, "verdict": verdict} for name, (n, text, verdict) in found.items()]


def texts(hashes: list[bytes]) -> list[str]:
    return [one.hex() for one in hashes]


if __name__ == "__main__":
    main()
