"""C2SP tlog-proof: what is written is read, and nothing else."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.codec import note, tlog_proof
from breakglass.codec.tlog_proof import TlogProof
from breakglass.errors import Malformed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
CHECKPOINT = note.sign(note.Checkpoint(origin="log.example.org", size=9, root=b"r" * 32).body(), "log.example.org", KEY)


@pytest.mark.parametrize(
    "proof",
    [
        TlogProof(index=0, hashes=(), checkpoint=CHECKPOINT),
        TlogProof(index=7, hashes=(b"a" * 32, b"b" * 32), checkpoint=CHECKPOINT),
        TlogProof(index=10**17, hashes=(b"a" * 32,) * 63, checkpoint=CHECKPOINT, extra=b"for whoever"),
    ],
)
def test_what_is_written_is_read(proof):
    assert tlog_proof.read(tlog_proof.write(proof)) == proof


def test_it_is_the_specifications_form():
    written = tlog_proof.write(TlogProof(index=5, hashes=(b"\0" * 32,), checkpoint=CHECKPOINT)).decode()
    zeros = "A" * 43 + "="
    assert written == f"c2sp.org/tlog-proof@v1\nindex 5\n{zeros}\n\n{CHECKPOINT.decode()}"
    extra = tlog_proof.write(TlogProof(index=5, hashes=(), checkpoint=CHECKPOINT, extra=b"x")).decode()
    assert extra.startswith("c2sp.org/tlog-proof@v1\nextra eA==\nindex 5\n\n")


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"\xff",
        b"c2sp.org/tlog-proof@v1\n",
        b"c2sp.org/tlog-proof@v2\nindex 5\n\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex 05\n\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex -1\n\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex 5\nAAAA\n\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex 5\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nextra \nindex 5\n\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex 5\nextra eA==\n\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\r\nindex 5\r\n\r\n" + CHECKPOINT,
        b"c2sp.org/tlog-proof@v1\nindex 5\n\n" + CHECKPOINT + b"x",
    ],
)
def test_what_is_no_proof(wrong):
    with pytest.raises(Malformed):
        tlog_proof.read(wrong)


def test_no_mutation_reads_as_the_same_proof():
    data = tlog_proof.write(TlogProof(index=7, hashes=(b"a" * 32, b"b" * 32), checkpoint=CHECKPOINT))
    chance = random.Random(1)
    for _ in range(2000):
        at = chance.randrange(len(data))
        changed = data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        try:
            assert tlog_proof.read(changed) != tlog_proof.read(data)
        except Malformed:
            continue
