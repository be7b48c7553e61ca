"""People, what they may be, and their keys: as the signed estate has them."""

from fastapi import Request
from starlette.responses import Response

from breakglass.flow import password
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.views import estate
from breakglass.web.pages import Pages


def add(pages: Pages) -> None:
    @pages.get("/people", may=SIGNED_IN)
    async def list_people(request: Request, actor: Signed) -> Response:
        found = await pages.house.see(estate.estate)
        may_invite = bool(actor.roles & those_who("propose"))
        passwords = await pages.house.services.store.read(password.people)
        may_remove = bool(actor.roles & those_who("unseal"))
        return await pages.show(
            request,
            "people.html",
            estate=found,
            may_invite=may_invite,
            passwords=passwords if may_remove else frozenset(),
        )
