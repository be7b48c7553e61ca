"""The witness's listener: one route, `POST /add-checkpoint`, as an ASGI application.

Whoever reaches it may ask: the log's signature is what counts, and a checkpoint is no secret (C2SP tlog-witness).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from breakglass.witness.judging import TEXT_TYPE, Answer, Witness

_log = logging.getLogger(__name__)
BODY_MAX: Final = 64 * 1024
"""Bytes: a checkpoint under 100 signatures and 63 hashes is a quarter of it."""
READ_TIMEOUT: Final = 10.0
"""Seconds for a request's body to arrive."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application:
    def __init__(self, witness: Witness, *, clock: Callable[[], float] = time.time) -> None:
        self._witness, self._clock = witness, clock

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await self._answer(scope, receive)
            headers = [(b"content-type", answer.content_type.encode()), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> Answer:
        if scope["path"] != "/add-checkpoint":
            return Answer(status=404, body=b"There is only /add-checkpoint.\n")
        if scope["method"] != "POST":
            return Answer(status=405, body=b"POST it.\n")
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                body = await _body(receive)
        except TimeoutError:
            return Answer(status=408, body=b"The request did not arrive in time.\n")
        if body is None:
            return Answer(status=413, body=f"A request has up to {BODY_MAX} bytes.\n".encode())
        try:
            answer = await asyncio.to_thread(self._witness.add_checkpoint, body, int(self._clock()))
        except OSError:
            _log.exception("the witness could not write what it saw; nothing was cosigned")
            return Answer(status=503, body=b"The witness could not write. Try again.\n", content_type=TEXT_TYPE)
        if answer.status != 200:
            _log.warning("answered %d: %s", answer.status, answer.body.decode().strip())
        return answer


async def _body(receive: Receive) -> bytes | None:
    """None when it is too long."""
    data = bytearray()
    while True:
        message = await receive()
        data += message.get("body", b"")
        if len(data) > BODY_MAX:
            return None
        if not message.get("more_body"):
            return bytes(data)


def serve(witness: Witness, host: str, port: int) -> None:
    """Until it is told to stop."""
    import uvicorn

    config = uvicorn.Config(
        Application(witness), host=host, port=port, lifespan="off", access_log=False, server_header=False,
        log_level="warning", limit_concurrency=64, timeout_keep_alive=30,
    )  # fmt: skip
    uvicorn.Server(config).run()
