"""The published vectors of the log: made by the script, judged by our code as they say, and partly by hand."""

import importlib.util
import json
from base64 import b64decode
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from breakglass.audit import event
from breakglass.audit.tiles import unbundle
from breakglass.codec import note, tlog_proof
from breakglass.errors import Refused, Tampered
from breakglass.trust.next_log import key_of
from breakglass.trust.tree import Frontier, leaf_hash, verify_consistency, verify_inclusion
from tests.audit.kit import founding

TOP = Path(__file__).resolve().parents[2]
LOG: dict[str, Any] = json.loads((TOP / "docs/formats/vectors/log.json").read_text())
LEAVES = [one.encode() for one in LOG["leaves"]]
ROOTS = [bytes.fromhex(one) for one in LOG["roots"]]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("log_vectors", TOP / "tools" / "log_vectors.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(vectors: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in vectors]


def test_the_script_makes_this_file() -> None:
    assert (TOP / "docs/formats/vectors/log.json").read_text() == script().content()


def test_leaves_hashes_and_roots_by_hand() -> None:
    """As RFC 6962, 2.1 says it, with none of our code."""

    def root(hashes: list[bytes]) -> bytes:
        if len(hashes) < 2:
            return hashes[0] if hashes else sha256(b"").digest()
        split = 1
        while split * 2 < len(hashes):
            split *= 2
        return sha256(b"\1" + root(hashes[:split]) + root(hashes[split:])).digest()

    hashes = [sha256(b"\0" + one).digest() for one in LEAVES]
    assert [one.hex() for one in hashes] == LOG["leaf_hashes"]
    assert [root(hashes[:n]) for n in range(len(hashes) + 1)] == ROOTS
    for size, expected in LOG["decimal_roots"].items():
        if int(size) < 2000:
            assert root([sha256(b"\0" + str(n).encode()).digest() for n in range(int(size))]).hex() == expected
    assert all(json.loads(one)["v"] == 1 and event.parse(one) for one in LEAVES)


def test_the_tree_grows_as_they_say() -> None:
    tree, wanted = Frontier(), dict(LOG["decimal_roots"])
    for size in range(max(map(int, wanted)) + 1):
        if expected := wanted.pop(str(size), None):
            assert tree.root().hex() == expected
        tree.add(leaf_hash(str(size).encode()))
    assert not wanted


def test_every_proof_holds_and_no_other_one() -> None:
    hashes = [leaf_hash(one) for one in LEAVES]
    for one in LOG["inclusion"]:
        index, size, proof = one["index"], one["size"], [bytes.fromhex(each) for each in one["proof"]]
        verify_inclusion(hashes[index], index, size, proof, ROOTS[size])
        for wrong in (proof[:-1], [*proof, ROOTS[1]], [ROOTS[1], *proof[1:]]):
            if wrong != proof:
                with pytest.raises(Tampered):
                    verify_inclusion(hashes[index], index, size, wrong, ROOTS[size])
    for one in LOG["consistency"]:
        old, new, proof = one["old"], one["new"], [bytes.fromhex(each) for each in one["proof"]]
        verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
        for wrong in (proof[:-1], [*proof, ROOTS[1]]):
            with pytest.raises(Tampered):
                verify_consistency(old, ROOTS[old], new, ROOTS[new], wrong)
    assert len(LOG["inclusion"]) == 28
    assert len(LOG["consistency"]) == 21


@pytest.mark.parametrize("vector", LOG["checkpoints"], ids=names(LOG["checkpoints"]))
def test_checkpoints(vector: dict[str, Any]) -> None:
    assert _says(vector["note"]) == vector["verdict"]


def _says(text: str) -> str:
    try:
        found = note.parse_checkpoint(note.verify(text.encode(), [LOG["vkey"]]).text)
    except (Refused, Tampered):
        return "bad"
    ours = found.origin == LOG["origin"] and not found.extensions
    return "good" if ours and found.root == ROOTS[found.size] else "bad"


@pytest.mark.parametrize("vector", LOG["proofs"], ids=names(LOG["proofs"]))
def test_proof_files(vector: dict[str, Any]) -> None:
    try:
        proof = tlog_proof.read(vector["proof"].encode())
        head = note.parse_checkpoint(note.verify(proof.checkpoint, [LOG["vkey"]]).text)
        verify_inclusion(leaf_hash(LEAVES[vector["leaf"]]), proof.index, head.size, proof.hashes, head.root)
        verdict = "good"
    except (Refused, Tampered):
        verdict = "bad"
    assert verdict == vector["verdict"]


def test_no_bad_one_is_a_good_one() -> None:
    for part, text in (("checkpoints", "note"), ("proofs", "proof")):
        said = [(one[text], one.get("leaf")) for one in LOG[part]]
        assert len(set(said)) == len(said)
        verdicts = [one["verdict"] for one in LOG[part]]
        assert verdicts.count("good") > 1
        assert verdicts.count("bad") > 8


def test_tiles() -> None:
    assert set(LOG["tiles"]) == {"tile/0/000.p/7", "tile/entries/000.p/7"}
    assert b64decode(LOG["tiles"]["tile/0/000.p/7"]).hex() == "".join(LOG["leaf_hashes"])
    assert list(unbundle(b64decode(LOG["tiles"]["tile/entries/000.p/7"]))) == LEAVES


def test_the_keys_of_next_logs() -> None:
    """The same key under another name, whatever the roster: here that of the tests, with its own key."""
    for one in LOG["next_logs"]:
        assert note.parse_vkey(one["vkey"]).public == note.parse_vkey(LOG["vkey"]).public
        assert note.parse_vkey(one["vkey"]).name == one["origin"] == f"{LOG['origin']}/{one['number']}"
        assert key_of(founding()[0], one["number"]).origin == one["origin"]
