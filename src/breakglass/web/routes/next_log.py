"""Which log this is, and custodians' signatures by which the deployment goes on with the next one."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused, Unavailable
from breakglass.flow import next_log
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.former import former
from breakglass.http.status import status_of
from breakglass.model.people import Actor, Role
from breakglass.views import next_log as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

LAST_MAX = 100_000
"""Characters of a checkpoint that somebody kept."""


def add(pages: Pages) -> None:
    house = pages.house

    async def one(
        request: Request,
        actor: Actor,
        *,
        key: str = "",
        text: str = "",
        said: dict[str, str] | None = None,
        refusal: BreakglassError | None = None,
        pasted: str = "",
    ) -> Response:
        shown = await house.see(views.shown, house.services.alarm())
        signs, may_sign = signer(house.chain.head, actor, key), Role.CUSTODIAN in actor.roles
        if may_sign and not text and shown.wanted and actor.id not in {each.id for each in shown.signed_by}:
            text = (await house.do(signs.actor, next_log.again, house.chain)).text()
        elif text:
            signs = replace(signs, others=())  # another key would need another text
        return await pages.show(
            request,
            "next_log.html",
            status=status_of(refusal) if refusal else 200,
            log=shown,
            may_begin=may_sign and not shown.wanted,
            signer=signs,
            text=text,
            said=said or {"because": "", "last": ""},
            refusal=refusal,
            pasted=pasted,
        )

    @pages.get("/next-log", may=SIGNED_IN)
    async def show_next_log(
        request: Request, actor: Signed, key: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        return await one(request, actor, key=key)

    @pages.post("/next-log/text", may=those_who("next_log"))
    async def draw_up_next_log(request: Request, actor: Signed) -> Response:
        """The text by which the deployment goes on with a new log, to be read and signed; nothing is signed yet."""
        form = await read(request)
        key, because, kept = form.line("key"), form["because"], form["last"].replace("\r\n", "\n")[:LAST_MAX]
        acting = signer(house.chain.head, actor, key).actor
        try:
            last, troubled = await former(house, kept if kept.strip() else ""), bool(house.services.alarm())
            drawn = await house.do(acting, next_log.want, house.chain, last, because, troubled=troubled)
        except (Refused, Unavailable) as refusal:
            return await one(request, actor, key=key, said={"because": because, "last": kept}, refusal=refusal)
        return await one(request, actor, key=key, text=drawn.text())

    @pages.post("/next-log/sign", may=those_who("bring"))
    async def sign_next_log(request: Request, actor: Signed) -> Response:
        form = await read(request)
        try:
            await house.do(actor, next_log.sign, house.chain, *brought(form))
        except Refused as refusal:
            return await one(request, actor, key=form.line("key"), refusal=refusal, pasted=form["signature"])
        return go("/next-log")
