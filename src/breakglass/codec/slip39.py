"""A share as words: SLIP-0039 (SatoshiLabs, "Shamir's Secret-Sharing for Mnemonic Codes"), the text form only.

    identifier 15 · extendable 1 · exponent 4 │ group 4 · groups needed 4 · groups 4 · member 4 · members needed 4
    └──────────── words 1 and 2 ────────────┘ └──────────────────────── words 3 and 4 ──────────────────────────┘
    the share's value, filled up with zero bits before it │ RS1024 checksum, the last 3 words

Each word stands for 10 bits, and its first four letters tell it from all others, so they are enough. What people get
wrong is found and its place is named, never its letters: one wrong word, one that is missing or written twice, and two
neighbours that are exchanged. Arithmetic on the values is `breakglass.vault.shamir`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from breakglass.errors import Malformed

RADIX = 10
"""Bits of one word."""
CHECKSUM = 3
_HEAD = 4
_LEAST_VALUE = 13
"""Words of 128 bits, the smallest secret that the format allows."""
_GENERATOR = (
    0xE0E040, 0x1C1C080, 0x3838100, 0x7070200, 0xE0E0009, 0x1C0C2412, 0x38086C24, 0x3090FC48, 0x21B1F890, 0x3F3F120,
)  # fmt: skip
_BETWEEN = re.compile(r"[\s\d.,;:)\-]+")
"""Numbers and points, too, as a page has them beside its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mnemonic:
    """The fields of one share. Counts are counts (1..16), `group` and `member` are numbers from 0 (0..15)."""

    identifier: int
    extendable: bool
    exponent: int
    group: int
    groups_needed: int
    groups: int
    member: int
    members_needed: int
    value: bytes


def encode(share: Mnemonic) -> str:
    """The words, a space between them."""
    head = share.identifier << 5 | share.extendable << 4 | share.exponent
    for four in (share.group, share.groups_needed - 1, share.groups - 1, share.member, share.members_needed - 1):
        head = head << 4 | four
    bits = len(share.value) * 8
    numbers = [*_spread(head, _HEAD), *_spread(int.from_bytes(share.value, "big"), -(-bits // RADIX))]
    rest = _residue([*numbers, *[0] * CHECKSUM], share.extendable)
    return " ".join(_words()[number] for number in (*numbers, *_spread(rest, CHECKSUM)))


def decode(text: str, *, length: int | None = None) -> Mnemonic:
    """A share as typed. `length`: how many words it must have, where that is known. Raises `Malformed`."""
    typed = words_of(text)
    if wrong := unknown(typed):
        places = ", ".join(map(str, wrong[:5]))
        raise Malformed(
            f"Word{'s' * (len(wrong) > 1)} {places} of {len(typed)} can't be right: no share has such a word.",
            what_to_do="Compare with the original, letter by letter; the first four letters of a word are enough.",
        )
    known = [_numbers()[word] for word in typed]
    if length is not None and len(known) != length:
        raise _wrong_length(known, length)
    if len(known) < _HEAD + _LEAST_VALUE + CHECKSUM:
        raise Malformed("That is too short for a share.", what_to_do="Enter all of its words.")
    extendable = bool(known[1] >> 4 & 1)
    if residue := _residue(known, extendable):
        raise _wrong_checksum(known, residue, extendable)
    return _fields(known)


def words_of(text: str) -> list[str]:
    """The words of a text as typed; numbers and points between them are left out."""
    return [word for word in _BETWEEN.split(text.lower()) if word]


def unknown(words: Sequence[str]) -> list[int]:
    """The places, from 1, of words that the format does not have."""
    return [place for place, word in enumerate(words, 1) if word not in _numbers()]


def start(identifier: int, *, extendable: bool = False, exponent: int = 0) -> str:
    """The two words with which every share of a set begins."""
    return " ".join(_words()[number] for number in _spread(identifier << 5 | extendable << 4 | exponent, 2))


def _fields(numbers: Sequence[int]) -> Mnemonic:
    head, value = _gathered(numbers[:_HEAD]), numbers[_HEAD:-CHECKSUM]
    fours = [head >> shift & 15 for shift in (16, 12, 8, 4, 0)]
    spare = len(value) * RADIX % 16
    size = (len(value) * RADIX - spare) // 8
    number = _gathered(value)
    if spare > 8 or number >> size * 8 or fours[1] > fours[2]:
        raise Malformed("These words are no share.", what_to_do="Is it the right paper? Enter it again.")
    return Mnemonic(
        identifier=head >> 25,
        extendable=bool(head >> 24 & 1),
        exponent=head >> 20 & 15,
        group=fours[0],
        groups_needed=fours[1] + 1,
        groups=fours[2] + 1,
        member=fours[3],
        members_needed=fours[4] + 1,
        value=number.to_bytes(size, "big"),
    )


# what went wrong -----------------------------------------------------------------------------------------------------


def _wrong_length(numbers: Sequence[int], length: int) -> Malformed:
    says = f"A share has {length} words, and these are {len(numbers)}."
    if len(numbers) == length - 1 and (place := _missing(numbers)):
        where = f"between words {place - 1} and {place}" if 1 < place < length else f"at place {place}"
        return Malformed(f"{says} One is missing {where}.", what_to_do="Enter the share again, with that word.")
    if len(numbers) == length + 1 and (place := _too_many(numbers)):
        return Malformed(f"{says} Word {place} is one too many.", what_to_do="Enter the share again, without it.")
    return Malformed(says, what_to_do="Enter all of the share's words, each once, in their order.")


def _wrong_checksum(numbers: Sequence[int], residue: int, extendable: bool) -> Malformed:
    for place, image in _images(len(numbers)):
        if residue in image:
            return Malformed(
                f"One word is wrong, most likely word {place} of {len(numbers)}.",
                what_to_do="Compare that word with the original.",
            )
    for place in range(1, len(numbers)):
        turned = [*numbers[: place - 1], numbers[place], numbers[place - 1], *numbers[place + 1 :]]
        if not _residue(turned, extendable):
            return Malformed(
                f"Words {place} and {place + 1} are exchanged.", what_to_do="Compare their order with the original."
            )
    return Malformed(
        "Several words are wrong: the share's checksum does not fit.",
        what_to_do="Compare every word with the original, and enter the share again.",
    )


def _missing(numbers: Sequence[int]) -> int:
    """Where one word is missing, from 1; 0 where that is not all."""
    for place, image in _images(len(numbers) + 1):
        tried = [*numbers[: place - 1], 0, *numbers[place - 1 :]]
        residue = _residue(tried, bool(tried[1] >> 4 & 1))
        if not residue or residue in image:
            return place
    return 0


def _too_many(numbers: Sequence[int]) -> int:
    for place in range(1, len(numbers) + 1):
        tried = [*numbers[: place - 1], *numbers[place:]]
        if not _residue(tried, bool(tried[1] >> 4 & 1)):
            return place
    return 0


def _images(length: int) -> Iterator[tuple[int, frozenset[int]]]:
    """For each place, the residues that one wrong word there can leave. The code is linear, so they are the same for
    every share; two places have none in common, as its distance is four."""
    for place in range(1, length + 1):
        tail = [0] * (length - place)
        found = [0]
        for bit in range(RADIX):
            basis = _polymod([1 << bit, *tail], 0)
            found += [one ^ basis for one in found]
        yield place, frozenset(found[1:])


# RS1024 --------------------------------------------------------------------------------------------------------------


def _residue(numbers: Sequence[int], extendable: bool) -> int:
    """0 where the checksum fits; otherwise 30 bits, which are the checksum itself where it was left as zeroes."""
    customization = b"shamir_extendable" if extendable else b"shamir"
    return _polymod([*customization, *numbers], 1) ^ 1


def _polymod(numbers: Sequence[int], state: int) -> int:
    for number in numbers:
        top = state >> 20
        state = (state & 0xFFFFF) << RADIX ^ number
        for bit, generator in enumerate(_GENERATOR):
            state ^= -(top >> bit & 1) & generator
    return state


def _spread(number: int, words: int) -> list[int]:
    return [number >> RADIX * place & 1023 for place in reversed(range(words))]


def _gathered(numbers: Sequence[int]) -> int:
    value = 0
    for number in numbers:
        value = value << RADIX | number
    return value


@cache
def _words() -> tuple[str, ...]:
    """The format's list: 1,024 words of four to eight letters in alphabetical order."""
    return tuple((files("breakglass.codec") / "slip39_words.txt").read_text("ascii").split())


@cache
def _numbers() -> dict[str, int]:
    """Each word, whole or by its first four letters or more."""
    words = _words()
    return {word[:size]: number for number, word in enumerate(words) for size in range(4, len(word) + 1)}
