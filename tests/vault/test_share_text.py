"""A custodian's share in words. How typing errors are told is the format's own test (tests/codec/test_slip39.py)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import slip39
from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.standalone import open_kit
from breakglass.vault.share_text import WORDS, decode, encode
from breakglass.vault.shares import MAX_SHARES, Share, set_name


def a_share(value: bytes = bytes(range(32)), *, index: int = 3, k: int = 2) -> Share:
    return Share(set_id=4711, index=index, k=k, value=Secret(value))


@given(st.integers(0, 2**15 - 1), st.integers(1, MAX_SHARES), st.integers(1, 16), st.binary(min_size=32, max_size=32))
def test_there_and_back(set_id: int, index: int, k: int, value: bytes):
    text = encode(Share(set_id=set_id, index=index, k=k, value=Secret(value)))
    assert len(text.split()) == WORDS
    assert text.startswith(f"{set_name(set_id)} ")
    back = decode(text)
    assert (back.set_id, back.index, back.k, back.value.reveal()) == (set_id, index, k, value)
    # The opener that people take along reads the same.
    alone = open_kit.Share(text)
    assert (alone.set, alone.index, alone.k, alone.value) == (set_id, index, k, value)
    assert open_kit.begins(set_id) == set_name(set_id)


def test_this_text_stays_readable_for_ever():
    # A vector: shares are printed and kept for years.
    assert encode(a_share()) == VECTOR
    assert decode(VECTOR).value.reveal() == bytes(range(32))


VECTOR = (
    "climate disaster academic always academic acid adequate apart echo educate alive category method "
    "liberty apart describe teammate scandal beard entrance declare airline blue frequent legend endorse "
    "bumpy hush soldier lunar desktop bundle miracle"
)


@pytest.mark.parametrize(
    "change",
    [{"extendable": True}, {"exponent": 1}, {"group": 1, "groups": 2}, {"groups": 2}, {"value": bytes(34)}],
)
def test_a_share_of_another_program_is_refused(change: dict):
    whole = slip39.decode(VECTOR)
    fields = {name: getattr(whole, name) for name in whole.__dataclass_fields__}
    with pytest.raises(Malformed):
        decode(slip39.encode(slip39.Mnemonic(**fields | change)))


def test_the_opener_names_places_too():
    words = VECTOR.split()
    for wrong, said in (
        ([*words[:7], "zero", *words[8:]], "most likely in word 8"),
        ([*words[:7], "qqqq", *words[8:]], "Word 8 can't"),
        (words[:-1], "these are 32"),
    ):
        with pytest.raises(open_kit.Bad, match=said):
            open_kit.Share(" ".join(wrong))


def test_the_opener_has_the_same_list():
    there = (Path(slip39.__file__).parent / "slip39_words.txt").read_text().split()
    assert there == open_kit.LIST
