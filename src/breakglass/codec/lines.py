"""Text with one fact a line: the form of everything that a person or the vault signs.

    breakglass-statement-v1
    kind: approve
    subject: req_1f09c2…

A title, then `name: value` lines, then a line feed at the very end. UTF-8 in NFC, no control, format or other invisible
characters (so that what is seen is what is signed), no leading or trailing space in a value. Reading is strict: every
text that is accepted is exactly the text that writing would give, so nothing can be hidden between the lines.
"""

import re
import unicodedata
from collections.abc import Sequence

from breakglass.errors import Malformed

Line = tuple[str, str]
VALUE_MAX = 4000
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset(
    map(
        chr,
        (
            0x034F,  # combining grapheme joiner
            *(0x115F, 0x1160, 0x3164, 0xFFA0),  # Hangul fillers: letters that are blank
            *(0x17B4, 0x17B5),  # Khmer vowels that are never drawn
            *range(0x180B, 0x1810),  # Mongolian variation selectors
            0x2800,  # Braille without a dot
            *range(0xFE00, 0xFE10),  # variation selectors
            *range(0xE0100, 0xE01F0),
        ),
    )
)
"""Letters and marks that nobody sees: Unicode's Default_Ignorable_Code_Point outside the categories above, and the
empty Braille pattern."""


def visible(value: str) -> bool:
    """True when every character of `value` can be seen, or is a plain space."""
    if value.isascii():  # nearly always, and much faster
        return value.isprintable()
    return not any(map(_hidden, value))


def clean(value: str) -> str:
    """NFC, single spaces, invisible characters removed: what a person typed, fit for a line."""
    kept = "".join(" " if c.isspace() else "" if _hidden(c) else c for c in unicodedata.normalize("NFC", value))
    # What stood apart before may now stand beside each other and become one character.
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _hidden(c: str) -> bool:
    category = unicodedata.category(c)
    return c in _BLANK or category in _INVISIBLE or (c != " " and category == "Zs")


def write(title: str, lines: Sequence[Line]) -> str:
    """Raises `Malformed` for a value that can't stand on a line."""
    for name, value in lines:
        if not _NAME.fullmatch(name):
            raise Malformed(f"{name[:40]!r} is not a field's name.", what_to_do="Use lower case letters and dashes.")
        if value.strip() != value or not value or len(value) > VALUE_MAX:
            raise Malformed(
                f"The field {name!r} is empty, too long, or begins or ends with a space.", what_to_do="Mend it."
            )
        if not visible(value) or unicodedata.normalize("NFC", value) != value:
            raise Malformed(f"The field {name!r} has characters that can't be seen.", what_to_do="Type it anew.")
    return "".join([f"{title}\n", *(f"{name}: {value}\n" for name, value in lines)])


def read(text: str, title: str) -> list[Line]:
    """The lines below the title. Raises `Malformed` unless `text` is exactly what `write` gives."""
    if not text.startswith(f"{title}\n") or not text.endswith("\n"):
        raise Malformed(
            f"This is not a {title} text.",
            what_to_do="Take the whole text, from its first line to its last line's end.",
        )
    lines: list[Line] = []
    for line in text[len(title) + 1 : -1].split("\n"):
        name, colon, value = line.partition(": ")
        if not colon:
            raise Malformed(f"A line is not `name: value`: {line[:60]!r}.", what_to_do="Take the text unchanged.")
        lines.append((name, value))
    if write(title, lines) != text:
        raise Malformed("The text is not in its canonical form.", what_to_do="Take the text unchanged.")
    return lines
