"""Domains and origins: as browsers write them, and only those that a passkey's page can have."""

import pytest

from breakglass.codec.origin import must_be_domain, must_be_origin
from breakglass.errors import Malformed


@pytest.mark.parametrize(
    "rp", ["host.example", "localhost", "gate", "a.b.c.example", "xn--bcher-kva.example", "1.example"]
)
def test_domains(rp: str) -> None:
    must_be_domain(rp)


@pytest.mark.parametrize(
    "rp",
    ["", ".", "host.example.", ".example", "a..b", "Host.example", "host.example:443", "https://host.example", "ho st",
     "192.0.2.7", "10", "[::1]", "::1", "bücher.example", "-a.example", "a-.example", "a_b.example", "host.example\n",
     "x" * 64, "a." * 127 + "a", "*.example"],
)  # fmt: skip
def test_what_is_no_domain(rp: str) -> None:
    with pytest.raises(Malformed, match="no domain"):
        must_be_domain(rp)


@pytest.mark.parametrize(
    ("origin", "rp"),
    [
        ("https://host.example", "host.example"),
        ("https://host.example:8443", "host.example"),
        ("https://gate.host.example", "host.example"),
        ("http://localhost:8080", "localhost"),
        ("http://localhost", "localhost"),
        ("https://host.example:80", "host.example"),
        ("http://demo.localhost:443", "localhost"),
    ],
)
def test_origins(origin: str, rp: str) -> None:
    must_be_origin(origin, rp)


@pytest.mark.parametrize(
    "origin",
    ["", "null", "host.example", "http://host.example", "https://host.example/", "https://host.example/path",
     "https://host.example:443", "https://host.example:0", "https://host.example:08443", "https://host.example:65536",
     "https://host.example:", "https://Host.example", "HTTPS://host.example", "https://evil.example",
     "https://evilhost.example", "https://host.example.evil.example", "https://example", "https://user@host.example",
     "https://host.example\n", "wss://host.example", "android:apk-key-hash:x", "https://host.example.",
     "http://localhost", "https://.host.example", "https://a..host.example"],
)  # fmt: skip
def test_what_no_page_of_ours_has(origin: str) -> None:
    with pytest.raises(Malformed):
        must_be_origin(origin, "host.example")


def test_the_usual_port_is_never_written() -> None:
    with pytest.raises(Malformed):
        must_be_origin("http://localhost:80", "localhost")
