"""Any k of n shares make the key, k - 1 don't, and a wrong one is named."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.vault import shamir, shares
from breakglass.vault.box import random_key
from breakglass.vault.field import invert, multiply
from breakglass.vault.shares import NotEnoughShares, WrongShare, combine, split

BYTE = st.integers(0, 255)


def slow_product(a: int, b: int) -> int:
    """Schoolbook: multiply the polynomials, then divide by x^8 + x^4 + x^3 + x + 1."""
    product = 0
    for place in range(8):
        if b & 1 << place:
            product ^= a << place
    for place in range(15, 7, -1):
        if product & 1 << place:
            product ^= 0b1_0001_1011 << (place - 8)
    return product


def test_multiplication_is_the_fields_everywhere():
    assert all(multiply(a, b) == slow_product(a, b) for a in range(256) for b in range(256))


def test_known_products_of_fips_197():
    assert multiply(0x57, 0x83) == 0xC1  # section 4.2
    assert multiply(0x57, 0x13) == 0xFE  # section 4.2.1


def test_every_inverse():
    assert all(multiply(a, invert(a)) == 1 for a in range(1, 256))
    assert invert(0) == 0


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.data())
def test_every_subset_of_k_combines_in_any_order(raw: bytes, data: st.DataObject):
    n = data.draw(st.integers(2, 5))
    k = data.draw(st.integers(2, n))
    made = split(Secret(raw), k, n)
    for chosen in combinations(made.shares, k):
        assert combine(data.draw(st.permutations(chosen)), made.public).reveal() == raw
    assert combine(made.shares, made.public).reveal() == raw


@pytest.mark.parametrize(("k", "n"), [(2, 2), (3, 5), (16, 16), (2, 16)])
def test_fewer_than_k_do_not(k: int, n: int):
    made = split(random_key(), k, n)
    with pytest.raises(NotEnoughShares, match=f"{k - 1} of {k}"):
        combine(made.shares[: k - 1], made.public)
    assert combine(made.shares[-k:], made.public)


def test_k_minus_one_shares_fit_every_secret():
    # Perfect secrecy, shown: beside a fixed share, each value of a byte has exactly one other share that makes it.
    made = split(Secret(bytes(32)), 2, 2)
    first = made.shares[0].value.reveal()
    points = ({0: first, 1: bytes([value]) + bytes(31)} for value in range(256))
    reached = {shamir.interpolate(one, 255)[0] for one in points}
    assert reached == set(range(256))


def test_shares_of_one_secret_differ_each_time():
    key = random_key()
    assert split(key, 2, 3).shares[0].value.reveal() != split(key, 2, 3).shares[0].value.reveal()


@given(st.integers(0, 2), st.integers(0, 31), st.integers(1, 255))
def test_a_changed_share_is_named(which: int, place: int, flip: int):
    made = MADE
    raw = bytearray(made.shares[which].value.reveal())
    raw[place] ^= flip
    given_in = list(made.shares)
    given_in[which] = replace(given_in[which], value=Secret(raw))
    with pytest.raises(WrongShare, match=f"Share {which + 1} ") as refused:
        combine(given_in, made.public)
    assert refused.value.index == which + 1
    assert refused.value.what_to_do
    assert raw.hex() not in str(refused.value)


MADE = split(random_key(), 2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"index": 2},
        {"index": 0},
        {"index": 4},
        {"k": 3},
        {"value": Secret(b"short")},
        {"value": Secret(bytes(33))},
    ],
)
def test_a_share_under_other_numbers_is_wrong(change: dict):
    with pytest.raises(WrongShare):
        shares.check(replace(MADE.shares[0], **change), MADE.public)


def test_a_share_of_another_set_is_told_apart():
    other = split(random_key(), 2, 3)
    with pytest.raises(WrongShare, match="another set"):
        combine([MADE.shares[0], other.shares[1]], MADE.public)


def test_one_share_twice_counts_once():
    with pytest.raises(NotEnoughShares):
        combine([MADE.shares[0]] * 2, MADE.public)
    assert combine([MADE.shares[0], *MADE.shares[:2]], MADE.public)


def test_a_changed_digest_is_tampering():
    digest = replace(MADE.public.digest, digest=bytes(32))
    with pytest.raises(Tampered, match="public part"):
        combine(MADE.shares, replace(MADE.public, digest=digest))


@pytest.mark.parametrize(("k", "n"), [(1, 1), (1, 2), (0, 2), (3, 2), (2, 17), (17, 17)])
def test_impossible_numbers_are_refused(k: int, n: int):
    with pytest.raises(ValueError, match="2 <= k"):
        split(random_key(), k, n)
    if (k, n) != (1, 1):
        with pytest.raises(ValueError, match="2 <= k"):
            split(random_key(), k, n, alone=True)


def test_one_of_one_only_when_asked_for():
    key = random_key()
    made = split(key, 1, 1, alone=True)
    assert combine(made.shares, made.public).reveal() == key.reveal()


def test_only_keys_are_shared():
    with pytest.raises(ValueError, match="32-byte"):
        split(Secret(b"a password"), 2, 3)


def test_nothing_shows_a_share():
    assert MADE.shares[0].value.reveal().hex() not in repr(MADE)
    assert repr(MADE.shares[0].value.reveal()) not in repr(MADE)
