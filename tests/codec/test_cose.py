"""Passkeys' public keys: one key has one form, and nothing else is read."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, SECP384R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import cose
from breakglass.errors import Malformed
from tests.authenticator import Passkey

KINDS = ("ES256", "EdDSA", "RS256")
ES256, EDDSA, RS256 = (Passkey("cose", kind).cose for kind in KINDS)
X, Y = ES256[10:42], ES256[45:77]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_and_verifies(kind: str) -> None:
    passkey = Passkey("cose", kind)
    key = cose.read(passkey.cose)
    assert cose.write(key) == passkey.cose
    cose.check(key, passkey.raw_sign(b"data"), b"data")
    with pytest.raises(InvalidSignature):
        cose.check(key, passkey.raw_sign(b"data"), b"date")


def test_the_bytes_are_those_of_the_standard() -> None:
    """By hand, member by member: RFC 9053 and CTAP2's order."""
    assert bytes.fromhex("a5010203262001215820") + X + bytes.fromhex("225820") + Y == ES256
    assert EDDSA[:-32] == bytes.fromhex("a4010103272006215820")
    assert RS256[:10] == bytes.fromhex("a401030339010020590100")[:10]
    assert RS256[-5:] == bytes.fromhex("2143010001")
    assert max(map(len, (ES256, EDDSA, RS256))) < cose.KEY_MAX


def test_the_largest_key_fits() -> None:
    assert len(cose.write(generate_rsa(65537, 4096).public_key())) == 528


@pytest.mark.parametrize("data", [ES256, EDDSA, RS256], ids=KINDS)
def test_cut_short_or_continued(data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(Malformed):
            cose.read(data[:end])
    for more in (b"\x00", b"\xff", data):
        with pytest.raises(Malformed):
            cose.read(data + more)


@given(st.sampled_from([ES256, EDDSA, RS256]), st.data())
def test_a_changed_byte_is_another_key_or_none(data: bytes, draw: st.DataObject) -> None:
    changed = bytearray(data)
    changed[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    try:
        key = cose.read(bytes(changed))
    except Malformed:
        return
    assert cose.write(key) == changed


@given(st.binary(max_size=700))
def test_any_bytes_are_a_key_or_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        cose.read(data)


def ec(*members: bytes, head: str = "a5") -> bytes:
    return bytes.fromhex(head) + b"".join(members)


KTY, ALG, CRV = bytes.fromhex("0102"), bytes.fromhex("0326"), bytes.fromhex("2001")
AT_X, AT_Y = bytes.fromhex("215820") + X, bytes.fromhex("225820") + Y
OTHERS = {
    "an indefinite map": ec(KTY, ALG, CRV, AT_X, AT_Y, b"\xff", head="bf"),
    "indefinite bytes": ec(KTY, ALG, CRV, b"\x21\x5f\x58\x20" + X + b"\xff", AT_Y),
    "members in another order": ec(KTY, ALG, CRV, AT_Y, AT_X),
    "the algorithm first": ec(ALG, KTY, CRV, AT_X, AT_Y),
    "a length that is longer than it must be": ec(KTY, ALG, CRV, b"\x21\x59\x00\x20" + X, AT_Y),
    "a map's length that is longer than it must be": ec(KTY, ALG, CRV, AT_X, AT_Y, head="b805"),
    "a number that is longer than it must be": ec(b"\x01\x18\x02", ALG, CRV, AT_X, AT_Y),
    "a length of four bytes": ec(KTY, ALG, CRV, b"\x21\x5a\x00\x00\x00\x20" + X, AT_Y),
    "a length of eight bytes": ec(KTY, ALG, CRV, b"\x21\x5b" + bytes(7) + b"\x20" + X, AT_Y),
    "a huge length": ec(KTY, ALG, CRV, b"\x21\x59\xff\xff" + X, AT_Y),
    "a member twice": ec(KTY, KTY, ALG, CRV, AT_X),
    "a member more": ec(KTY, ALG, CRV, AT_X, AT_Y, b"\x23\x01", head="a6"),
    "a key id": ec(KTY, b"\x02\x41\x01", ALG, CRV, AT_X, AT_Y, head="a6"),
    "a member too few": ec(KTY, ALG, CRV, AT_X, head="a4"),
    "a member under a text": ec(b"\x61\x31\x02", ALG, CRV, AT_X, AT_Y),
    "a member under bytes": ec(b"\x41\x01\x02", ALG, CRV, AT_X, AT_Y),
    "y as a sign": ec(KTY, ALG, CRV, AT_X, b"\x22\xf5"),
    "a tag": b"\xc2" + ES256,
    "an array": b"\x85" + ES256[1:],
    "maps in maps": b"\xa1\x01" * 200,
    "the algorithm of another key": ec(KTY, b"\x03\x27", CRV, AT_X, AT_Y),
    "P-384's number": ec(KTY, ALG, b"\x20\x02", AT_X, AT_Y),
    "a short x": ec(KTY, ALG, CRV, b"\x21\x58\x1f" + X[:31], AT_Y),
    "a longer x": ec(KTY, ALG, CRV, b"\x21\x58\x21\x00" + X, AT_Y),
    "not on the curve": ec(KTY, ALG, CRV, AT_X, b"\x22\x58\x20" + bytes(31) + b"\x01"),
    "nowhere": ec(KTY, ALG, CRV, b"\x21\x58\x20" + bytes(32), b"\x22\x58\x20" + bytes(32)),
    "a short Edwards key": EDDSA[:-33] + b"\x1f" + EDDSA[-31:],
    "an empty modulus": bytes.fromhex("a4010303390100204021430100 01".replace(" ", "")),
    "an even exponent": RS256[:-3] + b"\x01\x00\x00",
    "an exponent that is too large": RS256[:-4] + b"\x49\x01" + bytes(7) + b"\x01",
    "a modulus with a zero before it": RS256[:8] + b"\x59\x01\x01\x00" + RS256[11:],
    "an RSA key of 1,024 bits": bytes.fromhex("a401030339010020588 0".replace(" ", "")) + b"\xc1" * 128 + RS256[-5:],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_forms_are_malformed(name: str) -> None:
    with pytest.raises(Malformed):
        cose.read(OTHERS[name])


def test_the_hand_made_forms_begin_from_a_good_one() -> None:
    assert ec(KTY, ALG, CRV, AT_X, AT_Y) == ES256
    assert RS256[7:11] == b"\x20\x59\x01\x00"


def test_keys_that_no_passkey_of_ours_has_are_not_written() -> None:
    keys: list[cose.Key] = [generate_rsa(65537, 1024).public_key()]  # noqa: S505 (it must be refused)
    keys += [derive_private_key(5, curve).public_key() for curve in (SECP384R1(), SECP256K1())]
    for key in keys:
        with pytest.raises(Malformed, match="won't do"):
            cose.write(key)


def test_huge_inputs_end_at_once() -> None:
    with pytest.raises(Malformed, match="longer than"):
        cose.read(ES256 + bytes(10_000_000))
