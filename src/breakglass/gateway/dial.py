"""Direct reach: the node itself opens the TCP stream to a target.

    Direct ──── loop.create_connection ────▶ host:port

It opens exactly what it is asked for, tells in time when nobody answers, and knows no names but the operating system's.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class Direct:
    """`plugin_api.dial.Dial` from this node. `timeout`: seconds until a target that does not answer counts as down."""

    __slots__ = ("_timeout",)

    def __init__(self, *, timeout: float = 10.0) -> None:
        self._timeout = timeout

    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        """Open one TCP stream to exactly `host:port`. Raises `OSError` (also `TimeoutError`) where it can't."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._timeout):
            return await loop.create_connection(factory, host, port, **options)
