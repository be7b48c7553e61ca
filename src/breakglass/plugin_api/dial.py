"""Reach: how a connection to a target is made. It has the shape of asyncio's own `loop.create_connection`.

The gateway's `Direct` dials from the node; a connector's dial comes out on the target's own network. asyncssh takes
either as `tunnel=`, rotators and relays take it as it is. Nobody else opens sockets to targets.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol


class Dial(Protocol):
    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        """Open one TCP stream to exactly `host:port`. Raises `OSError` where it can't be reached."""
        ...
