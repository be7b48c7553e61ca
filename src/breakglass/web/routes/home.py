"""The emergency home: Am I in? What am I waiting for? What's next?"""

from fastapi import Request
from starlette.responses import Response

from breakglass.http.declare import SIGNED_IN, Signed
from breakglass.views import estate
from breakglass.web.pages import Pages


def add(pages: Pages) -> None:
    @pages.get("/", may=SIGNED_IN)
    async def home(request: Request, actor: Signed) -> Response:
        me = await pages.overview(actor)
        found = await pages.house.see(estate.estate)
        gate = pages.house.connect_line("gate")
        return await pages.show(request, "home.html", me=me, estate=found, gate=gate)
