"""What goes over the socket: every value comes back the same, and whatever does not fit its type is refused."""

import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass import errors
from breakglass.errors import BreakglassError, Malformed, Unavailable
from breakglass.model.ids import CredentialId
from breakglass.model.secret import Secret
from breakglass.trust.chain import Version
from breakglass.trust.statement import Signed
from breakglass.vault import shape
from breakglass.vault.answers import Progress, Status
from breakglass.vault.asking import Deposited, Past, Purpose
from breakglass.vault.clock import ClockWentBack
from breakglass.vault.core import Vault
from breakglass.vault.evidence import Evidence
from breakglass.vault.opened import RosterNotLoaded
from breakglass.vault.seal import NoCustodians
from breakglass.vault.server import CALLS
from breakglass.vault.shares import NotEnoughShares, WrongShare
from breakglass.vault.wire import FRAME_MAX, Broken, Channel, error_header, error_of

EVIDENCE = Evidence(leaf=b"leaf", index=3, size=9, proof=(bytes(32), b"\x01" * 32), note=b"note")
VALUES = [
    (Signed, Signed("text — é", "armor")),
    (Version, Version(b"\x00\xff", (Signed("a", "b"), Signed("c", "d")))),
    (Evidence, EVIDENCE),
    (Deposited, Deposited(credential=CredentialId("crd_1"), version=2, blob=b"")),
    (Past, Past(entry=EVIDENCE, token="note", approvals=())),
    (Past | None, None),
    (Purpose, Purpose.PROBE),
    (Progress, Progress(sealed=True, entered=(1, 3), k=2, n=3)),
    (datetime, datetime(2026, 11, 23, 21, 0, 0, 5, tzinfo=UTC)),
    (tuple[bytes, ...], (b"", b"x")),
    (str | None, None),
    (type(None), None),
]


@pytest.mark.parametrize(("kind", "value"), VALUES)
def test_there_and_back(kind, value):
    blobs: list[Any] = []
    encoded = shape.encode(value, blobs)
    assert shape.decoder(kind)(encoded, blobs) == value


def test_a_secret_travels_beside_the_text_never_in_it():
    blobs: list[Any] = []
    encoded = shape.encode({"secret": Secret(b"canary")}, blobs)
    assert encoded == {"secret": 0}
    (held,) = blobs
    assert isinstance(held, Secret)
    assert shape.decoder(Secret)(0, [b"canary"]).reveal() == b"canary"


def test_each_call_of_the_door_can_be_read():
    for name in CALLS:
        shape.arguments(getattr(Vault, name))
        if name != "release_session":
            shape.result(getattr(Vault, name))
    with pytest.raises(TypeError):
        shape.encode(object(), [])
    with pytest.raises(TypeError):
        shape.decoder(complex)


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (str, 1),
        (int, True),
        (int, "1"),
        (bool, 1),
        (bytes, "text"),
        (bytes, 7),
        (bytes, -1),
        (bytes, True),
        (Secret, "text"),
        (datetime, "2026-11-23T21:00:00"),
        (datetime, "soon"),
        (Purpose, "reveal"),
        (Signed, {"text": "a"}),
        (Signed, {"text": "a", "signature": "b", "more": "c"}),
        (Signed, ["a", "b"]),
        (Signed, None),
        (tuple[bytes, ...], 0),
    ],
)
def test_whatever_does_not_fit_is_refused(kind, bad):
    with pytest.raises(Malformed):
        shape.decoder(kind)(bad, [b"blob"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["grant", "text", "leaf", "x"]), inner),
    max_leaves=8,
)


@given(call=st.sampled_from(CALLS), args=JSON)
def test_any_json_as_arguments_is_read_or_refused(call, args):
    try:
        shape.arguments(getattr(Vault, call))(args, [b"blob"])
    except Malformed:
        return
    assert isinstance(args, dict)


# -- errors -----------------------------------------------------------------------------------------------------------
OWN = [ClockWentBack, RosterNotLoaded, WrongShare, NotEnoughShares, NoCustodians]
KNOWN = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, BreakglassError)]


@pytest.mark.parametrize("kind", [one for one in KNOWN if one is not BreakglassError] + OWN)
def test_an_error_arrives_as_what_it_was(kind):
    sent = kind("What happened: é.", what_to_do="Do this.", about="7")
    found = error_of(error_header(sent)["error"])
    assert type(found) is kind
    assert (found.message, found.what_to_do, found.about) == (sent.message, sent.what_to_do, sent.about)


def test_an_error_that_is_not_known_is_at_least_unavailable():
    assert type(error_of(["new_kind", "What.", "Do.", ""])) is Unavailable


# -- frames -----------------------------------------------------------------------------------------------------------
@pytest.fixture(name="pair")
def _pair():
    a, b = socket.socketpair()
    left, right = Channel(a, 0.5), Channel(b, 0.5)
    yield left, right
    left.close()
    right.close()


@given(blobs=st.lists(st.binary(max_size=2000), max_size=5), text=st.text(max_size=50))
def test_frames_there_and_back(blobs, text):
    a, b = socket.socketpair()
    left, right = Channel(a, 5), Channel(b, 5)
    try:
        for _ in range(2):
            left.send({"x": text}, blobs)
            header, found = right.receive() or (None, [])
            assert header == {"x": text}
            assert [bytes(one) for one in found] == blobs
            right.forget()
    finally:
        left.close()
        right.close()


def test_a_large_frame_and_then_a_small_one(pair):
    import threading

    left, right = pair
    big = bytes(range(256)) * 4096
    sending = threading.Thread(target=left.send, args=({"n": 1}, [big]))
    sending.start()
    _, (found,) = right.receive() or (None, [b""])
    assert bytes(found) == big
    del found
    sending.join()
    right.forget()
    assert len(right._buffer) < len(big)
    left.send({"n": 2})
    assert right.receive()[0] == {"n": 2}


def test_buffers_are_wiped(pair):
    left, right = pair
    left.send({"n": 1}, [Secret(b"canary-in-a-buffer")])
    right.receive()
    assert b"canary" in right._buffer
    right.forget()
    assert not any(right._buffer)


def test_the_other_side_closes(pair):
    left, right = pair
    left.close()
    assert right.receive(idle=True) is None
    with pytest.raises(Broken):
        right.receive()


def test_half_a_frame_is_given_up_in_time(pair):
    left, right = pair
    left.socket.sendall(b"\x00\x00\x00\x10\x00\x00")
    with pytest.raises(Broken):
        right.receive(idle=True)


@pytest.mark.parametrize("declared", [0, 3, FRAME_MAX + 1, 2**32 - 1])
def test_impossible_lengths(pair, declared):
    left, right = pair
    left.socket.sendall(declared.to_bytes(4, "big") + bytes(8))
    with pytest.raises(Broken):
        right.receive()


@given(st.binary(min_size=4, max_size=200))
def test_any_bytes_in_a_frame_are_read_or_given_up(noise):
    a, b = socket.socketpair()
    right = Channel(b, 0.5)
    try:
        a.sendall(len(noise).to_bytes(4, "big") + noise)
        frame = right.receive()
        assert frame is not None
    except Broken:
        pass
    finally:
        right.close()
        a.close()


def test_two_questions_at_once_break_the_connection(pair):
    left, right = pair
    frame = b"\x00\x00\x00\x06\x00\x00\x00\x02{}"
    left.socket.sendall(frame + frame)
    with pytest.raises(Broken):
        right.receive()


def test_too_much_is_refused_before_it_is_sent(pair, monkeypatch):
    left, right = pair
    monkeypatch.setattr("breakglass.vault.wire.FRAME_MAX", 100)
    with pytest.raises(Malformed):
        left.send({}, [bytes(100)])
    left.send({"n": 1})
    assert right.receive()[0] == {"n": 1}


def test_a_status_says_everything_it_holds(world):
    status = world.vault.status()
    blobs: list[Any] = []
    assert shape.decoder(Status)(shape.encode(status, blobs), blobs) == status
    assert replace(status, grants=1) != status
