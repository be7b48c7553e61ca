"""Lines: what is seen is what is signed, one text for one meaning, and nothing between the lines."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from breakglass.codec import lines
from breakglass.errors import Malformed

TITLE = "breakglass-test-v1"
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True)
ANY = st.text(st.characters(), min_size=1, max_size=60)
VALUES = ANY.map(lines.clean).filter(bool)
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=8)

HIDDEN = {
    "right-to-left override": "\u202e",
    "left-to-right isolate": "\u2066",
    "zero width space": "\u200b",
    "zero width joiner": "\u200d",
    "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff",
    "tag letter": "\U000e0041",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "next line": "\u0085",
    "escape": "\x1b",
    "bell": "\x07",
    "nul": "\x00",
    "tab": "\t",
    "line feed": "\n",
    "carriage return": "\r",
    "no-break space": "\u00a0",
    "ideographic space": "\u3000",
    "Hangul filler": "\u3164",
    "Hangul choseong filler": "\u115f",
    "grapheme joiner": "\u034f",
    "variation selector": "\ufe0f",
    "empty Braille": "\u2800",
    "private use": "\ue000",
    "unassigned": "\u0378",
    "half a character": "\ud800",
}


@given(LINES)
def test_what_is_written_is_read_back(found: list[tuple[str, str]]) -> None:
    assume(found)
    assert lines.read(lines.write(TITLE, found), TITLE) == found


@given(LINES.filter(bool), st.data())
def test_no_changed_character_is_read_as_the_same(found: list[tuple[str, str]], data: st.DataObject) -> None:
    """A change is refused, or it is another text with another meaning: never the same meaning."""
    text = lines.write(TITLE, found)
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.characters())
    changed = text[:place] + put + text[place + 1 :]
    assume(changed != text)
    try:
        again = lines.read(changed, TITLE)
    except Malformed:
        return
    assert again != found
    assert lines.write(TITLE, again) == changed


@given(ANY)
def test_whatever_is_read_is_what_would_be_written(value: str) -> None:
    text = f"{TITLE}\nname: {value}\n"
    try:
        found = lines.read(text, TITLE)
    except Malformed:
        return
    assert lines.write(TITLE, found) == text
    assert all(lines.visible(one) and one.strip() == one and one for _, one in found)


@given(ANY)
def test_cleaned_text_fits_on_a_line_or_is_empty(value: str) -> None:
    kept = lines.clean(value)
    if kept:
        lines.write(TITLE, [("name", kept)])
    assert lines.clean(kept) == kept


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_characters_are_refused_and_cleaned(name: str) -> None:
    value = f"pay{HIDDEN[name]}roll"
    assert not lines.visible(value)
    with pytest.raises(Malformed):
        lines.write(TITLE, [("name", value)])
    with pytest.raises(Malformed):
        lines.read(f"{TITLE}\nname: {value}\n", TITLE)
    assert lines.clean(value) in {"payroll", "pay roll"}


@pytest.mark.parametrize("value", ["Größe", "密码", "привет", "naïve", "a b", "emoji 🔑", "-", "x" * 4000, "עברית"])
def test_what_people_write_passes(value: str) -> None:
    assert lines.read(lines.write(TITLE, [("name", value)]), TITLE) == [("name", value)]


@pytest.mark.parametrize("value", ["", " ", " a", "a ", "x" * 4001, unicodedata.normalize("NFD", "Größe")])
def test_values_that_do_not_stand_on_a_line(value: str) -> None:
    with pytest.raises(Malformed):
        lines.write(TITLE, [("name", value)])


@pytest.mark.parametrize("name", ["", "Name", "na me", "1a", "ä", "a" * 32, "a:", "a\n"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(Malformed):
        lines.write(TITLE, [(name, "value")])


@pytest.mark.parametrize(
    "text",
    [
        "",
        TITLE,
        f"{TITLE}\n",
        f"{TITLE}\n\n",
        f"{TITLE}\nname: value",
        f"{TITLE}\nname: value\n\n",
        f"{TITLE}\n\nname: value\n",
        f"{TITLE}\nname:value\n",
        f"{TITLE}\nname:  value\n",
        f"{TITLE}\nname: value \n",
        f"{TITLE}\n: value\n",
        f"{TITLE}\r\nname: value\r\n",
        f" {TITLE}\nname: value\n",
        f"{TITLE}2\nname: value\n",
    ],
)
def test_texts_of_another_form(text: str) -> None:
    with pytest.raises(Malformed):
        lines.read(text, TITLE)
