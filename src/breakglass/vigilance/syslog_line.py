"""A line to a syslog collector: TLS (RFC 5425), and what is sent counts when the other machine has taken it.

Syslog has no acknowledgement of its own: what the collector's kernel had taken, and its program had not written yet,
can be lost when it dies.
"""

import asyncio
import contextlib
import fcntl
import re
import ssl
import struct
from dataclasses import dataclass

from breakglass.errors import Malformed, Unavailable

CONNECT_FOR, TAKEN_FOR = 10.0, 30.0
_ADDRESS = re.compile(r"tls://(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]+):([1-9][0-9]{0,4})")
_SIOCOUTQ = 0x5411  # linux/sockios.h: bytes that the other side's kernel has not taken yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    host: str
    port: int
    ca: str
    """File of the authorities that are believed; empty: the system's."""
    setting: str = "siem"
    """Which setting names it: an error says so, and never repeats the address, which may hold a password."""

    @classmethod
    def of(cls, address: str, ca: str, *, setting: str = "siem") -> "Collector":
        """Raises `Malformed` for anything but `tls://host:port`: nothing leaves without TLS."""
        shape = _ADDRESS.fullmatch(address)
        if shape is None or int(shape[2]) > 65535:
            raise Malformed(
                f"`{setting}` has an address that can't be used.",
                what_to_do="Write it like tls://siem.example.org:6514.",
            )
        return cls(host=shape[1].strip("[]"), port=int(shape[2]), ca=ca, setting=setting)

    def context(self) -> ssl.SSLContext:
        """Certificate and name are always checked. Raises `Malformed` for a file that holds no certificate."""
        try:
            context = ssl.create_default_context(cafile=self.ca or None)
        except (OSError, ssl.SSLError) as error:
            raise Malformed(f"`{self.setting}_ca` can't be used: {error}.", what_to_do="Name a PEM file.") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class Line:
    """Opened when it is needed, and kept open."""

    def __init__(self, collector: Collector) -> None:
        """Raises `Malformed` as `Collector.context`."""
        self.collector, self.context = collector, collector.context()
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, frames: bytes) -> None:
        """Returns when the other side's kernel has all of it. Raises `OSError`, `TimeoutError`, `Unavailable`: then
        hang up, and send again."""
        writer = self._writer or await self._connect()
        writer.write(frames)
        async with asyncio.timeout(TAKEN_FOR):
            await writer.drain()
            await self._taken(writer)

    async def hang_up(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await writer.wait_closed()

    async def _connect(self) -> asyncio.StreamWriter:
        async with asyncio.timeout(CONNECT_FOR):
            reader, self._writer = await asyncio.open_connection(
                self.collector.host, self.collector.port, ssl=self.context, server_hostname=self.collector.host
            )
        del reader  # a collector says nothing
        return self._writer

    @staticmethod
    async def _taken(writer: asyncio.StreamWriter) -> None:
        socket = writer.get_extra_info("socket")
        while True:
            if writer.is_closing():
                raise Unavailable("The collector hung up.", what_to_do="Look at the collector.")
            held = writer.transport.get_write_buffer_size()
            if not held and not struct.unpack("i", fcntl.ioctl(socket.fileno(), _SIOCOUTQ, b"\0" * 4))[0]:
                return
            await asyncio.sleep(0.01)
