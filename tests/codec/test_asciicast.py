"""A terminal becomes a file that asciinema plays: asciicast v3."""

import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec.asciicast import asciicast
from breakglass.codec.frames import Frame, Kind, digest_data, exit_data, resize_data
from breakglass.errors import Malformed

START = 1_700_000_000_999


def out(at_us: int, data: bytes, channel: int = 1) -> Frame:
    return Frame(at_us, Kind.OUTPUT, channel, data)


def size(at_us: int, cols: int, rows: int, channel: int = 1) -> Frame:
    return Frame(at_us, Kind.RESIZE, channel, resize_data(cols, rows))


def played(frames: Sequence[Frame], **wishes) -> tuple[dict, list[tuple[float, str, str]]]:
    header, *lines = asciicast(frames, started_at_ms=START, **wishes)
    assert all(line.endswith("\n") and line.isascii() and line.count("\n") == 1 for line in (header, *lines))
    events = [tuple(json.loads(line)) for line in lines]
    assert all(
        isinstance(step, float) and step >= 0 and code in "oirmx" and isinstance(data, str)
        for step, code, data in events
    )
    return json.loads(header), events


def test_a_session_with_everything():
    header, events = played(
        [
            Frame(0, Kind.OPEN, 1, b"session"),
            size(10, 100, 30),
            Frame(20, Kind.EXEC, 1, b"top"),
            out(1_500_000, b"\x1b[1mhi\r\n"),
            Frame(1_600_000, Kind.INPUT, 1, b"secret"),
            size(2_000_000, 90, 25),
            Frame(2_250_001, Kind.NOTE, 0, "paused by usr_bo – why".encode()),
            Frame(3_000_000, Kind.DIGEST, 2, digest_data(70, bytes(32))),
            Frame(3_000_000, Kind.SUBSYSTEM, 2, b"sftp"),
            Frame(3_500_000, Kind.STDERR, 1, b"oops"),
            Frame(4_000_000, Kind.EXIT, 1, exit_data(-9)),
            Frame(4_000_001, Kind.CLOSE, 1, b""),
            Frame(5_000_000, Kind.END, 0, b"closed"),
        ],
        title="db1",
    )
    assert header == {
        "version": 3,
        "term": {"cols": 100, "rows": 30},
        "timestamp": 1_700_000_000,
        "title": "db1",
    }
    assert events == [
        (0.00002, "m", "top"),
        (1.49998, "o", "\x1b[1mhi\r\n"),
        (0.5, "r", "90x25"),
        (0.250001, "m", "paused by usr_bo – why"),
        (0.749999, "m", f"not kept: 70 bytes, SHA-256 {'00' * 32}"),
        (0.0, "m", "sftp"),
        (0.5, "o", "oops"),
        (0.5, "x", "-9"),
    ]


def test_input_only_when_asked_for():
    frames = [size(0, 80, 24), Frame(1_000_000, Kind.INPUT, 1, b"ls\r"), out(2_000_000, b"x")]
    assert played(frames)[1] == [(2.0, "o", "x")]
    assert played(frames, with_input=True)[1] == [(1.0, "i", "ls\r"), (1.0, "o", "x")]


@given(st.text(max_size=50), st.lists(st.integers(0, 200), max_size=8))
def test_letters_cut_between_frames_come_back_whole(text: str, cuts: list[int]):
    raw = text.encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    frames = [out(at, raw[start:end]) for at, (start, end) in enumerate(pairwise(places))]
    assert "".join(data for _, _, data in played([size(0, 80, 24), *frames])[1]) == text


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_shown_as_utf_8_with_replacements(raw: bytes, cut: int):
    frames = [size(0, 80, 24), out(1, raw[:cut]), out(2, raw[cut:])]
    assert "".join(data for _, _, data in played(frames)[1]) == raw.decode("utf-8", "replace")


def test_streams_are_decoded_apart_from_each_other():
    euro = "€".encode()
    frames = [size(0, 80, 24), out(1, euro[:1]), Frame(2, Kind.STDERR, 1, b"!"), out(3, euro[1:])]
    assert [data for _, _, data in played(frames)[1]] == ["!", "€"]


def test_a_letter_that_never_ended_is_shown_before_the_exit():
    frames = [size(0, 80, 24), Frame(1, Kind.EXIT, 1, exit_data(0)), out(2, b"\xe2\x82")]
    assert [event[1:] for event in played(frames)[1]] == [("o", "\ufffd"), ("x", "0")]


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=50))
def test_intervals_add_up_and_never_go_back(times: list[int]):
    lines = list(asciicast([size(0, 80, 24), *(out(at, b"x") for at in times)], started_at_ms=START))[1:]
    # Counted in microseconds as written, so that no float hides an error.
    steps = [int(line[1 : line.index(",")].replace(".", "")) for line in lines]
    assert min(steps) >= 0
    assert sum(steps) == max(times)


def test_only_the_terminal_is_shown():
    frames = [
        out(0, b"bulk", channel=0),
        size(1, 132, 43, channel=3),
        out(2, b"other", channel=0),
        out(3, b"shown", channel=3),
    ]
    header, events = played(frames)
    assert header["term"] == {"cols": 132, "rows": 43}
    assert [data for _, _, data in events] == ["shown"]


def test_a_channel_that_is_no_terminal_can_be_asked_for():
    frames = [size(0, 132, 43, channel=3), out(1, b"one", channel=0), out(2, b"two", channel=0)]
    header, events = played(frames, channel=0)
    assert header["term"] == {"cols": 80, "rows": 24}
    assert [data for _, _, data in events] == ["one", "two"]


def test_a_second_terminal_can_be_asked_for():
    frames = [size(0, 80, 24), out(1, b"first"), size(2, 60, 20, channel=2), out(3, b"second", channel=2)]
    header, events = played(frames, channel=2)
    assert header["term"] == {"cols": 60, "rows": 20}
    assert [data for _, _, data in events] == ["second"]


def test_without_any_terminal_only_markers():
    header, events = played([Frame(5, Kind.EXEC, 0, b"backup"), out(6, b"bulk", channel=0)])
    assert header["term"] == {"cols": 80, "rows": 24}
    assert events == [(0.000005, "m", "backup")]
    assert played([])[1] == []


def test_a_terminal_without_a_size_gets_the_usual_one():
    header, events = played([size(0, 0, 0), out(1, b"x"), size(2, 0, 24)])
    assert header["term"] == {"cols": 80, "rows": 24}
    assert [code for _, code, _ in events] == ["o"]


def test_no_terminal_obeys_the_file_itself():
    dangerous = "\x1b]0;x\x07\x9b31m\x7f\u2028\u202e"
    lines = list(asciicast([size(0, 80, 24), out(1, dangerous.encode())], started_at_ms=START, title=dangerous))
    assert all(" " <= letter <= "~" for line in lines for letter in line.rstrip("\n").replace("\x7f", ""))
    assert json.loads(lines[1])[2] == dangerous


def test_it_streams():
    def endless():
        yield size(0, 80, 24)
        while True:
            yield out(1, b"x")

    lines = asciicast(endless(), started_at_ms=START)
    assert [next(lines) for _ in range(3)][2].startswith("[0.0")


def test_odd_frames_are_malformed():
    with pytest.raises(Malformed):
        played([Frame(0, Kind.RESIZE, 1, b"odd")])
