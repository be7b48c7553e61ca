"""Routes, each declared with who may use it: that is checked before anything that was sent is read.

    @api.get("/requests", may=SIGNED_IN)            PUBLIC     anybody, also before signing in
                                                    SIGNED_IN  anybody in the roster
                                                    a set      whoever has one of these roles

An application with a route that was made in any other way is not built.
"""

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute

from breakglass.api.errors import ErrorAnswer
from breakglass.api.house import House
from breakglass.errors import Forbidden, NotSignedIn
from breakglass.identity.access import MAY
from breakglass.model.people import Actor, Role


class Anybody(Enum):
    PUBLIC = "public"
    SIGNED_IN = "signed in"


PUBLIC, SIGNED_IN = Anybody.PUBLIC, Anybody.SIGNED_IN
May = Anybody | frozenset[Role]
F = TypeVar("F", bound=Callable[..., Any])
PREFIX = "/api"


def those_who(action: str) -> frozenset[Role]:
    """The roles that may do this (identity.access), as people can have them."""
    return MAY[action] - {Role.SYSTEM}


def _signed(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


Signed = Annotated[Actor, Depends(_signed)]
"""The person who asks; for routes that are not PUBLIC."""


class Declared(APIRoute):
    """A route that knows who may use it."""

    def __init__(self, path: str, endpoint: Callable[..., Any], *, house: House, may: May, **options: Any) -> None:
        self.house, self.may = house, may  # first: the next line already asks for the handler
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            if self.may is not PUBLIC:
                actor = await self.house.actor(request.headers.get("authorization", ""))
                if actor is None:
                    raise NotSignedIn("You are not signed in.", what_to_do="Sign in with your key.")
                if isinstance(self.may, frozenset) and not self.may & actor.roles:
                    raise Forbidden(
                        "Your roles do not allow this.",
                        what_to_do=f"Ask somebody who is: {', '.join(sorted(self.may))}.",
                    )
                request.state.actor = actor
            return await handle(request)

        return guarded


class Api:
    """The registry: the only way to make a route."""

    def __init__(self, app: FastAPI, house: House) -> None:
        self.app, self.house = app, house

    def get(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self._route("GET", path, may, options)

    def post(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self._route("POST", path, may, options)

    def put(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self._route("PUT", path, may, options)

    def delete(self, path: str, *, may: May, **options: Any) -> Callable[[F], F]:
        return self._route("DELETE", path, may, options)

    def _route(self, method: str, path: str, may: May, options: dict[str, Any]) -> Callable[[F], F]:
        def declare(endpoint: F) -> F:
            route = Declared(
                PREFIX + path,
                endpoint,
                house=self.house,
                may=may,
                methods=[method],
                responses={"default": {"model": ErrorAnswer, "description": "Why not, and what to do"}},
                **options,
            )
            self.app.router.routes.append(route)
            return endpoint

        return declare


def must_be_declared(app: FastAPI) -> None:
    """Raises `AssertionError` naming a route that does not say who may use it."""
    for route in app.router.routes:
        if not isinstance(route, Declared):
            raise AssertionError(f"{getattr(route, 'path', route)!r} does not declare who may use it")
