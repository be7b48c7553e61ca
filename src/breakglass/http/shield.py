"""What every answer and every request passes: a cap on the body, and headers that let no browser do more than read.

Plain ASGI, outside of everything else, so that nothing is parsed before it and no answer escapes it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_MAX = 256 * 1024
"""Bytes: a roster's document (60,000) or a statement with its signature, with room for JSON's escapes."""
NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""For answers that no browser shows."""
PAGE = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""For pages: everything from this server, no inline script, no style attribute. A page that needs more sets its own."""
HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # with `no-referrer`, browsers would call our own forms' origin "null"
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)

HSTS = (b"strict-transport-security", b"max-age=31536000")
"""Over TLS: for a year, browsers come to this name by TLS alone (RFC 6797)."""


class Headers:
    """The strict ones on each answer, unless it sets its own."""

    def __init__(self, app: App, policy: str = NOTHING) -> None:
        self.app, self._headers = app, (*HEADERS, (b"content-security-policy", policy.encode()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message.get("headers", [])}
                wanted = (*self._headers, HSTS) if scope.get("scheme") == "https" else self._headers
                more = [one for one in wanted if one[0] not in there]
                message = {**message, "headers": [*message.get("headers", []), *more]}
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class BodyCap:
    """Raises HTTP 413 as soon as more than `BODY_MAX` bytes came, whatever the Content-Length said."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        came = 0

        async def capped() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > BODY_MAX:
                raise HTTPException(413)
            return message

        await self.app(scope, capped if scope["type"] == "http" else receive, send)
