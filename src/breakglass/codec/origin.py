"""Where a passkey counts: its relying party's domain (RP ID) and the origins of the pages that may ask it.

    rp        host.example                      the domain that the passkey was made for: it signs for no other
    origins   https://host.example              a page there, as the browser states it: scheme, host, port if not the
              https://gate.host.example:8443    usual one; the host is the domain or lies under it

Both as browsers write them (WebAuthn Level 2, "RP ID"; HTML, serialization of an origin): lower case, ASCII (punycode),
no dot at the end. Only https, but for `localhost`, which browsers trust without.
"""

import re

from breakglass.errors import Malformed

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_ORIGIN = re.compile(r"(https?)://([a-z0-9.-]{1,253})(?::([1-9][0-9]{0,4}))?")
_USUAL = {"https": 443, "http": 80}


def must_be_domain(rp: str) -> None:
    """Raises `Malformed` for what can't be an RP ID: an address, a port, capitals, a dot at the end."""
    if len(rp) > 253 or not _DOMAIN.fullmatch(rp) or rp.rpartition(".")[2].isdigit():
        raise Malformed(
            f"{rp[:60]!r} is no domain that a passkey can be for.",
            what_to_do="Write it in lower case, without scheme, port or address, as in `host.example`.",
        )


def must_be_origin(origin: str, rp: str) -> None:
    """Raises `Malformed` for an origin that no page of the domain `rp` can have."""
    shape = _ORIGIN.fullmatch(origin)
    if shape is None:
        raise _wrong(origin, rp)
    scheme, host, port = shape[1], shape[2], int(shape[3] or 0)
    must_be_domain(host)
    local = host == "localhost" or host.endswith(".localhost")
    if (
        (host != rp and not host.endswith(f".{rp}"))
        or (scheme == "http" and not local)
        or port > 65535
        or port == _USUAL[scheme]
    ):
        raise _wrong(origin, rp)


def _wrong(origin: str, rp: str) -> Malformed:
    return Malformed(
        f"No page of {rp[:60]} has the origin {origin[:100]!r}.",
        what_to_do=f"Write it as the browser does: https://{rp[:60]}, with the port only when it is not 443.",
    )
