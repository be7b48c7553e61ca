"""One connection to a place, in TLS, known by the certificate that the roster pins. Nothing secret is sent before that.

    dial ─▶ preamble (how the protocol asks for TLS) ─▶ handshake ─▶ is it the pinned one? ─▶ reader, writer

The pin is the target's own certificate, which is compared byte for byte and so never expires on the bad day, or that of
the authority that issued it: then the chain, the name or address, and the validity are checked.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from breakglass.codec import x509
from breakglass.errors import HostKeyMismatch, TargetDown
from breakglass.plugin_api.rotator import Place

Preamble = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What comes before the handshake. Raises `TargetDown` where the target does not speak TLS."""
_GOODBYE_FOR = 2.0


@asynccontextmanager
async def connected(
    place: Place, *, within: timedelta, preamble: Preamble | None = None, tls: bool = True
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Raises `TargetDown`, `HostKeyMismatch`, `Malformed` (a pin that is no certificate).

    Without `tls` the caller begins it later, with `pinned` as its context, before it sends anything secret."""
    try:
        async with asyncio.timeout(within.total_seconds()):
            reader, writer = await _open(place, preamble, tls=tls)
    except ssl.SSLCertVerificationError:
        raise mismatch(place) from None
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:  # TimeoutError and SSLError are OSErrors
        raise TargetDown(
            f"{place.endpoint} can't be reached, or speaks no TLS ({type(error).__name__}).",
            what_to_do="Nothing was sent. Check that the target is up, reachable and has TLS; it is tried again.",
            about=str(place.endpoint),
        ) from None
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(_GOODBYE_FOR):
                await writer.wait_closed()


class _Pinned(ssl.SSLContext):
    """Looks at the certificate itself where a library makes the handshake on a socket of its own."""

    place: Place

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        made = super().wrap_socket(*args, **options)
        try:
            _must_be_pinned(self.place, made.getpeercert(binary_form=True))
        except BaseException:
            made.close()
            raise
        return made


def pinned(place: Place) -> ssl.SSLContext:
    """A client's side of TLS 1.2 or 1.3 that trusts the pin and nothing else."""
    der = x509.der(place.endpoint.host_key)
    made = _Pinned(ssl.PROTOCOL_TLS_CLIENT)
    made.place = place
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if x509.is_authority(der):
        made.load_verify_locations(cadata=der)
    else:  # compared byte for byte after the handshake, before anything is sent
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def _must_be_pinned(place: Place, shown: bytes | None) -> None:
    der = x509.der(place.endpoint.host_key)
    if not x509.is_authority(der) and shown != der:
        raise mismatch(place)


async def _open(
    place: Place, preamble: Preamble | None, *, tls: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop, trusted = asyncio.get_running_loop(), pinned(place)
    reader = asyncio.StreamReader(loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await place.dial.create_connection(lambda: protocol, place.endpoint.host, place.endpoint.port)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)  # type: ignore[arg-type]  # it can write
    try:
        if preamble is not None:
            await preamble(reader, writer)
        if tls:
            await writer.start_tls(trusted, server_hostname=place.endpoint.host)
            session: ssl.SSLObject = writer.get_extra_info("ssl_object")
            _must_be_pinned(place, session.getpeercert(binary_form=True))
    except BaseException:
        writer.transport.abort()
        raise
    return reader, writer


def mismatch(place: Place) -> HostKeyMismatch:
    return HostKeyMismatch(
        f"{place.endpoint} showed another certificate than the roster pins.",
        what_to_do="Stop. Ask whoever runs the target, by another way than the network, whether its certificate was "
        "changed; if so, change `certificate` in the roster, and if not, somebody stands in between.",
        about=str(place.endpoint),
    )
