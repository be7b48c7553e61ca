"""The registry of pages: the only way to make one. Each says who may see it; what people see comes from `views`.

    def add(pages: Pages) -> None:
        @pages.get("/audit", may=those_who("audit"))
        async def audit(request: Request) -> Response:
            entries = await pages.house.see(log.listed)
            return await pages.show(request, "audit.html", entries=entries)

Whoever changes something is sent on with `go` (303), so that reloading repeats nothing. Templates escape everything.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import Depends, FastAPI, Request
from starlette.responses import HTMLResponse, RedirectResponse

from breakglass.http.asking import Asking
from breakglass.http.declare import F, May, Registry
from breakglass.http.house import House
from breakglass.identity.access import must_be_fresh
from breakglass.model.people import Actor
from breakglass.views import overview, shapes
from breakglass.web import demo_strip
from breakglass.web.chrome import navigation
from breakglass.web.forms import must_be_ours
from breakglass.web.look import Look

VARY = "Cookie, Authorization, HX-Request"


class Pages(Registry):
    shared = MappingProxyType({"include_in_schema": False, "response_model": None})

    def __init__(self, app: FastAPI, house: House, look: Look) -> None:
        super().__init__(app, Asking(house).by_cookie_or_token)
        self.house, self.look = house, look

    def route(self, method: str, path: str, may: May, options: Mapping[str, Any]) -> Callable[[F], F]:
        """Whatever changes something takes a form that a page of ours made for this sign-in. With `fresh=True` it also
        takes a signature of the last minutes (identity.access)."""
        options = dict(options)
        guards = [] if method == "GET" else [Depends(must_be_ours)]
        if options.pop("fresh", False):
            guards.append(Depends(self._must_be_fresh))
        return super().route(method, path, may, {**options, "dependencies": guards})

    async def _must_be_fresh(self, request: Request) -> None:
        must_be_fresh(request.state.actor, self.house.services.store.now())

    async def show(self, request: Request, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
        """A page. Templates find, beside `facts`: `me` (the overview of who asks, None for nobody), `nav`, `now`,
        `settings`, `path`, and `exists` (the paths of all pages that there are)."""
        actor: Actor | None = getattr(request.state, "actor", None)
        me = facts.pop("me", None) or (await self.overview(actor) if actor else None)
        html = self.look.render(
            template,
            me=me,
            now=self.house.services.store.now(),
            nav=navigation(self.app, actor, request.url.path, me) if actor else (),
            settings=self.house.services.settings,
            path=request.url.path,
            csrf=getattr(request.state, "csrf", ""),
            demo=await demo_strip.strip(self.house, actor),
            exists={getattr(route, "path", "") for route in self.app.router.routes},
            **facts,
        )
        return HTMLResponse(html, status, headers={"Vary": VARY})

    async def overview(self, actor: Actor) -> shapes.Overview:
        house = self.house
        return await house.see(
            overview.overview, actor, vault=await house.vault(), wall=house.services.store.clock.now()
        )


def go(to: str) -> RedirectResponse:
    """See other: what was asked for is done, and stands there. `to` is a path of ours."""
    return RedirectResponse(to, 303, headers={"Vary": VARY})
