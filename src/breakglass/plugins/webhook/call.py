"""One HTTPS request (HTTP/1.1) over a pinned connection; its answer bounded in time and size.

TargetDown, HostKeyMismatch    before anything was sent
Lost                           sent, wholly or in part, and no whole answer came
"""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import h11

from breakglass.plugin_api.rotator import Place
from breakglass.plugins.in_tls.stream import connected

_MOST = 64 * 1024


class Lost(Exception):
    """The request was sent, wholly or in part, and the answer is missing."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    """What its JSON says; None where it is none."""


async def call(place: Place, path: str, body: dict[str, str], *, connect: timedelta, answer: timedelta) -> Answer:
    data = json.dumps(body).encode()
    async with connected(place, within=connect) as (reader, writer):
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST)
        headers = [
            ("Host", f"{place.endpoint.host}:{place.endpoint.port}"),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(data))),
            ("Connection", "close"),
        ]
        request = h11.Request(method="POST", target=path, headers=headers)
        parts = (http.send(one) for one in (request, h11.Data(data), h11.EndOfMessage()))
        try:
            async with asyncio.timeout(answer.total_seconds()):
                writer.write(b"".join(part or b"" for part in parts))
                await writer.drain()
                return await _read(http, reader)
        except (OSError, h11.ProtocolError):  # TimeoutError is one
            raise Lost from None


async def _read(http: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    status, body = 0, bytearray()
    while True:
        event = http.next_event()
        match event:
            case h11.NEED_DATA:
                http.receive_data(await reader.read(_MOST))
            case h11.Response():
                status = event.status_code
            case h11.Data():
                body += event.data
                if len(body) > _MOST:
                    raise ConnectionError("more than any answer has")
            case h11.EndOfMessage():
                return Answer(status, _json(bytes(body)))
            case h11.InformationalResponse():
                pass
            case _:
                raise ConnectionError("the connection ended before the answer")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
