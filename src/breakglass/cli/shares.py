"""Custodians' shares at a terminal: shown in rows of words, typed row by row from their paper, or read from files."""

import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from breakglass.cli.files import read_text
from breakglass.cli.printing import note
from breakglass.errors import BreakglassError, Malformed
from breakglass.vault import share_text

ROW = 6
"""Words of a row."""


def rows(share: str) -> Iterator[str]:
    """The words with their numbers, to copy from."""
    words = [f"{number:2} {word:8}" for number, word in enumerate(share.split(), 1)]
    for start in range(0, len(words), ROW):
        yield "  ".join(words[start : start + ROW]).rstrip()


def typed(prompt: str) -> str:
    """One share, without echo, in as many rows as one likes; a row with a word that no share has is asked for again.

    Raises `Malformed` when nothing was entered."""
    words: list[str] = []
    while len(words) < share_text.WORDS:
        where = f", from word {len(words) + 1} on" if words else ""
        row = share_text.words_of(getpass.getpass(f"{prompt}{where}: "))
        if not row:
            raise Malformed("Nothing was entered.", what_to_do="Enter the words of the share.")
        if unknown := share_text.unknown(row):
            places = ", ".join(str(len(words) + place) for place in unknown)
            note(f"No share has such a word: number {places}. Enter this row again.")
        else:
            words += row
    return " ".join(words)


def read_one(file: Path | None, prompt: str) -> str:
    """From a file (`-` is standard input), from standard input where it is no terminal, or typed."""
    if file is not None or not sys.stdin.isatty():
        return read_text(file or Path("-")).strip()
    return typed(prompt)


def read_all(files: Sequence[Path], needed: int) -> tuple[str, ...]:
    """From files, from the lines of standard input, or typed."""
    if files:
        return tuple(read_text(path).strip() for path in files)
    if not sys.stdin.isatty():
        return tuple(line.strip() for line in sys.stdin if line.strip())
    return tuple(typed(f"share {number} of {needed}") for number in range(1, needed + 1))


def same(one: str, other: str) -> bool:
    """Whether both are the same share, however they are written."""
    try:
        return share_text.normal(one) == share_text.normal(other)
    except BreakglassError:
        return False
