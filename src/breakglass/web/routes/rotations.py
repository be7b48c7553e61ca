"""Password changes that are owed: what keeps each, and what to do."""

from fastapi import Request
from starlette.responses import Response

from breakglass.http.declare import SIGNED_IN
from breakglass.views import rotations as views
from breakglass.web.pages import Pages


def add(pages: Pages) -> None:
    @pages.get("/rotations", may=SIGNED_IN)
    async def list_rotations(request: Request) -> Response:
        owed = await pages.house.see(views.listed, owed=True, limit=200)
        done = [one for one in await pages.house.see(views.listed, owed=False, limit=50) if one.state == "done"]
        return await pages.show(request, "rotations.html", owed=owed, done=done)
