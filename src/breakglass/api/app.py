"""The API: JSON over HTTP, every route declared with who may use it, every decision brought as a signed statement.

    token ─▶ who? ─▶ may they? ─▶ body ─▶ view (look) or step (change) ─▶ shape

It holds no rule of its own: steps of `flow` decide, `views` show. OpenAPI stands at /api/openapi.json.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from breakglass import __version__
from breakglass.api import errors
from breakglass.api.registry import Api
from breakglass.api.routes import (
    audit,
    clock,
    custody,
    erasures,
    estate,
    evidence,
    grants,
    home,
    kits,
    login,
    next_log,
    requests,
    reviews,
    roster,
    rotations,
    sessions,
    sign_in,
    vault,
    witnesses,
)
from breakglass.http.asking import Asking
from breakglass.http.declare import PUBLIC, must_be_declared
from breakglass.http.house import House
from breakglass.http.services import Services
from breakglass.http.shield import BodyCap, Headers

GROUPS: Sequence[Callable[[Api, House], None]] = (
    home.add,
    sign_in.add,
    login.add,
    estate.add,
    requests.add,
    grants.add,
    sessions.add,
    rotations.add,
    reviews.add,
    roster.add,
    audit.add,
    evidence.add,
    vault.add,
    clock.add,
    erasures.add,
    witnesses.add,
    next_log.add,
    kits.add,
    custody.add,
)


def make(
    services: Services, groups: Sequence[Callable[[Api, House], None]] = GROUPS, *, house: House | None = None
) -> FastAPI:
    """The application; `house` where pages share it.

    Raises `AssertionError` when a route does not declare who may use it."""
    app = FastAPI(
        title="Breakglass",
        version=__version__,
        description="Emergency access that others sign for. Sign in with an SSH key; decisions are signed texts.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_name,
    )
    house = house or House(services)
    api = Api(app, Asking(house).by_token)
    for add in groups:
        add(api, house)
    _describe(api)
    errors.install(app)
    app.add_middleware(BodyCap)
    app.add_middleware(Headers)
    must_be_declared(app)
    return app


def _describe(api: Api) -> None:
    @api.get("/openapi.json", may=PUBLIC, include_in_schema=False)
    async def openapi() -> JSONResponse:
        found: dict[str, Any] = api.app.openapi()
        bearer = {"type": "http", "scheme": "bearer", "description": "The token of POST /api/sign-in."}
        found.setdefault("components", {})["securitySchemes"] = {"bearer": bearer}
        return JSONResponse(found)


def _name(route: APIRoute) -> str:
    return route.name
