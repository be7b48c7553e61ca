"""A private Unix socket in front of one pinned TLS connection, for client libraries that open their own sockets.

    library ─▶ FOLDER/NAME (0700, one client, gone afterwards) ─▶ TLS to the pinned target, over the place's dial

The library speaks in the clear to this process alone; the network sees the pinned TLS only.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from breakglass.plugin_api.rotator import Place
from breakglass.plugins.in_tls.stream import Preamble, connected

Through = Callable[[bytes], bytes]
_CHUNK = 64 * 1024


def _unchanged(data: bytes) -> bytes:
    return data


@asynccontextmanager
async def bridged(
    place: Place,
    name: str,
    *,
    within: timedelta,
    preamble: Preamble | None = None,
    tls: bool = True,
    through: Through = _unchanged,
) -> AsyncIterator[Path]:
    """The socket's path. The target is connected to first: raises as `connected` does.

    What the target says goes `through` a function."""
    async with connected(place, within=within, preamble=preamble, tls=tls) as (reader, writer):
        with tempfile.TemporaryDirectory(prefix="bg-") as folder:  # 0700
            path, serving = Path(folder) / name, set[asyncio.Task[None]]()
            near: list[asyncio.StreamWriter] = []

            async def serve(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
                try:
                    await _both_ways(_pump(near_reader, writer), _pump(reader, near_writer, through))
                finally:
                    near_writer.transport.abort()

            def accept(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
                near.append(near_writer)  # a task that is cancelled before it began closes nothing
                if serving:
                    near_writer.transport.abort()
                else:
                    serving.add(asyncio.ensure_future(serve(near_reader, near_writer)))

            server = await asyncio.start_unix_server(accept, path)
            try:
                yield path
            finally:
                server.close()
                for task in serving:
                    task.cancel()
                await asyncio.gather(*serving, return_exceptions=True)
                for one in near:
                    one.transport.abort()


async def _both_ways(*ways: Coroutine[Any, Any, None]) -> None:
    """Until either side ends: a half-open connection helps no client library."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, through: Through = _unchanged) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(through(data))
            await writer.drain()
