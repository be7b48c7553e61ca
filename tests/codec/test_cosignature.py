"""Cosignatures against the published example, and requests to witnesses; nothing else passes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import note
from breakglass.codec.cosignature import (
    AddCheckpoint,
    WitnessKey,
    cosign,
    cosigned,
    parse_add_checkpoint,
    parse_lines,
    parse_witness_key,
)
from breakglass.errors import BadSignature, Malformed

KEY = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
LOG = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
WITNESS = WitnessKey(name="witness.example.com/w1", public=KEY.public_key().public_bytes_raw())
CHECKPOINT = note.sign(note.Checkpoint(origin="log.example.org", size=3, root=bytes(32)).body(), "log.example.org", LOG)
TIME = 1679315147
# The request in the C2SP tlog-witness specification.
PUBLISHED = b"""old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

""" + (
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
).encode()


def below(*lines: note.Signature) -> note.Note:
    plain = note.parse(CHECKPOINT)
    return replace(plain, signatures=(*plain.signatures, *lines))


def test_the_published_request_is_read_and_written_byte_for_byte() -> None:
    read = parse_add_checkpoint(PUBLISHED)
    assert (read.old, len(read.proof)) == (20852014, 4)
    assert read.encode() == PUBLISHED
    assert note.parse_checkpoint(note.parse(read.checkpoint).text).size == 20852163


def test_the_published_cosignature_has_the_time_of_its_example() -> None:
    line = note.parse(
        "a\n\n— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
        "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n".encode()
    ).signatures[0]
    assert len(line.signature) == 72
    assert int.from_bytes(line.signature[:8], "big") == TIME


def test_a_witness_s_line_holds_and_names_its_time() -> None:
    found = cosigned(below(cosign(note.parse(CHECKPOINT).text, WITNESS.name, KEY, TIME)), [WITNESS])
    assert [(one.witness, one.time) for one in found] == [(WITNESS, TIME)]
    assert parse_witness_key(WITNESS.text()) == WITNESS


def test_lines_by_others_count_for_nothing() -> None:
    text = note.parse(CHECKPOINT).text
    other = cosign(text, WITNESS.name, LOG, TIME)  # the name alone
    plain = note.parse(note.sign(text, WITNESS.name, KEY)).signatures[0]  # its key, but no cosignature
    assert not cosigned(below(other, plain), [WITNESS])


@pytest.mark.parametrize("at", [0, 7, 8, 71])
def test_a_changed_time_or_signature_spoils_the_line(at: int) -> None:
    good = cosign(note.parse(CHECKPOINT).text, WITNESS.name, KEY, TIME)
    raw = bytearray(good.signature)
    raw[at] ^= 1
    for bad in (bytes(raw), good.signature[:-1], good.signature + b"\0"):
        with pytest.raises(BadSignature):
            cosigned(below(replace(good, signature=bad)), [WITNESS])


def test_a_cosignature_of_another_checkpoint_does_not_hold() -> None:
    with pytest.raises(BadSignature):
        cosigned(below(cosign("another\n", WITNESS.name, KEY, TIME)), [WITNESS])


def test_an_answer_is_lines_below_the_checkpoint_and_nothing_else() -> None:
    line = cosign(note.parse(CHECKPOINT).text, WITNESS.name, KEY, TIME)
    assert cosigned(parse_lines(line.line().encode(), CHECKPOINT), [WITNESS])
    for bad in (b"x", b"\n" + line.line().encode(), line.line().encode()[:-1], b"text\n\n" + line.line().encode()):
        with pytest.raises(Malformed):
            parse_lines(bad, CHECKPOINT)


def test_a_log_s_key_is_no_witness_s_key() -> None:
    log = note.vkey("log.example.org", LOG.public_key())
    for bad in (log, WITNESS.text() + "\n", WITNESS.text().replace("+", "-", 1), ""):
        with pytest.raises(Malformed):
            parse_witness_key(bad)


@given(st.integers(0, 10**18 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63).map(tuple))
def test_requests_are_read_as_written(old: int, proof: tuple[bytes, ...]) -> None:
    asked = AddCheckpoint(old=old, proof=proof, checkpoint=CHECKPOINT)
    assert parse_add_checkpoint(asked.encode()) == asked


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"old 1\n",
        b"old 01\n\n",
        b"old -1\n\n",
        b"old  1\n\n",
        b"OLD 1\n\n",
        b"old 1\r\n\n",
        b"old 1\nAAAA\n\n",
        b"old 1\n" + b"A" * 43 + b"\n\n",
        b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\n",
        "old 1\n\u00e4\n\n".encode(),
    ],
)
def test_requests_of_another_shape_are_refused(bad: bytes) -> None:
    with pytest.raises(Malformed):
        parse_add_checkpoint(bad + CHECKPOINT if bad.endswith(b"\n\n") else bad)


# -- our vectors, for whoever writes another verifier -----------------------------------------------------------------
VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs/formats/vectors/cosignatures.json").read_text())


def test_the_vectors_hold() -> None:
    checkpoint, private = VECTORS["checkpoint"].encode(), bytes.fromhex(VECTORS["witness"]["private"])
    text = note.verify(checkpoint, [VECTORS["log"]]).text
    key = Ed25519PrivateKey.from_private_bytes(private)
    assert cosign(text, VECTORS["witness"]["name"], key, VECTORS["time"]).line() == VECTORS["cosignature"]
    witness = parse_witness_key(VECTORS["witness"]["vkey"])
    [found] = cosigned(parse_lines(VECTORS["cosignature"].encode(), checkpoint), [witness])
    assert found.time == VECTORS["time"]
    assert AddCheckpoint(old=0, proof=(), checkpoint=checkpoint).encode().decode() == VECTORS["request"]


@pytest.mark.parametrize("name", VECTORS["refused"])
def test_the_refused_vectors_are_refused(name: str) -> None:
    witness = parse_witness_key(VECTORS["witness"]["vkey"])
    with pytest.raises(BadSignature):
        cosigned(parse_lines(VECTORS["refused"][name].encode(), VECTORS["checkpoint"].encode()), [witness])
