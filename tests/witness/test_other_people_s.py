"""Judged by a witness and a verifier that we did not write: `aics-witness` and `aics-tlog`, each in its own process."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.audit import witnessing
from breakglass.codec import note
from breakglass.codec.cosignature import Cosigned, WitnessKey, cosign, parse_witness_key
from breakglass.errors import Tampered, Unavailable
from tests.witness.logs import FORK, LEAVES, LOG, NOW, ORIGIN, checkpoint, proof

pytestmark = pytest.mark.server
JUDGES = Path(sys.prefix) / "judges"
VERIFY = """
import sys
from aics_tlog import note, checkpoint, cosign
read = note.parse_note(sys.stdin.buffer.read())
log, witness = note.parse_vkey(sys.argv[1]), note.parse_vkey(sys.argv[2])
head = checkpoint.parse_checkpoint(read.text)
good = note.verify_note(read, [log]) and [
    one for one in read.signatures if (one.name, one.key_id) == (witness.name, witness.key_id)
    and cosign.verify_cosignature(one.signature, witness.name, witness.public_key, head.origin, head.size, head.root)
]
print("verified" if good else "refused", head.size)
"""


def judge(*words: str, stdin: bytes = b"") -> str:
    """What the other people's code prints."""
    line = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(JUDGES)!r})\n{words[0]}", *words[1:]]
    done = subprocess.run(line, input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


COMMAND = "from aics_witness.cli import main; raise SystemExit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def their_witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, WitnessKey]]:
    """Its address and key; it knows our log."""
    config = str(tmp_path_factory.mktemp("theirs") / "witness.json")
    key = parse_witness_key(judge(COMMAND, "init", "--config", config, "--name", "witness.example.org/theirs"))
    vkey = note.vkey(ORIGIN, LOG.public_key())
    judge(COMMAND, "add-log", "--config", config, "--origin", ORIGIN, "--vkey", vkey)
    code = f"import sys; sys.path.insert(0, {str(JUDGES)!r})\n{COMMAND}"
    line = [sys.executable, "-I", "-c", code, "serve", "--config", config, "--listen", "127.0.0.1:0"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            address = ""
            while "http" not in address and "127.0.0.1:" not in address:
                address = process.stderr.readline()
                assert address, "it ended"
            port = address.rpartition("127.0.0.1:")[2].split("/")[0].split()[0].strip(",;")
            yield f"http://127.0.0.1:{port}", key
        finally:
            process.terminate()


def ask(at: tuple[str, WitnessKey], leaves: Sequence[bytes], size: int, key: Ed25519PrivateKey = LOG) -> Cosigned:
    async def prove(old: int, new: int) -> Sequence[bytes]:
        return proof(leaves, old, new)

    async def run() -> Cosigned:
        async with httpx.AsyncClient(trust_env=False) as http:
            signed = checkpoint(leaves[:size], key=key)
            return await witnessing.ask(http, at[0], at[1], signed, prove, known=0, timeout=10)

    return asyncio.run(run())


def test_their_witness_cosigns_our_growing_log_and_refuses_fork_rollback_and_another_key(
    their_witness: tuple[str, WitnessKey],
) -> None:
    for size in (1, 7, 8, 9, 9):
        assert ask(their_witness, LEAVES, size).witness == their_witness[1]
    for fork in (9, 12, 40):
        with pytest.raises(Tampered):
            ask(their_witness, FORK, fork)
    with pytest.raises(Tampered, match="has seen 9 entries"):
        ask(their_witness, LEAVES, 8)
    with pytest.raises(Unavailable, match="answered 403"):
        ask(their_witness, LEAVES, 12, Ed25519PrivateKey.generate())
    assert ask(their_witness, LEAVES, 40).witness == their_witness[1]


def test_their_verifier_takes_our_cosignatures_and_refuses_changed_ones() -> None:
    key = Ed25519PrivateKey.from_private_bytes(sha256(b"witness").digest())
    ours = WitnessKey(name="witness.example.org/ours", public=key.public_key().public_bytes_raw())
    plain = checkpoint(LEAVES)
    good = plain + cosign(note.parse(plain).text, ours.name, key, NOW).line().encode()
    bad = plain + cosign(note.parse(checkpoint(FORK)).text, ours.name, key, NOW).line().encode()
    keys = note.vkey(ORIGIN, LOG.public_key()), ours.text()
    assert judge(VERIFY, *keys, stdin=good) == "verified 40"
    assert judge(VERIFY, *keys, stdin=bad) == "refused 40"
    assert judge(VERIFY, *keys, stdin=plain) == "refused 40"
