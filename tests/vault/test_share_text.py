"""What people type: errors are found and their group is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.vault.share_text import ALPHABET, GROUPS, decode, encode, set_name
from breakglass.vault.shares import MAX_SHARES, Share


def a_share(value: bytes = bytes(range(32)), *, index: int = 3, k: int = 2, n: int = 5) -> Share:
    return Share(set_id=b"\x01\x23\x45\x67\x89", index=index, k=k, n=n, value=Secret(value))


TEXT = encode(a_share())
GROUPS_OF_TEXT = TEXT.split("-")[1:]


def typed(groups: list[str]) -> str:
    return "-".join(["BGS1", *groups])


@given(st.binary(min_size=5, max_size=5), st.binary(min_size=32, max_size=32), st.data())
def test_there_and_back(set_id: bytes, value: bytes, data: st.DataObject):
    n = data.draw(st.integers(1, MAX_SHARES))
    k, index = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    text = encode(Share(set_id=set_id, index=index, k=k, n=n, value=Secret(value)))
    back = decode(text)
    assert (back.set_id, back.index, back.k, back.n, back.value.reveal()) == (set_id, index, k, n, value)


def test_the_shape_that_people_see():
    assert len(GROUPS_OF_TEXT) == GROUPS
    assert {len(group) for group in GROUPS_OF_TEXT} == {5}
    assert GROUPS_OF_TEXT[2].startswith("3251")  # share 3, 2 needed, of 5, form 1
    assert set_name(a_share().set_id) == f"{GROUPS_OF_TEXT[0][:4]}-{GROUPS_OF_TEXT[1][:4]}"
    assert len(TEXT) == 106


def test_this_text_stays_readable_for_ever():
    # A vector: shares are printed and kept for years.
    assert TEXT == VECTOR
    assert decode(VECTOR).value.reveal() == bytes(range(32))


VECTOR = "BGS1-04HM7-ASW98-3251G-000G1-40R48-0M30V-E209Y-185G3-R38EH-1W816-24GK2-2GAHQ-C5RR4-34D1D-P70XF-3RFG7-FVQVS"


@settings(max_examples=25)
@given(st.data())
def test_case_spaces_dashes_and_look_alikes_do_not_matter(data: st.DataObject):
    loose = ""
    for letter in TEXT.replace("-", ""):
        likes = {"0": "0oO", "1": "1iIlL"}.get(letter, letter + letter.lower())
        loose += data.draw(st.sampled_from(likes)) + data.draw(
            st.sampled_from(["", "", "", " ", "-", "\n", "\u2013", "."])
        )
    assert decode(f"  {loose}\n").value.reveal() == bytes(range(32))


def test_every_single_wrong_letter_is_found_and_its_group_named():
    for at, group in enumerate(GROUPS_OF_TEXT, 1):
        for place, right in enumerate(group):
            for letter in ALPHABET:
                if letter != right:
                    wrong = group[:place] + letter + group[place + 1 :]
                    text = typed([*GROUPS_OF_TEXT[: at - 1], wrong, *GROUPS_OF_TEXT[at:]])
                    with pytest.raises(Malformed, match=rf"typing error in group {at} of 17"):
                        decode(text)


def test_exchanged_letters_of_a_group_are_found():
    share = encode(a_share(bytes(range(7, 231, 7))))
    groups = share.split("-")[1:]
    seen = 0
    for at, group in enumerate(groups, 1):
        for one in range(5):
            for two in range(one + 1, 5):
                if group[one] != group[two]:
                    letters = list(group)
                    letters[one], letters[two] = letters[two], letters[one]
                    seen += 1
                    with pytest.raises(Malformed, match=rf"group {at} of 17"):
                        decode(typed([*groups[: at - 1], "".join(letters), *groups[at:]]))
    assert seen > 100


@given(st.integers(0, 16), st.integers(0, 16))
def test_exchanged_groups_are_found(one: int, two: int):
    groups = list(GROUPS_OF_TEXT)
    groups[one], groups[two] = groups[two], groups[one]
    if one == two:
        assert decode(typed(groups)).index == 3
    else:
        with pytest.raises(Malformed, match="typing error"):
            decode(typed(groups))


@given(st.integers(0, 84), st.booleans())
def test_a_missing_or_doubled_letter_is_found_near_its_group(place: int, doubled: bool):
    letters = "".join(GROUPS_OF_TEXT)
    text = "BGS1" + letters[:place] + letters[place] * 2 * doubled + letters[place + 1 :]
    with pytest.raises(Malformed, match="too long" if doubled else "too short") as refused:
        decode(text)
    assert "number 1." in str(refused.value) or place >= 4


def test_exchanged_shares_of_two_texts_are_found_by_the_last_group():
    other = encode(a_share(bytes(32))).split("-")[1:]
    with pytest.raises(Malformed, match="last check"):
        decode(typed([*GROUPS_OF_TEXT[:5], other[5], *GROUPS_OF_TEXT[6:]]))


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_anything_else_is_malformed(text: str):
    with pytest.raises(Malformed):
        decode(text)
    with pytest.raises(Malformed):
        decode("BGS1" + text)


def test_letters_that_are_in_no_alphabet():
    with pytest.raises(Malformed, match="group 4 of"):
        decode(typed([*GROUPS_OF_TEXT[:3], "UUUUU", *GROUPS_OF_TEXT[4:]]))


def test_the_refusal_tells_no_letters_of_the_share():
    wrong = "Z" + GROUPS_OF_TEXT[6][1:]
    with pytest.raises(Malformed) as refused:
        decode(typed([*GROUPS_OF_TEXT[:6], wrong, *GROUPS_OF_TEXT[7:]]))
    shown = (
        str(refused.value) + refused.value.what_to_do + repr(refused.value.__cause__) + repr(refused.value.__context__)
    )
    assert not any(group in shown for group in (*GROUPS_OF_TEXT, wrong))
