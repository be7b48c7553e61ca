"""The server's clock: whether it stands right, and custodians' signatures that confirm the present time."""

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import clock
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.people import Actor, Role
from breakglass.views import clock as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer


def add(pages: Pages) -> None:
    house = pages.house
    wall = house.services.store.clock

    async def clock_page(
        request: Request, actor: Actor, *, key: str = "", refusal: BreakglassError | None = None, pasted: str = ""
    ) -> Response:
        vault = await house.vault()
        shown = await house.see(views.shown, wall=wall.now(), vault=vault)
        signs, text = signer(house.chain.head, actor, key), ""
        may_sign = Role.CUSTODIAN in actor.roles and actor.id not in {one.id for one in shown.signed_by}
        if shown.wrong and may_sign and not vault.sealed:
            frozen = vault.clock_frozen
            text = (await house.do(signs.actor, clock.offer, house.chain, wall.now(), frozen=frozen)).text()
        return await pages.show(
            request,
            "clock.html",
            status=status_of(refusal) if refusal else 200,
            clock=shown,
            vault=vault,
            signer=signs,
            text=text,
            refusal=refusal,
            pasted=pasted,
        )

    @pages.get("/clock", may=SIGNED_IN)
    async def show_clock(request: Request, actor: Signed, key: Annotated[str, Query(max_length=200)] = "") -> Response:
        return await clock_page(request, actor, key=key)

    @pages.post("/clock/confirm", may=those_who("bring"))
    async def confirm_clock(request: Request, actor: Signed) -> Response:
        form = await read(request)
        try:
            await house.do(actor, clock.sign, house.chain, wall.now(), *brought(form))
        except Refused as refusal:
            return await clock_page(request, actor, key=form.line("key"), refusal=refusal, pasted=form["signature"])
        return go("/clock")
