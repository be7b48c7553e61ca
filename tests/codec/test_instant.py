"""Instants and durations: one form each."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import instant
from breakglass.errors import Malformed

INSTANTS = st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0))


@given(INSTANTS)
def test_instants_come_back(at: datetime) -> None:
    assert instant.read(instant.write(at)) == at


@given(st.text(max_size=25))
def test_only_what_would_be_written_is_read(text: str) -> None:
    try:
        at = instant.read(text)
    except Malformed:
        return
    assert instant.write(at) == text


def test_other_zones_are_written_in_utc_and_fractions_are_cut() -> None:
    there = timezone(timedelta(hours=2))
    assert instant.write(datetime(2026, 7, 1, 1, 2, 3, 999_999, tzinfo=there)) == "2026-06-30T23:02:03Z"
    assert instant.write(datetime(7, 1, 1, tzinfo=UTC)) == "0007-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23",
        "2026-11-23 21:04:00Z",
        "2026-11-23T21:04:00",
        "2026-11-23T21:04:00z",
        "2026-11-23T21:04:00.0Z",
        "2026-11-23T21:04:00+00:00",
        "2026-11-23T24:00:00Z",
        "2026-11-23T21:04:60Z",
        "2026-02-30T21:04:00Z",
        "2026-11-23T21:04:00Z\n",
        "٢٠٢٦-11-23T21:04:00Z",
        "0000-01-01T00:00:00Z",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        instant.read(text)


@given(st.integers(1, 99_999_999))
def test_spans_come_back(seconds: int) -> None:
    span = timedelta(seconds=seconds)
    assert instant.read_span(instant.write_span(span)) == span


@pytest.mark.parametrize("text", ["0 seconds", "-1 seconds", "01 seconds", "1 second", "1.5 seconds", "٣ seconds", ""])
def test_other_spans_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        instant.read_span(text)
