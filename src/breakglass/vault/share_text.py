"""A share as people write, read out and type it: 17 groups of five, each with its own check letter.

    BGS1-7KQ2M-9XT4H-3251N-…-…-YB0CE
         └── set ───┘ └ share 3, 2 needed, of 5, text form 1

A typing error is found, and its group named: the last letter of each group is a check over the other four and the
group's place, which finds every single wrong letter, any two letters exchanged within a group and exchanged groups; the
last group is a hash over everything. Crockford's base32: no I, L, O, U; case, spaces and dashes don't matter, and the
letters O, I and L count as 0, 1 and 1. A text cannot be wiped from memory: show it once and let it go.
"""

import hashlib
import re

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES
from breakglass.vault.shares import MAX_SHARES, SET_ID_BYTES, Share

PREFIX = "BGS1"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS = 17
_TEXT_FORM = 1
_DATA = 4  # letters of a group before its check letter
_SET_LETTERS = 8
_VALUE_LETTERS = 52  # 260 bits: 256 of the share and four zero bits
_LOOSE = re.compile(r"[\s\-_.\u2010-\u2015\u2212]+")
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
_NUMBERS = {letter: number for number, letter in enumerate(ALPHABET)}


def encode(share: Share) -> str:
    """The share's text, 106 characters."""
    body = [
        *_spread(share.set_id, _SET_LETTERS),
        share.index,
        share.k,
        share.n,
        _TEXT_FORM,
        *_spread(share.value.reveal(), _VALUE_LETTERS),
    ]
    body += _hash(body)
    groups = [body[start : start + _DATA] for start in range(0, len(body), _DATA)]
    return "-".join(
        [PREFIX, *("".join(ALPHABET[n] for n in (*group, _check(group, at))) for at, group in enumerate(groups, 1))]
    )


def decode(text: str) -> Share:
    """The share of a text as typed. Raises `Malformed` that names the group with the error, never its letters."""
    letters = _LOOSE.sub("", text).upper().translate(_READ_AS)
    if not letters.startswith(PREFIX):
        raise _typo(f"A share begins with {PREFIX}.", "Enter the whole text of the share, from its first letter.")
    letters = letters[len(PREFIX) :]
    size = _DATA + 1
    groups = [letters[start : start + size] for start in range(0, len(letters), size)]
    wrong = [at for at, group in enumerate(groups[:GROUPS], 1) if not _group_fits(group, at)]
    if len(letters) != GROUPS * size:
        more = "too short" if len(letters) < GROUPS * size else "too long"
        where = f" The first group that does not fit is number {wrong[0]}." if wrong else ""
        raise _typo(
            f"The share is {more}: it has {GROUPS} groups of {size} after {PREFIX}.{where}",
            "Compare from that group on with the original." if wrong else "Compare the end with the original.",
        )
    if wrong:
        named = ", ".join(map(str, wrong))
        raise _typo(
            f"There is a typing error in group {named} of {GROUPS} (counted after {PREFIX}).",
            "Compare that group with the original, letter by letter.",
        )
    body = [_NUMBERS[letter] for group in groups for letter in group[:_DATA]]
    if body[-_DATA:] != _hash(body[:-_DATA]):
        raise _typo("The share's last check does not fit: several groups may hold errors.", "Enter the share again.")
    index, k, n, form = body[_SET_LETTERS : _SET_LETTERS + _DATA]
    if form != _TEXT_FORM or not 1 <= k <= n <= MAX_SHARES or not 1 <= index <= n:
        raise _typo("This share was written by another version.", "Use the version of Breakglass that belongs to it.")
    return Share(
        set_id=bytes(_gathered(body[:_SET_LETTERS], SET_ID_BYTES)),
        index=index,
        k=k,
        n=n,
        value=Secret(_gathered(body[_SET_LETTERS + _DATA : -_DATA], KEY_BYTES)),
    )


def set_name(set_id: bytes) -> str:
    """The set as it stands at the head of each of its shares, `7KQ2-9XT4`: it tells apart shares of several sets."""
    letters = "".join(ALPHABET[number] for number in _spread(set_id, _SET_LETTERS))
    return f"{letters[:_DATA]}-{letters[_DATA:]}"


def _spread(raw: bytes, letters: int) -> list[int]:
    """`raw` as numbers of five bits, zero bits added at its end."""
    number = int.from_bytes(raw, "big") << (letters * 5 - len(raw) * 8)
    return [number >> 5 * place & 31 for place in reversed(range(letters))]


def _gathered(numbers: list[int], size: int) -> bytearray:
    value = 0
    for number in numbers:
        value = value << 5 | number
    spare = len(numbers) * 5 - size * 8
    if value & ((1 << spare) - 1):
        raise _typo("This share was written by another version.", "Use the version of Breakglass that belongs to it.")
    return bytearray((value >> spare).to_bytes(size, "big"))


def _check(group: list[int], place: int) -> int:
    """A weighted sum in GF(32) (x^5 + x^2 + 1), each letter with another weight, and the group's place on top."""
    total = 0
    for number in group:
        total = (total ^ number) << 1
        total ^= -(total >> 5) & 0x25
    return total ^ place


def _group_fits(group: str, place: int) -> bool:
    numbers = [_NUMBERS.get(letter, -1) for letter in group]
    return len(numbers) == _DATA + 1 and min(numbers) >= 0 and _check(numbers[:_DATA], place) == numbers[_DATA]


def _hash(body: list[int]) -> list[int]:
    digest = hashlib.sha256(b"breakglass share text\x00" + bytes(body)).digest()
    return [digest[place] & 31 for place in range(_DATA)]


def _typo(message: str, what_to_do: str) -> Malformed:
    return Malformed(message, what_to_do=what_to_do)
