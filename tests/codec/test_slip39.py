"""Words: the published vectors, all of them, and whatever people get wrong when they type."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import wordlist

from breakglass.codec import slip39
from breakglass.codec.slip39 import Mnemonic
from breakglass.errors import Malformed
from breakglass.vault import shamir

VECTORS = json.loads(Path(__file__).with_name("slip39_vectors.json").read_text())
"""Of python-shamir-mnemonic: name, words, and the secret in hexadecimal, empty where it must be refused. The
passphrase of each is TREZOR."""


def opened(words: Sequence[str]) -> str:
    """What a set of shares opens to, groups and all; Breakglass's own have one. "" where it does not open."""
    try:
        found = [slip39.decode(text) for text in words]
    except Malformed:
        return ""
    common = {(m.identifier, m.extendable, m.exponent, m.groups_needed, m.groups) for m in found}
    groups: dict[int, list[Mnemonic]] = defaultdict(list)
    for one in found:
        groups[one.group].append(one)
    if len(common) != 1 or len(groups) != found[0].groups_needed:
        return ""
    points = {}
    try:
        for number, members in groups.items():
            values = {one.member: one.value for one in members}
            if {one.members_needed for one in members} != {len(members)} or len(values) != len(members):
                return ""
            points[number] = bytes(shamir.recover(values))
        sealed = shamir.recover(points)
    except shamir.DoesNotFit:
        return ""
    one = found[0]
    return shamir.decrypt(
        bytes(sealed), one.identifier, passphrase=b"TREZOR", exponent=one.exponent, salted=not one.extendable
    ).hex()


@pytest.mark.parametrize(("words", "secret"), [v[1:] for v in VECTORS], ids=[v[0] for v in VECTORS])
def test_the_published_vectors(words: list[str], secret: str):
    assert opened(words) == secret


def test_the_vectors_are_all_there():
    assert len(VECTORS) == 45
    assert sum(bool(secret) for _, _, secret in VECTORS) == 15


def test_the_list_is_the_formats():
    assert list(slip39._words()) == list(wordlist.WORDLIST)


@given(
    st.integers(0, 2**15 - 1),
    st.booleans(),
    st.lists(st.integers(0, 15), min_size=4, max_size=4),
    st.binary(min_size=16, max_size=32).filter(lambda one: len(one) % 2 == 0),
)
def test_there_and_back(identifier: int, extendable: bool, fours: list[int], value: bytes):
    share = Mnemonic(
        identifier=identifier,
        extendable=extendable,
        exponent=fours[0],
        group=fours[1],
        groups_needed=min(fours[2:]) + 1,
        groups=max(fours[2:]) + 1,
        member=fours[2],
        members_needed=fours[3] + 1,
        value=value,
    )
    words = slip39.encode(share)
    assert slip39.decode(words) == share
    assert words.startswith(slip39.start(identifier, extendable=extendable, exponent=fours[0]) + " ")


[WORDS, OTHER] = [text.split() for text in VECTORS[22][1]]
WHOLE = slip39.decode(" ".join(WORDS))
LIST = wordlist.WORDLIST


def refusal(words: Sequence[str]) -> str:
    with pytest.raises(Malformed) as refused:
        slip39.decode(" ".join(words), length=33)
    said = f"{refused.value} {refused.value.what_to_do} {refused.value.__cause__} {refused.value.__context__}"
    assert not [word for word in words if f" {word} " in said and word in LIST and word not in ("most", "likely")]
    return str(refused.value)


@pytest.mark.parametrize("place", range(33))
def test_every_wrong_word_is_found_and_its_place_named(place: int):
    for step in (1, 2, 512, 777, 1023):
        wrong = list(WORDS)
        wrong[place] = LIST[(LIST.index(WORDS[place]) + step) % 1024]
        if place == 1 and step == 512:  # its first bits say which checksum it is
            refusal(wrong)
        else:
            assert f"word {place + 1} of 33" in refusal(wrong), step


@pytest.mark.parametrize("place", range(33))
def test_a_missing_a_doubled_and_an_unknown_word(place: int):
    without = [*WORDS[:place], *WORDS[place + 1 :]]
    assert "One is missing" in refusal(without)
    twice = [*WORDS[:place], WORDS[place], *WORDS[place:]]
    assert f"Word {place + 1} is one too many" in refusal(twice)
    unknown = [*WORDS[:place], "qqqq", *WORDS[place + 1 :]]
    assert f"Word {place + 1} of 33 can't be right" in refusal(unknown)


def test_where_a_word_is_missing():
    assert "between words 16 and 17" in refusal([*WORDS[:16], *WORDS[17:]])
    assert "at place 1." in refusal(WORDS[1:])
    assert "at place 33." in refusal(WORDS[:-1])


@pytest.mark.parametrize("place", range(32))
def test_exchanged_neighbours_are_named(place: int):
    turned = list(WORDS)
    turned[place], turned[place + 1] = turned[place + 1], turned[place]
    if place not in (0, 1):  # which checksum it is may change with the second word
        assert f"Words {place + 1} and {place + 2} are exchanged" in refusal(turned)
    else:
        refusal(turned)


def test_more_than_that_is_said_as_it_is():
    assert "Several words are wrong" in refusal([*WORDS[:10], *OTHER[10:20], *WORDS[20:]])
    assert "these are 20" in refusal(WORDS[:20])


@settings(max_examples=50)
@given(st.data())
def test_how_it_is_written_does_not_matter(data: st.DataObject):
    text = ""
    for number, word in enumerate(WORDS, 1):
        shown = word[: data.draw(st.integers(4, 8))]
        text += data.draw(st.sampled_from([shown, shown.upper(), shown.capitalize(), f"{number}. {shown}"]))
        text += data.draw(st.sampled_from([" ", "\n", ", ", "  ", " - ", "\t"]))
    assert slip39.decode(text, length=33) == WHOLE


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_anything_else_is_malformed(text: str):
    with pytest.raises(Malformed):
        slip39.decode(text)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(LIST), min_size=33, max_size=33))
def test_any_words_are_malformed(words: list[str]):
    if words != WORDS:
        refusal(words)
