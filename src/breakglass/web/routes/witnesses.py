"""The log's witnesses: how far each has cosigned, and custodians' signatures by which releases go on without them."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import override
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.people import Actor, Role
from breakglass.views import witnesses as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

HOURS = (1, 2, 4, 8, 24)


def add(pages: Pages) -> None:
    house = pages.house

    async def one(
        request: Request,
        actor: Actor,
        *,
        key: str = "",
        text: str = "",
        because: str = "",
        refusal: BreakglassError | None = None,
        pasted: str = "",
    ) -> Response:
        shown = await house.see(views.shown)
        signs = signer(house.chain.head, actor, key)
        may_sign = Role.CUSTODIAN in actor.roles and bool(shown.quorum)
        if may_sign and not text and shown.signed_by and actor.id not in {each.id for each in shown.signed_by}:
            text = (await house.do(signs.actor, override.again, house.chain)).text()
        elif text:
            signs = replace(signs, others=())  # another key would need another text
        return await pages.show(
            request,
            "witnesses.html",
            status=status_of(refusal) if refusal else 200,
            log=shown,
            may_begin=may_sign and not shown.signed_by,
            signer=signs,
            text=text,
            because=because,
            hours=HOURS,
            refusal=refusal,
            pasted=pasted,
        )

    @pages.get("/witnesses", may=SIGNED_IN)
    async def show_witnesses(
        request: Request, actor: Signed, key: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        return await one(request, actor, key=key)

    @pages.post("/witnesses/text", may=those_who("override"))
    async def draw_up_override(request: Request, actor: Signed) -> Response:
        """The text by which releases go on without them, to be read and signed; nothing is signed yet."""
        form = await read(request)
        key, because = form.line("key"), form["because"]
        lasts = timedelta(hours=int(hours) if (hours := form.line("hours")).isdecimal() and len(hours) < 4 else 0)
        try:
            drawn = await house.do(
                signer(house.chain.head, actor, key).actor, override.offer, house.chain, lasts, because
            )
        except Refused as refusal:
            return await one(request, actor, key=key, because=because, refusal=refusal)
        return await one(request, actor, key=key, text=drawn.text())

    @pages.post("/witnesses/sign", may=those_who("bring"))
    async def sign_override(request: Request, actor: Signed) -> Response:
        form = await read(request)
        try:
            await house.do(actor, override.sign, house.chain, *brought(form))
        except Refused as refusal:
            return await one(request, actor, key=form.line("key"), refusal=refusal, pasted=form["signature"])
        return go("/witnesses")
