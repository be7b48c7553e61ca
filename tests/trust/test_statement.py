"""Statements and their signatures: everything that is accepted is exactly what its person signed, and nothing else."""

import unicodedata
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from breakglass.codec import sshsig
from breakglass.codec.lines import clean
from breakglass.errors import BadSignature, Expired, Malformed
from breakglass.model.ids import UserId
from breakglass.trust import terms
from breakglass.trust.signature import check_signature, may_approve, verify
from breakglass.trust.statement import FIELDS, NAMESPACE, Kind, Signed, Statement, parse
from tests.audit.kit import BEGAN, estate, fingerprint_of, founding, key_of, sign, statement

ROSTER, _ = founding()
VALUES = st.text(st.characters(), min_size=1, max_size=30).map(clean).filter(bool)
KNOWN = {0: ROSTER.hash}
FACTS = terms.terms(
    ROSTER,
    requester=UserId("usr_alice"),
    key=fingerprint_of("alice"),
    account="acc_db1-root",
    condition="cnd_down",
    reason="Nobody can sign in.",
    duration=timedelta(minutes=30),
).facts()
APPROVAL = statement(Kind.APPROVE, ROSTER, "bo", "req_1", FACTS)
SIGNED = sign(APPROVAL, "bo")


def judged(signed: Signed, **more: object) -> Statement:
    asked: dict = {"kind": Kind.APPROVE, "subject": "req_1", "now": BEGAN, "known": KNOWN, **more}
    return verify(signed, ROSTER, **asked)


@given(st.sampled_from(Kind), st.data())
def test_every_kind_comes_back(kind: Kind, data: st.DataObject) -> None:
    facts = {name: data.draw(VALUES) for name in FIELDS[kind]}
    drawn = statement(kind, ROSTER, "bo", "req_1", facts)
    assert parse(drawn.text()) == drawn
    assert parse(drawn.text()).text() == drawn.text()


@given(st.data())
def test_every_changed_character_is_refused(data: st.DataObject) -> None:
    text = APPROVAL.text()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters()) + text[place + 1 :]
    assume(changed != text)
    with pytest.raises((Malformed, BadSignature)):
        judged(Signed(changed, SIGNED.signature))


@given(st.data())
def test_every_changed_character_of_the_signature_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(SIGNED.signature) - 1))
    changed = SIGNED.signature[:place] + data.draw(st.characters()) + SIGNED.signature[place + 1 :]
    assume(changed != SIGNED.signature)
    # Where a line is broken does not matter: some shells break them anew.
    assume(changed.replace("\n", "") != SIGNED.signature.replace("\n", ""))
    with pytest.raises((Malformed, BadSignature)):
        judged(Signed(SIGNED.text, changed))


@given(st.text(max_size=300))
def test_any_text_is_a_statement_or_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse(text)


@given(st.data())
def test_a_statement_reads_as_one_thing_only(data: st.DataObject) -> None:
    """Whatever a text is changed to: if it is read at all, it is what would be written."""
    text = APPROVAL.text()
    place = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 40))
    changed = text[:place] + data.draw(st.text(max_size=40)) + text[place + length :]
    try:
        found = parse(changed)
    except Malformed:
        return
    assert found.text() == changed


def test_what_was_signed_is_accepted() -> None:
    assert judged(SIGNED) == APPROVAL
    assert judged(SIGNED, now=None) == APPROVAL
    assert check_signature(SIGNED, ROSTER) == APPROVAL
    assert dict(APPROVAL.facts) == FACTS


@pytest.mark.parametrize(
    "value",
    ["a\nlane: b", "a\u202eb", "a\u200b", "a\x00", "a\r", " a", "", "x" * 4001, unicodedata.normalize("NFD", "ö")],
)
def test_no_value_can_make_another_line_or_hide(value: str) -> None:
    with pytest.raises(Malformed):
        statement(Kind.DENY, ROSTER, "bo", "req_1", {"requester": "usr_x", "account": "a", "reason": value}).text()
    with pytest.raises(Malformed):
        statement(Kind.CLOCK, ROSTER, "bo", value, {"now": "x"}).text()


LINES = APPROVAL.text().split("\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LINES[0], "breakglass-statement-v2"),
        ("kind: approve", "kind: bless"),
        ("kind: approve", "kind: deny"),
        (LINES[6], f"roster: 00 {ROSTER.hash}"),
        (LINES[6], f"roster: 0 {ROSTER.hash.upper()}"),
        (LINES[6], f"roster: 1234567890 {ROSTER.hash}"),
        (LINES[6], f"roster: \u0660 {ROSTER.hash}"),
        (LINES[7], "log: 0 x"),
        (LINES[7], "log: -1 " + "A" * 43 + "="),
        (LINES[8], "nonce: " + "A" * 32),
        (LINES[8], "nonce: " + "a" * 31),
        (LINES[9], "not-after: tomorrow"),
        (LINES[10] + "\n", ""),
        (LINES[10], LINES[11]),
        (LINES[-2], LINES[-2] + "\nmore: x"),
        (LINES[2] + "\n" + LINES[3], LINES[3] + "\n" + LINES[2]),
    ],
)
def test_other_forms_are_malformed_even_when_they_are_signed(old: str, new: str) -> None:
    changed = APPROVAL.text().replace(old, new, 1)
    assert changed != APPROVAL.text()
    with pytest.raises(Malformed):
        judged(sign(changed, "bo"))


def test_who_signed_must_be_who_is_named() -> None:
    with pytest.raises(BadSignature, match="is for the key"):
        judged(sign(APPROVAL, "cy"))
    text = APPROVAL.text().replace("usr_bo", "usr_cy")
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(sign(text, "bo"))
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(sign(APPROVAL.text().replace("usr_bo", "usr_nobody"), "bo"))
    other = APPROVAL.text().replace(fingerprint_of("bo"), fingerprint_of("stranger"))
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(sign(other, "stranger"))


def test_it_is_for_one_thing_only() -> None:
    with pytest.raises(BadSignature, match="not about"):
        judged(SIGNED, subject="req_2")
    with pytest.raises(BadSignature, match="not about"):
        judged(SIGNED, kind=Kind.DENY)
    with pytest.raises(BadSignature, match="not about"):
        judged(sign(APPROVAL.text().replace("dep_test", "dep_other"), "bo"))
    with pytest.raises(BadSignature, match="names a roster"):
        judged(SIGNED, known={0: "0" * 64})
    with pytest.raises(BadSignature, match="names a roster"):
        judged(SIGNED, known={})


def test_the_namespace_keeps_decisions_apart_from_other_signatures() -> None:
    for namespace in ("file", "git", "breakglass-sign-in"):
        armored = sshsig.sign_ed25519(key_of("bo"), SIGNED.text.encode(), namespace)
        with pytest.raises(BadSignature, match="made for"):
            judged(Signed(SIGNED.text, armored))
    assert NAMESPACE == "breakglass"


def test_its_time() -> None:
    last = APPROVAL.not_after
    assert judged(SIGNED, now=last - timedelta(microseconds=1)) == APPROVAL
    with pytest.raises(Expired):
        judged(SIGNED, now=last)


def test_a_person_whose_term_is_over_signs_nothing() -> None:
    people = estate()["people"]
    people["usr_bo"]["expires_at"] = "2026-11-23T20:00:00Z"
    roster, _ = founding(people=people)
    signed = sign(statement(Kind.APPROVE, roster, "bo", "req_1", FACTS), "bo")
    with pytest.raises(Expired, match="time in the roster"):
        verify(signed, roster, kind=Kind.APPROVE, subject="req_1", now=BEGAN, known={0: roster.hash})
    past = verify(signed, roster, kind=Kind.APPROVE, subject="req_1", now=None, known={0: roster.hash})
    assert past.person == "usr_bo"


def test_a_new_key_does_not_approve_yet() -> None:
    people = estate()["people"]
    people["usr_bo"]["keys"][0]["approves_from"] = "2026-11-26T21:00:00Z"
    roster, _ = founding(people=people)
    drawn = statement(Kind.APPROVE, roster, "bo", "req_1", FACTS)
    with pytest.raises(BadSignature, match="too new"):
        may_approve(drawn, roster, BEGAN + timedelta(hours=72) - timedelta(microseconds=1))
    may_approve(drawn, roster, BEGAN + timedelta(hours=72))


def test_too_long() -> None:
    with pytest.raises(Malformed, match="too long"):
        check_signature(Signed("x" * 40_001, ""), ROSTER)
    with pytest.raises(Malformed, match="too long"):
        check_signature(Signed(SIGNED.text, "x" * 20_001), ROSTER)
