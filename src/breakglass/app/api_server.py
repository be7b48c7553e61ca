"""The API's listener: uvicorn inside the node's own event loop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import uvicorn

from breakglass.errors import Malformed, Unavailable
from breakglass.gateway.browser import MESSAGE_MAX
from breakglass.http.shield import App

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the node's business."""
        yield


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files."""

    certificate: str
    key: str


class ApiServer:
    def __init__(self, site: App, tls: Tls | None = None) -> None:
        """Raises `Malformed` when the certificate and its key can't be used."""
        config = uvicorn.Config(
            cast("ASGI3Application", site),
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            limit_concurrency=256,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=32 * 1024,
            ws_max_size=MESSAGE_MAX,
            ws_per_message_deflate=False,  # what is typed and what is shown would tell of each other by their lengths
            ws_ping_interval=20.0,
            ws_ping_timeout=20.0,
        )
        try:
            config.load()
        except OSError as error:  # also of ssl
            raise Malformed(
                f"The certificate and its key can't be used: {error.strerror or error}.",
                what_to_do="Correct `tls_certificate` and `tls_key`: PEM files that belong together.",
            ) from None
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Raises `Unavailable` when the address is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            listening.close()
            raise Unavailable(
                f"The API can't listen on {host}:{port}: {error.strerror}.",
                what_to_do="Choose another port in breakglass.toml.",
            ) from None
        self.port = listening.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]), name="api")
        async with asyncio.timeout(10):
            while not self._server.started:  # noqa: ASYNC110 (uvicorn tells it by this flag only)
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task:
            await asyncio.gather(self._task, return_exceptions=True)
