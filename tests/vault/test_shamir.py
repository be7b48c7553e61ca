"""The arithmetic of SLIP-0039, judged by the format's reference implementation and by its published vectors."""

import os
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import cipher
from shamir_mnemonic import shamir as reference

from breakglass.vault import shamir
from breakglass.vault.box import random_key
from breakglass.vault.share_text import decode, encode
from breakglass.vault.shares import combine, split


@settings(max_examples=30)
@given(st.integers(2, 5), st.integers(0, 3), st.binary(min_size=32, max_size=32))
def test_any_k_make_it_again(k: int, more: int, secret: bytes):
    values = shamir.share(secret, k, k + more)
    for chosen in list(combinations(range(k + more), k))[:10]:
        assert shamir.recover({x: values[x] for x in chosen}) == secret


def test_the_order_of_points_does_not_matter():
    values = shamir.share(os.urandom(32), 3, 3)
    assert len({bytes(shamir.recover({x: values[x] for x in order})) for order in permutations(range(3))}) == 1


def test_values_of_two_sharings_do_not_fit():
    one, other = shamir.share(bytes(32), 2, 2), shamir.share(bytes(32), 2, 2)
    with pytest.raises(shamir.DoesNotFit):
        shamir.recover({0: one[0], 1: other[1]})


@pytest.mark.parametrize(("k", "n"), [(2, 3), (3, 5), (2, 2), (16, 16)])
def test_the_reference_opens_our_shares(k: int, n: int):
    """Whoever has k of the papers needs nothing of ours to make the key again."""
    key = random_key()
    made = split(key, k, n)
    words = [encode(share) for share in made.shares]
    assert reference.combine_mnemonics(words[-k:]) == key.reveal()
    with pytest.raises(Exception, match="Wrong number of mnemonics"):
        reference.combine_mnemonics(words[: k - 1])


def test_we_open_shares_of_the_reference():
    secret = os.urandom(32)
    [words] = reference.generate_mnemonics(1, [(3, 5)], secret, extendable=False, iteration_exponent=0)
    found = [decode(one) for one in words[1:4]]
    sealed = shamir.recover({one.index - 1: one.value.reveal() for one in found})
    assert shamir.decrypt(bytes(sealed), found[0].set_id) == secret


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**15 - 1),
    st.binary(max_size=10),
    st.integers(0, 2),
    st.booleans(),
)
@settings(max_examples=20)
def test_encryption_is_the_references(secret: bytes, identifier: int, passphrase: bytes, exponent: int, salted: bool):
    sealed = shamir.encrypt(secret, identifier, passphrase=passphrase, exponent=exponent, salted=salted)
    assert sealed == cipher.encrypt(secret, passphrase, exponent, identifier, not salted)
    assert shamir.decrypt(sealed, identifier, passphrase=passphrase, exponent=exponent, salted=salted) == secret


def test_a_share_alone_is_the_whole_thing():
    key = random_key()
    made = split(key, 1, 1, alone=True)
    assert combine(made.shares, made.public).reveal() == key.reveal()
    assert reference.combine_mnemonics([encode(made.shares[0])]) == key.reveal()
