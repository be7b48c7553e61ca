"""Errors as pages: why, what to do, and who can help. Never what somebody sent, never a traceback."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from breakglass import errors
from breakglass.errors import BreakglassError, Malformed, NotFound, Unavailable
from breakglass.http.declare import Declared
from breakglass.http.status import status_of
from breakglass.model.people import Role
from breakglass.views import shapes
from breakglass.views.book import named
from breakglass.web.pages import Pages, go

_log = logging.getLogger(__name__)
SIGN_IN = "/sign-in"


def install(app: FastAPI, pages: Pages) -> None:
    @app.exception_handler(BreakglassError)
    async def ours(request: Request, error: BreakglassError) -> Response:
        if isinstance(error, errors.Tampered):
            _log.critical("tampered: %s", error.message)
        if isinstance(error, errors.NotSignedIn) and request.method == "GET" and _has(app, SIGN_IN):
            return go(f"{SIGN_IN}?to={quote(_back(request), safe='/')}")
        return await _page(pages, request, error)

    @app.exception_handler(RequestValidationError)
    async def wrong_shape(request: Request, _: RequestValidationError) -> Response:
        return await _page(pages, request, Malformed("This address is not complete.", what_to_do="Start from home."))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return await _page(pages, request, _of_status(error.status_code), error.status_code)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        _log.error("a page failed: %s", type(error).__name__)
        failed = Unavailable("The server failed.", what_to_do="Try again; if it stays so, tell its administrators.")
        return await _page(pages, request, failed, 500)


Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


async def _page(pages: Pages, request: Request, error: BreakglassError, status: int | None = None) -> Response:
    if not hasattr(request.state, "actor") and not isinstance(error, errors.NotSignedIn):
        try:  # an address that is not there was asked for by somebody all the same
            actor = await pages.asks(request)
        except BreakglassError:
            actor = None
        if actor is not None:
            request.state.actor = actor
    status = status or status_of(error)
    try:
        help = _helpers(pages, request, error)
        wanted = isinstance(error, errors.NotProved) and request.method == "GET"
        back = _back(request) if wanted else _came_from(request)  # signed once more, they go on to what they wanted
        return await pages.show(request, "error.html", status=status, error=error, help=help, back=back)
    except Exception:  # what a page stands in failed as well: then it is said without it
        request.state.actor = None
        return await pages.show(request, "error.html", status=status, error=error, help=(), back="/")


def _helpers(pages: Pages, request: Request, error: BreakglassError) -> tuple[shapes.Who, ...]:
    """Who can help; told only to people of the house."""
    if getattr(request.state, "actor", None) is None:
        return ()
    route = request.scope.get("route")
    roles: frozenset[Role] = frozenset()
    if isinstance(error, errors.Forbidden) and isinstance(route, Declared) and isinstance(route.may, frozenset):
        roles = route.may
    elif isinstance(error, errors.Sealed):
        roles = frozenset({Role.CUSTODIAN})
    elif isinstance(error, errors.Tampered):
        roles = frozenset({Role.CUSTODIAN, Role.AUDITOR})
    now = pages.house.services.store.now()
    people = pages.house.chain.head.people.values()
    return tuple(named(one) for one in people if one.active(now) and roles & one.roles)


def _of_status(status: int) -> BreakglassError:
    match status:
        case 404:
            return NotFound("There is no such page.", what_to_do="Start from home.")
        case 413:
            return Malformed("What was sent is too long.", what_to_do="Send less.")
        case 400:
            return Malformed("The form can't be read.", what_to_do="Go back and send it again.")
        case _:
            return Malformed("This address does not take that.", what_to_do="Start from home.")


def _back(request: Request) -> str:
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def _came_from(request: Request) -> str:
    """The page whose form this was, if it was one of ours (browsers say so: our Referrer-Policy lets them)."""
    page = urlsplit(request.headers.get("referer", ""))
    return page.path or "/" if page.netloc == request.headers.get("host", "") else "/"


def _has(app: FastAPI, path: str) -> bool:
    return any(isinstance(one, Declared) and one.path == path for one in app.router.routes)
