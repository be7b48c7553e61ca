"""Everything that is served over HTTP, on one port: the API under /api, pages everywhere else."""

from breakglass.api.app import make as make_api
from breakglass.http.house import House
from breakglass.http.services import Services
from breakglass.http.shield import App, Receive, Scope, Send
from breakglass.web.app import make as make_pages


def make(services: Services) -> App:
    house = House(services)
    api, pages = make_api(services, house=house), make_pages(house)

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        await (api if path == "/api" or path.startswith("/api/") else pages)(scope, receive, send)

    return site
