"""Passwords that open a seed, and codes that a seed gives."""

from datetime import UTC, datetime, timedelta

import pytest

from breakglass.errors import Malformed
from breakglass.identity import password

RFC_6238 = {
    59: "94287082",
    1111111109: "07081804",
    1111111111: "14050471",
    1234567890: "89005924",
    2000000000: "69279037",
    20000000000: "65353130",
}
"""Appendix B, SHA-1: the seed is ASCII "1234567890" twice. Six digits are the last six of its eight."""
SEED = b"12345678901234567890"
NOW = datetime(2026, 11, 23, 21, 0, 30, tzinfo=UTC)
GOOD = "four herons eat soup"


@pytest.mark.parametrize(("at", "code"), RFC_6238.items())
def test_the_vectors_of_rfc_6238(at: int, code: str) -> None:
    now = datetime.fromtimestamp(at, UTC)
    assert password.code_at(SEED, now) == code[-6:]
    assert password.step_of(SEED, code[-6:], now) == at // 30


def test_a_code_holds_for_a_minute_and_a_half_at_most() -> None:
    code = password.code_at(SEED, NOW)
    for seconds in (-59, -31, -30, 0, 29, 30, 59):
        taken = password.step_of(SEED, code, NOW + timedelta(seconds=seconds))
        assert taken == (int(NOW.timestamp()) // 30 if -30 <= seconds < 60 else None), seconds


@pytest.mark.parametrize("code", ["", "12345", "1234567", "\uff10" * 6, "abcdef", "000000\n"])
def test_what_is_no_code(code: str) -> None:
    assert password.step_of(SEED, code, NOW) is None


def test_only_the_password_of_its_person_opens_the_seed() -> None:
    locked = password.lock(GOOD, "usr_bo", SEED)
    assert SEED not in locked.sealed
    assert password.unlock(GOOD, "usr_bo", locked) == SEED
    for wrong, person, held in (
        (GOOD + " ", "usr_bo", locked),
        (GOOD.title(), "usr_bo", locked),
        ("", "usr_bo", locked),
        (GOOD, "usr_cy", locked),
        (GOOD, "usr_bo", password.Locked(locked.salt[::-1], locked.sealed)),
        (GOOD, "usr_bo", None),
    ):
        assert password.unlock(wrong, person, held) is None
    assert password.lock(GOOD, "usr_bo", SEED) != locked


@pytest.mark.parametrize(
    "bad",
    ["short", "x" * 12, "x" * 201, "abababababab", "bo lindqvist 1", "breakglass12", "Passwordbo12", "123451234512"],
)
def test_passwords_that_anybody_guesses(bad: str) -> None:
    with pytest.raises(Malformed):
        password.must_be_good(bad, "bo", "Bo Lindqvist")


@pytest.mark.parametrize("good", [GOOD, "korrekt-Pferd9", "ünïcödé wörter", "lindqvists eat raw fish"])
def test_passwords_that_are_taken(good: str) -> None:
    password.must_be_good(good, "bo", "Bo Lindqvist")


def test_recovery_codes_are_read_as_people_write_them() -> None:
    codes = password.recovery_codes()
    assert len(set(codes)) == 10
    one = "0O1I-LABC-DEFG-HJKM"
    assert password.looks_like_recovery(one)
    assert not password.looks_like_recovery("123456")
    assert password.hashed(one, "usr_bo") == password.hashed("0011 1abc defg hjkm ", "usr_bo")
    assert password.hashed(one, "usr_bo") != password.hashed(one, "usr_cy")
    for code in codes:
        assert password.looks_like_recovery(code)
        assert password.hashed(code.lower().replace("0", "o").replace("1", "l"), "u") == password.hashed(code, "u")


def test_authenticators_are_told_what_they_need() -> None:
    address = password.address(SEED, "bo", "Breakglass log.example.org")
    assert address.startswith("otpauth://totp/Breakglass%20log.example.org:bo?")
    for part in ("digits=6", "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "period=30", "algorithm=SHA1"):
        assert part in address
