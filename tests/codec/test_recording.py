"""A recording comes back as it was, or is refused; what a crash leaves is found without a key."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakglass.codec.frames import (
    HEAD,
    MAX_FRAME,
    Digest,
    Frame,
    Kind,
    Size,
    digest_data,
    digest_of,
    exit_data,
    exit_of,
    frames_of,
    resize_data,
    resize_of,
)
from breakglass.codec.recording import CHUNK_HEAD, HASH_BYTES, TAG_BYTES, ChunkKind, Head, Header, Sealer
from breakglass.codec.recording_reader import Cut, check_chain, read, read_header, scan
from breakglass.errors import Malformed, Tampered

KEY = bytes(range(32))
HEADER = Header(session="ses_1", stream="screen", created_at_ms=1_700_000_000_123, wrapped_key=b"\x01" * 81)
KINDS = st.sampled_from([kind for kind in Kind if kind is not Kind.END])
FRAMES = st.lists(
    st.builds(Frame, st.integers(0, 2**64 - 1), KINDS, st.integers(0, 2**16 - 1), st.binary(max_size=300)), max_size=30
)


def recorded(
    frames: Sequence[Frame], *, chunk_bytes: int = 100, header: Header = HEADER, key: bytes = KEY
) -> list[bytes]:
    """The header and each chunk; the last one is the END chunk alone or with what waited."""
    sealer = Sealer(header, key, chunk_bytes=chunk_bytes)
    parts = [sealer.header]
    for frame in frames:
        sealer.frame(*frame)
        while sealer.ready and (chunk := sealer.chunk()):
            parts.append(chunk)
    while chunk := sealer.chunk():
        parts.append(chunk)
    parts.append(sealer.end(99, "closed"))
    return parts


def heads(parts: Sequence[bytes]) -> list[Head]:
    """What the log would hold after each part."""
    return [check_chain(b"".join(parts[: count + 1])) for count in range(len(parts))]


LINES = [Frame(at, Kind.OUTPUT, 0, b"line %d\r\n" % at * 8) for at in range(12)]
PARTS = recorded(LINES)
WHOLE = b"".join(PARTS)
HEADS = heads(PARTS)


@given(FRAMES, st.integers(1, 2000))
def test_every_frame_comes_back_in_order(frames: list[Frame], chunk_bytes: int):
    data = b"".join(recorded(frames, chunk_bytes=chunk_bytes))
    assert list(read(data, KEY)) == [*frames, Frame(99, Kind.END, 0, b"closed")]
    assert list(read(memoryview(data), bytearray(KEY))) == list(read(data, KEY))
    assert check_chain(data).ended
    assert scan(data, KEY) == scan(data)
    assert scan(data).why == ""


@given(FRAMES, st.integers(1, 2000))
def test_chunks_hold_no_more_than_allowed_but_one_long_frame(frames: list[Frame], chunk_bytes: int):
    sealer = Sealer(HEADER, KEY, chunk_bytes=chunk_bytes)
    for frame in frames:
        sealer.frame(*frame)
    while chunk := sealer.chunk():
        payload = len(chunk) - CHUNK_HEAD.size - TAG_BYTES - HASH_BYTES
        assert payload <= chunk_bytes or any(payload == HEAD.size + len(frame.data) for frame in frames)
    assert not sealer.ready


def test_a_frame_longer_than_a_chunk_is_one_chunk_of_its_own():
    long = Frame(5, Kind.OUTPUT, 1, os.urandom(200_000))
    parts = recorded([LINES[0], long, LINES[1]], chunk_bytes=1 << 16)
    assert len(parts) == 5
    assert list(read(b"".join(parts), KEY))[1] == long


def test_the_head_runs_with_what_was_handed_out():
    sealer = Sealer(HEADER, KEY, chunk_bytes=100)
    data = sealer.header
    assert sealer.head == check_chain(data)
    for frame in LINES:
        sealer.frame(*frame)
    while chunk := sealer.chunk():
        data += chunk
        assert sealer.head == check_chain(data)
    data += sealer.end(99, "closed")
    assert sealer.head == check_chain(data, HEADS)
    assert sealer.head == Head(seq=len(PARTS) - 1, hash=WHOLE[-32:], bytes=len(WHOLE), ended=True)


def test_nothing_waits_nothing_is_sealed():
    sealer = Sealer(HEADER, KEY)
    assert sealer.chunk() is None
    sealer.frame(0, Kind.NOTE, 0, b"")
    assert not sealer.ready
    assert sealer.chunk() is not None
    assert sealer.chunk() is None


def test_what_a_caller_changes_afterwards_is_not_recorded():
    sealer = Sealer(HEADER, KEY)
    buffer = bytearray(b"before")
    sealer.frame(0, Kind.OUTPUT, 0, buffer)
    sealer.frame(0, Kind.OUTPUT, 0, memoryview(buffer)[:3])
    buffer[:] = b"after!"
    data = sealer.header + sealer.end(0, "")
    assert [frame.data for frame in read(data, KEY)] == [b"before", b"bef", b""]


def test_nothing_follows_the_end():
    sealer = Sealer(HEADER, KEY)
    data = sealer.header + sealer.end(0, "closed")
    with pytest.raises(ValueError, match="has ended"):
        sealer.frame(0, Kind.OUTPUT, 0, b"more")
    assert sealer.chunk() is None
    with pytest.raises(Tampered, match="follows its END"):
        check_chain(data + PARTS[1])
    with pytest.raises(Tampered):
        list(read(data + b"\x00", KEY))


def test_sizes_that_are_refused():
    with pytest.raises(ValueError, match="16 MiB"):
        Sealer(HEADER, KEY).frame(0, Kind.OUTPUT, 0, bytes(MAX_FRAME + 1))
    with pytest.raises(ValueError, match="16 MiB"):
        Sealer(HEADER, KEY, chunk_bytes=MAX_FRAME + 1)
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(HEADER, bytes(16))
    with pytest.raises(ValueError, match="too long"):
        replace(HEADER, wrapped_key=bytes(70_000)).pack()
    with pytest.raises(ValueError, match="too long"):
        replace(HEADER, wrapped_key=bytes(65_535)).pack()


def test_no_plaintext_in_the_file():
    assert b"line" not in WHOLE
    assert b"closed" not in WHOLE


# The header ----------------------------------------------------------------------------------------------------------


@given(st.text(max_size=40), st.text(max_size=40), st.integers(0, 2**64 - 1), st.binary(max_size=200))
def test_headers_there_and_back(session: str, stream: str, created_at_ms: int, wrapped_key: bytes):
    header = Header(session=session, stream=stream, created_at_ms=created_at_ms, wrapped_key=wrapped_key)
    assert read_header(header.pack() + b"rest") == header


@given(st.binary(max_size=200))
def test_other_bytes_are_no_recording(data: bytes):
    for bad in (data, b"BGR1" + data):
        with pytest.raises(Tampered):
            list(read(bad, KEY))
        with pytest.raises(Tampered):
            check_chain(bad, HEADS[1:])


def test_a_cut_header_is_refused():
    for cut in range(len(PARTS[0])):
        for reader in (read_header, check_chain, scan):
            with pytest.raises(Tampered):
                reader(WHOLE[:cut])


@pytest.mark.parametrize(
    "other",
    [
        replace(HEADER, session="ses_2"),
        replace(HEADER, stream="keys"),
        replace(HEADER, created_at_ms=1),
        replace(HEADER, wrapped_key=b"\x02" * 81),
    ],
)
def test_a_header_of_another_recording_is_refused(other: Header):
    data = other.pack() + b"".join(PARTS[1:])
    with pytest.raises(Tampered):
        check_chain(data)
    with pytest.raises(Tampered):
        list(read(data, KEY))


# The chain -----------------------------------------------------------------------------------------------------------


def refused_everywhere(data: bytes) -> None:
    """Auditors with the log's last head, and replay, notice."""
    with pytest.raises(Tampered):
        check_chain(data, [HEADS[-1]])
    with pytest.raises(Tampered):
        list(read(data, KEY))


def test_every_flipped_bit_is_found():
    for place in range(len(WHOLE) * 8):
        bad = bytearray(WHOLE)
        bad[place // 8] ^= 1 << place % 8
        with pytest.raises(Tampered):
            check_chain(bad, [HEADS[-1]])
        if place % 8 == place // 8 % 8:
            refused_everywhere(bytes(bad))


def test_every_dropped_or_doubled_chunk_is_found():
    for place in range(1, len(PARTS)):
        refused_everywhere(b"".join(PARTS[:place] + PARTS[place + 1 :]))
        refused_everywhere(b"".join(PARTS[: place + 1] + PARTS[place:]))


def test_every_swap_is_found():
    for one in range(1, len(PARTS)):
        for two in range(one + 1, len(PARTS)):
            parts = list(PARTS)
            parts[one], parts[two] = parts[two], parts[one]
            refused_everywhere(b"".join(parts))


def test_every_cut_is_found():
    for cut in range(len(WHOLE)):
        refused_everywhere(WHOLE[:cut])


@given(st.data())
def test_any_edit_is_found(data: st.DataObject):
    start = data.draw(st.integers(0, len(WHOLE)))
    end = data.draw(st.integers(start, len(WHOLE)))
    bad = WHOLE[:start] + data.draw(st.binary(max_size=200)) + WHOLE[end:]
    if bad != WHOLE:
        refused_everywhere(bad)


def rechained(parts: Sequence[bytes]) -> bytes:
    """What an attacker without the key can do: give chunks new places and hashes that fit."""
    out, prev = parts[0], hashlib.sha256(parts[0]).digest()
    for seq, part in enumerate(parts[1:]):
        size, kind, _, _ = CHUNK_HEAD.unpack_from(part)
        body = part[CHUNK_HEAD.size : -HASH_BYTES]
        chunk = CHUNK_HEAD.pack(size, kind, seq, prev) + body
        prev = hashlib.sha256(chunk).digest()
        out += chunk + prev
    return out


@pytest.mark.parametrize(
    "parts",
    [
        [*PARTS[:3], *PARTS[4:]],
        [*PARTS[:3], PARTS[4], PARTS[3], *PARTS[5:]],
        [*PARTS[:4], *PARTS[3:]],
        [*recorded(LINES, key=bytes(32))[:-1], PARTS[-1]],
    ],
    ids=["dropped", "swapped", "doubled", "made up"],
)
def test_a_repaired_chain_fits_neither_the_log_nor_the_tags(parts: list[bytes]):
    data = rechained(parts)
    assert check_chain(data).ended  # the hashes alone fit: that is why heads stand in the log
    refused_everywhere(data)
    assert scan(data, KEY).good.seq < len(parts) - 1


def test_a_data_chunk_made_the_end_is_refused():
    forged = bytearray(b"".join(PARTS[:3]))
    place = len(PARTS[0]) + len(PARTS[1])
    forged[place + 4] = ChunkKind.END
    data = rechained([PARTS[0], PARTS[1], bytes(forged[place:])])
    assert check_chain(data).ended
    refused_everywhere(data)


def test_the_chain_passes_through_every_head_of_the_log():
    assert check_chain(WHOLE, HEADS) == HEADS[-1]
    assert check_chain(WHOLE, HEADS[2:4]) == HEADS[-1]
    for head in HEADS:
        for other in (
            replace(head, hash=bytes(32)),
            replace(head, bytes=head.bytes + 1),
            replace(head, ended=not head.ended),
        ):
            with pytest.raises(Tampered, match="the log names"):
                check_chain(WHOLE, [other])
            with pytest.raises(Tampered, match="two different heads"):
                check_chain(WHOLE, [head, other])


def test_chunks_of_another_session_or_stream_do_not_open_even_with_the_same_key():
    for other in (replace(HEADER, session="ses_2"), replace(HEADER, stream="keys")):
        parts = recorded(LINES, header=other)
        with pytest.raises(Tampered):
            list(read(rechained([PARTS[0], *parts[1:]]), KEY))


def test_another_key_opens_nothing():
    with pytest.raises(Tampered, match="not sealed by this recording's key"):
        next(read(WHOLE, bytes(32)))


# After a crash -------------------------------------------------------------------------------------------------------


def test_cut_anywhere_the_good_part_is_found_without_and_with_the_key():
    ends = [head.bytes for head in HEADS]
    for cut in range(ends[0], len(WHOLE)):
        whole_chunks = sum(end <= cut for end in ends) - 1
        for key in (None, KEY):
            found = scan(WHOLE[:cut], key)
            assert found.good == HEADS[whole_chunks]
            assert found.why
            assert ("torn" in found.why) == (cut not in ends)


def test_a_half_written_chunk_is_found_without_the_key():
    # The file grew, the data did not arrive: zeros where the chunk's last bytes should be.
    for place in range(2, len(PARTS)):
        torn = PARTS[place][: len(PARTS[place]) // 2].ljust(len(PARTS[place]), b"\x00")
        found = scan(b"".join(PARTS[:place]) + torn)
        assert found.good == HEADS[place - 1]
        assert "half written" in found.why


def test_what_was_truncated_reads_to_its_end_and_says_that_it_was_cut():
    good = scan(WHOLE[:-5]).good
    frames = read(WHOLE[: good.bytes], KEY)
    assert list(islice(frames, len(LINES))) == LINES
    with pytest.raises(Cut, match="without an END") as cut:
        next(frames)
    assert "TRUNCATED" in cut.value.what_to_do


def test_a_bad_chunk_still_gives_the_frames_before_it():
    bad = bytearray(WHOLE)
    bad[HEADS[5].bytes + 60] ^= 1
    frames = read(bad, KEY)
    assert list(islice(frames, 5)) == LINES[:5]
    with pytest.raises(Tampered, match="after chunk 5"):
        next(frames)


@given(st.binary(max_size=300))
def test_garbage_after_the_good_part_changes_nothing(garbage: bytes):
    found = scan(b"".join(PARTS[:4]) + garbage)
    assert found.good == HEADS[3]
    assert found.why


# Frames --------------------------------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_payload_is_frames_or_malformed(payload: bytes):
    try:
        frames = list(frames_of(payload))
    except Malformed:
        return
    assert b"".join(HEAD.pack(f.at_us, f.kind, f.channel, len(f.data)) + f.data for f in frames) == payload


def test_torn_frames_and_unknown_kinds_are_malformed():
    good = HEAD.pack(1, Kind.OUTPUT, 2, 3) + b"abc"
    assert list(frames_of(good)) == [Frame(1, Kind.OUTPUT, 2, b"abc")]
    for bad in [good[:cut] for cut in range(1, len(good))] + [HEAD.pack(1, 200, 2, 0)]:
        with pytest.raises(Malformed):
            list(frames_of(bad))


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.integers(-(2**31), 2**31 - 1), st.integers(0, 2**64 - 1))
def test_what_frames_hold_there_and_back(cols: int, rows: int, status: int, size: int):
    assert resize_of(resize_data(cols, rows)) == Size(cols, rows)
    assert exit_of(exit_data(status)) == status
    assert digest_of(digest_data(size, KEY)) == Digest(size, KEY)


def test_absurd_sizes_are_cut_and_odd_data_malformed():
    assert resize_of(resize_data(10**9, -1)) == Size(0xFFFF, 0)
    for parse in (resize_of, exit_of, digest_of):
        with pytest.raises(Malformed):
            parse(b"odd")
    with pytest.raises(ValueError, match="32 bytes"):
        digest_data(1, b"short")


def test_numbers_of_kinds_never_change():
    assert [kind.value for kind in Kind] == list(range(1, 13))
    assert all(one < two for one, two in pairwise(Kind))
    assert (Kind.OUTPUT, Kind.INPUT, Kind.RESIZE, Kind.EXIT, Kind.END) == (1, 2, 4, 9, 12)
