"""Grants: which are live, and closing one."""

from breakglass.api.bodies import GrantIdIn
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Limit, Skip
from breakglass.flow import close
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.views import grants as views
from breakglass.views import shapes


def add(api: Api, house: House) -> None:
    @api.get("/grants", may=SIGNED_IN)
    async def list_grants(actor: Signed, live: bool = False, limit: Limit = 50, skip: Skip = 0) -> list[shapes.Grant]:
        """The newest first; whoever is only a requester sees their own."""
        return list(await house.see(views.listed, actor, live=live, limit=limit, skip=skip))

    @api.get("/grants/{id}", may=SIGNED_IN)
    async def show_grant(id: GrantIdIn, actor: Signed) -> shapes.Grant:
        return await house.see(views.one, actor, id)

    @api.post("/grants/{id}/close", may=those_who("close"))
    async def close_grant(id: GrantIdIn, actor: Signed) -> shapes.Grant:
        """End it: sessions are cut, the password changes, the review opens."""
        await house.do(actor, close.close, id)
        return await house.see(views.one, actor, id)
