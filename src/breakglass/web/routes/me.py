"""One's own keys, and where one is signed in."""

from fastapi import Request
from starlette.responses import Response

from breakglass.flow import password as passwords
from breakglass.flow import sign_in as flow
from breakglass.http.declare import SIGNED_IN, Signed
from breakglass.model.ids import checked
from breakglass.views import estate
from breakglass.web.pages import Pages, go


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/me", may=SIGNED_IN)
    async def me(request: Request, actor: Signed) -> Response:
        found = await house.see(estate.estate)
        person = next((one for one in found.people if one.id == actor.id), None)
        sign_ins = await house.services.store.read(flow.mine, actor.id)
        password, left = await house.services.store.read(passwords.mine, actor.id)
        return await pages.show(
            request,
            "me.html",
            person=person,
            sign_ins=sign_ins,
            here=_here(request),
            key=actor.key,
            password=password,
            codes_left=left,
        )

    @pages.post("/me/sign-ins/{id}/revoke", may=SIGNED_IN)
    async def revoke(request: Request, id: str, actor: Signed) -> Response:
        await house.do(actor, flow.revoke, checked("sgn", id))
        house.tickets.forget(id)
        return go("/me")

    @pages.post("/me/sign-ins/revoke-others", may=SIGNED_IN)
    async def revoke_others(request: Request, actor: Signed) -> Response:
        others = await house.services.store.read(flow.mine, actor.id)
        await house.do(actor, flow.revoke_others, _here(request))
        for one in others:
            house.tickets.forget(one.id)
        return go("/me")


def _here(request: Request) -> str:
    made = getattr(request.state, "sign_in", None)
    return "" if made is None else str(made.id)
