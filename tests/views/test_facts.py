"""Each fact has its sentence: one line, in words, whatever was typed."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.flow.consequences import CONSEQUENCES
from breakglass.trust import drafting
from breakglass.trust.chain import Chain
from breakglass.trust.roster import parse
from breakglass.views.book import Book, connect_line
from breakglass.views.facts import LONGEST, SENTENCES, sentence
from tests.kit import ACCOUNT, FOUNDED, PEOPLE, Person, estate

SOURCE = Path(__file__).resolve().parents[2] / "src" / "breakglass"
STATES = {"grant": ("closed", "revoked", "expired"), "recording": ("complete", "truncated")}


@pytest.fixture(scope="module")
def book() -> Book:
    keys = {"log": "log", "grant": "grant", "recording": "recording"}
    people = {login: Person(login) for login in PEOPLE}
    document = drafting.founding(estate(people), deployment="dep_kit", origin="o", keys=keys, at=FOUNDED)
    return Book(Chain((parse(document),)), connect_line("gate", 22))


def noted_in_source() -> set[str]:
    """Every kind of fact that the source notes by its plain name."""
    text = "\n".join(path.read_text() for path in SOURCE.rglob("*.py"))
    return set(re.findall(r'Fact\(\s*"([a-z_.]+)"', text))


def test_every_kind_that_somebody_is_told_has_a_sentence() -> None:
    assert CONSEQUENCES.keys() <= SENTENCES.keys()
    found = noted_in_source()
    assert "request.made" in found  # the search finds what is there
    assert found <= SENTENCES.keys()
    for family, states in STATES.items():
        assert {f"{family}.{state}" for state in states} <= SENTENCES.keys()


def test_names_stand_in_for_ids(book: Book) -> None:
    data = {"account": ACCOUNT, "seconds": 1800, "condition": "cnd_idp-down", "reason": "Sign-in is down."}
    text = sentence(book, kind="request.made", about="req_1", by="usr_alice", data=data)
    assert text == "Alice asks for root on db1 for 30 minutes (The directory is down): Sign-in is down."
    text = sentence(book, kind="session.ended", about="ses_1", by="sys_node", data={"why": "its person left"})
    assert text == "The session ended (its person left)."
    assert (
        sentence(book, kind="something.new", about="x_1", by="usr_gone", data={}) == "something.new (x_1) by usr_gone."
    )


@given(
    kind=st.sampled_from(sorted(SENTENCES)),
    by=st.sampled_from(["usr_alice", "sys_node", "nobody"]),
    about=st.text(max_size=40),
    value=st.one_of(st.text(max_size=500), st.integers(0, 10**9)),
)
def test_a_sentence_is_one_visible_line(book: Book, kind: str, by: str, about: str, value: str | int) -> None:
    names = (
        "account",
        "reason",
        "why",
        "problem",
        "remains",
        "statement",
        "ends_at",
        "code",
        "purpose",
        "login",
        "from",
    )
    data: dict[str, str | int] = dict.fromkeys(names, value)
    text = sentence(book, kind=kind, about=about, by=by, data=data)
    assert 0 < len(text) <= LONGEST
    assert text.isprintable()
