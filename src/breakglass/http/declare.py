"""Routes, each declared with who may use it: that is checked before anything that was sent is read.

    @api.get("/requests", may=SIGNED_IN)            PUBLIC     anybody, also before signing in
    @pages.get("/audit", may=those_who("audit"))    SIGNED_IN  anybody in the roster
                                                    a set      whoever has one of these roles

An application with a route that was made in any other way is not built.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from breakglass.errors import BreakglassError, Forbidden, NotSignedIn
from breakglass.identity.access import MAY
from breakglass.model.people import Actor, Role


class Anybody(Enum):
    PUBLIC = "public"
    SIGNED_IN = "signed in"


PUBLIC, SIGNED_IN = Anybody.PUBLIC, Anybody.SIGNED_IN
May = Anybody | frozenset[Role]
F = TypeVar("F", bound=Callable[..., Any])
Asks = Callable[[HTTPConnection], Awaitable[Actor | None]]
"""Who asks; None for nobody (http.asking)."""


def those_who(action: str) -> frozenset[Role]:
    """The roles that may do this (identity.access), as people can have them."""
    return MAY[action] - {Role.SYSTEM}


def _signed(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


Signed = Annotated[Actor, Depends(_signed)]
"""The person who asks; for routes that are not PUBLIC."""


async def allowed(may: May, asks: Asks, connection: HTTPConnection) -> Actor | None:
    """Who asks, once they may, also as `connection.state.actor`; None on a public route, where nobody is looked for.

    Raises `NotSignedIn`, `Forbidden`."""
    if may is PUBLIC:
        return None
    actor = await asks(connection)
    if actor is None:
        raise NotSignedIn("You are not signed in.", what_to_do="Sign in with your key.")
    connection.state.actor = actor
    if isinstance(may, frozenset) and not may & actor.roles:
        raise Forbidden("Your roles do not allow this.", what_to_do=f"Ask somebody who is: {', '.join(sorted(may))}.")
    return actor


class Declared(APIRoute):
    """A route that knows who may use it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], *, may: May, asks: Asks, **options: Any) -> None:
        self.may, self.asks = may, asks  # first: the next line already asks for the handler
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            await allowed(self.may, self.asks, request)
            return await handle(request)

        return guarded


class DeclaredSocket(WebSocketRoute):
    """A WebSocket that knows who may use it: nobody else is let in (HTTP 403 instead of 101)."""

    def __init__(self, path: str, endpoint: Callable[[WebSocket], Awaitable[None]], *, may: May, asks: Asks) -> None:
        self.may, self.asks = may, asks

        async def guarded(socket: WebSocket) -> None:
            try:
                await allowed(may, asks, socket)
            except BreakglassError:
                await socket.close()
                return
            await endpoint(socket)

        super().__init__(path, guarded)


class Registry:
    """The only way to make a route. Each front door has one of its own, with what its routes share."""

    prefix = ""
    shared: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, app: FastAPI, asks: Asks) -> None:
        self.app, self.asks = app, asks

    def get(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self.route("GET", path, may, options)

    def post(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self.route("POST", path, may, options)

    def put(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self.route("PUT", path, may, options)

    def delete(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self.route("DELETE", path, may, options)

    def socket(self, path: str, *, may: May) -> Callable[[F], F]:
        def declare(endpoint: F) -> F:
            self.app.router.routes.append(DeclaredSocket(self.prefix + path, endpoint, may=may, asks=self.asks))
            return endpoint

        return declare

    def route(self, method: str, path: str, may: May, options: Mapping[str, Any]) -> Callable[[F], F]:
        def declare(endpoint: F) -> F:
            made = Declared(
                self.prefix + path, endpoint, may=may, asks=self.asks, methods=[method], **self.shared, **options
            )
            self.app.router.routes.append(made)
            return endpoint

        return declare


def must_be_declared(app: FastAPI) -> None:
    """Raises `AssertionError` naming a route that does not say who may use it."""
    for route in app.router.routes:
        if not isinstance(route, Declared | DeclaredSocket):
            raise AssertionError(f"{getattr(route, 'path', route)!r} does not declare who may use it")
