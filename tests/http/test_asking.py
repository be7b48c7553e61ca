"""Who asks: a browser's cookie counts on pages only, and for a change only when it comes from our own pages."""

import pytest
from starlette.requests import HTTPConnection

from breakglass.http.asking import bearer, from_here


def connection(scheme: str = "http", **headers: str) -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    kind = "websocket" if scheme.startswith("ws") else "http"
    scope = {"type": kind, "scheme": scheme, "path": "/", "query_string": b"", "headers": raw, "server": ("gate", 80)}
    return HTTPConnection(scope)


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer abc", "abc"), ("Basic abc", ""), ("Bearer", ""), ("", ""), ("abc", "")],
)
def test_a_token_is_read_from_its_header_only(header: str, token: str) -> None:
    assert bearer(connection(authorization=header)) == token


@pytest.mark.parametrize(
    ("scheme", "origin", "ours"),
    [
        ("http", "http://gate:8443", True),
        ("https", "https://gate:8443", True),
        ("ws", "http://gate:8443", True),
        ("wss", "https://gate:8443", True),
        ("http", "https://gate:8443", True),  # TLS ends before us
        ("https", "http://gate:8443", False),
        ("http", "http://gate", False),
        ("http", "http://gate:8443.evil.example", False),
        ("http", "http://evil.example", False),
        ("http", "null", False),
        ("http", "", False),
    ],
)
def test_only_our_own_pages_change_something(scheme: str, origin: str, ours: bool) -> None:
    assert from_here(connection(scheme, host="gate:8443", origin=origin)) is ours


def test_without_a_host_nothing_is_ours() -> None:
    assert not from_here(connection("http", origin="http://"))
