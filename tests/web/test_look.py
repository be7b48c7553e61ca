"""How values become words on a page."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from breakglass.web.look import at, clock, code_words, day, playbook, short, statement_lines

NOW = datetime(2026, 11, 23, 21, 0, 30, tzinfo=UTC)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])), min_size=1))
def test_a_statement_in_lines_is_the_exact_text(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    assert "".join(f"{label}{rest}\n" for label, rest in statement_lines(text)) == text


def test_times_are_utc_for_whoever_has_no_script() -> None:
    assert at(NOW, NOW) == '<time datetime="2026-11-23T21:00:30Z" data-show="minute">21:00 UTC</time>'
    assert ">2026-11-23 21:00 UTC<" in at(NOW, NOW + timedelta(days=1))
    assert ">21:00:30<" in clock(NOW)
    assert ">23 November 2026, 21:00 UTC<" in day(NOW)
    assert at(None, NOW) == clock(None) == day(None) == ""


def test_a_playbook_loses_its_numbers_and_keeps_its_warnings_apart() -> None:
    book = playbook("Confirm first.\n1. Ask.\n 2) Connect to 10.0.0.1.\n\n10 minutes at most.\nDo not: reboot.")
    assert book.steps == ["Confirm first.", "Ask.", "Connect to 10.0.0.1.", "10 minutes at most."]
    assert book.donts == ["Do not: reboot."]


def test_long_hashes_are_cut_for_reading() -> None:
    assert short("abc") == "abc"
    assert short("0123456789abcdef") == "0123456789ab…"


def test_commands_in_a_playbook_look_like_commands() -> None:
    assert code_words("Run `ls <x>`, then `a`.") == "Run <code>ls &lt;x&gt;</code>, then <code>a</code>."
    assert code_words("`b` & a lone `") == "<code>b</code> &amp; a lone `"
    assert code_words("<b>") == "&lt;b&gt;"
