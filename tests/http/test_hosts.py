"""A node answers to its own names and to addresses only (DNS rebinding)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.config import Settings
from breakglass.http.hosts import host_of, names, ours

KNOWN = names(
    Settings(
        deployment="dep_1",
        origin="x.example",
        roster_pin="",
        api_host="Gate.internal",
        web_origin="https://gate.example:8443",
    )
)


def asked(*hosts: str, kind: str = "http") -> bool:
    return ours({"type": kind, "headers": [(b"host", host.encode("latin-1")) for host in hosts]}, KNOWN)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8422", "LOCALHOST.", "127.0.0.1:8422", "[::1]:8422", "192.0.2.7", "gate.example",
     "GATE.example:8443", "gate.internal:1"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_our_names(host: str, kind: str) -> None:
    assert asked(host, kind=kind)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "evil.example:8443", "gate.example.evil.example", "evil-gate.example",
     "127.0.0.1.evil.example",
     "localhost.evil.example", "[evil.example]", "gate.example@evil.example", "0x7f.1", "\xff"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_other_names(host: str, kind: str) -> None:
    assert not asked(host, kind=kind)


def test_one_host_is_named() -> None:
    assert not asked()
    assert not asked("localhost", "evil.example")
    assert asked("evil.example", kind="lifespan")
    assert names(Settings(deployment="", origin="", roster_pin="")) == {"localhost", "127.0.0.1"}


@given(st.text(st.characters(max_codepoint=255)))
def test_any_header_is_read(header: str) -> None:
    assert host_of(header) == host_of(header.upper()) or not header.isascii()
    asked(header)
