"""Everything that is served over HTTP, on one port: the API under /api, pages everywhere else."""

from breakglass.api.app import make as make_api
from breakglass.http.hosts import close, names, ours, refuse
from breakglass.http.house import House
from breakglass.http.services import Services
from breakglass.http.shield import PAGE, App, Headers, Receive, Scope, Send
from breakglass.web.app import make as make_pages


def make(services: Services) -> App:
    house = House(services)
    # Once more from outside: an answer to an unexpected failure is made outside of the applications' own middleware.
    api, pages = Headers(make_api(services, house=house)), Headers(make_pages(house), PAGE)

    known = names(services.settings)

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        if not ours(scope, known):
            await (refuse if scope["type"] == "http" else close)(scope, receive, send)
            return
        path = scope.get("path", "")
        await (api if path == "/api" or path.startswith("/api/") else pages)(scope, receive, send)

    return site
