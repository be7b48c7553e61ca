"""People, what they may be, and their keys: as the signed estate has them."""

from fastapi import Request
from starlette.responses import Response

from breakglass.http.declare import SIGNED_IN
from breakglass.views import estate
from breakglass.web.pages import Pages


def add(pages: Pages) -> None:
    @pages.get("/people", may=SIGNED_IN)
    async def list_people(request: Request) -> Response:
        return await pages.show(request, "people.html", estate=await pages.house.see(estate.estate))
