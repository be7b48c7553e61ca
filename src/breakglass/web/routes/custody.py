"""What lies in safes, on pages: where each item is, and signing that it was taken out, brought back, looked at."""

from dataclasses import replace
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused, Unavailable
from breakglass.flow import custody as flow
from breakglass.http import custody
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model import custody as model
from breakglass.model.custody import Act
from breakglass.model.ids import checked
from breakglass.model.people import Actor, Role
from breakglass.views import custody as views
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

HOURS = (1, 2, 4, 8, 12, 24, 48, 72, 168, 336, 744)


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/custody", may=SIGNED_IN)
    async def list_custody(request: Request) -> Response:
        return await pages.show(request, "custody.html", custody=await house.see(views.listed))

    async def one(
        request: Request,
        actor: Actor,
        id: str,
        *,
        key: str = "",
        text: str = "",
        said: Form | None = None,
        refusal: BreakglassError | None = None,
        pasted: str = "",
    ) -> Response:
        page, roster = await house.see(views.page, checked("itm", id)), house.chain.head
        signs = signer(roster, actor, key)
        if not text and page.waits and actor.id not in {each.id for each in page.signed_by}:
            if model.counts(Act(page.waits), actor.id, actor.roles, page.waits_holder):
                text = (await house.do(signs.actor, flow.again, house.chain, id)).text()
        elif text:
            signs = replace(signs, others=())  # another key would need another text
        holders = [one for one in roster.people.values() if one.roles & {Role.REQUESTER, Role.CUSTODIAN}]
        return await pages.show(
            request,
            "item.html",
            status=status_of(refusal) if refusal else 200,
            page=page,
            account=house.book.place(page.item.account) if page.item.account else None,
            acts=_acts(actor, page.item.state, holder=page.item.holder is not None and page.item.holder.id == actor.id)
            if not text
            else (),
            holders=[(one.login, one.name) for one in holders if one.id != actor.id],
            hours=[n for n in HOURS if n < page.item.out_hours] + [page.item.out_hours],
            signer=signs,
            text=text,
            said=said or Form({}),
            refusal=refusal,
            pasted=pasted,
        )

    @pages.get("/custody/{id}", may=SIGNED_IN)
    async def show_item(
        request: Request, id: str, actor: Signed, key: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        return await one(request, actor, id, key=key)

    @pages.post("/custody/{id}/text", may=those_who("custody"))
    async def draw_up_custody(request: Request, id: str, actor: Signed) -> Response:
        """The text for what is to be done with it, to be read and signed; nothing is signed yet."""
        form = await read(request)
        key, acting = form.line("key"), signer(house.chain.head, actor, form.line("key")).actor
        try:
            drawn = await custody.drawn(
                house,
                acting,
                checked("itm", id),
                _act(form.line("act")),
                seal=form.line("seal"),
                words=form.line("because", 500),
                minutes=60 * int(hours) if (hours := form.line("hours")).isdecimal() else 0,
                holder=form.line("holder"),
                request=checked("req", wanted) if (wanted := form.line("request")) else "",
            )
        except (Refused, Unavailable) as refusal:
            return await one(request, actor, id, key=key, said=form, refusal=refusal)
        return await one(request, actor, id, key=key, text=drawn.text())

    @pages.post("/custody/{id}/sign", may=those_who("bring"))
    async def sign_custody(request: Request, id: str, actor: Signed) -> Response:
        form = await read(request)
        try:
            await house.do(actor, flow.sign, house.chain, checked("itm", id), *brought(form))
        except Refused as refusal:
            return await one(request, actor, id, key=form.line("key"), refusal=refusal, pasted=form["signature"])
        return go(f"/custody/{id}")


def _act(text: str) -> Act:
    try:
        return Act(text)
    except ValueError:
        raise Malformed("It does not say what is to be done.", what_to_do="Choose it on the page.") from None


def _acts(actor: Actor, state: str, *, holder: bool) -> tuple[str, ...]:
    """What this person can begin now, what is nearest first."""
    custodian = Role.CUSTODIAN in actor.roles
    if state in ("out", "overdue"):
        return (Act.RETURN.value,) if custodian or holder else ()
    takes = [Act.CHECK_OUT.value] if custodian or Role.REQUESTER in actor.roles else []
    looks = [Act.INSPECTION.value] if custodian or Role.AUDITOR in actor.roles else []
    return tuple(looks + takes if state in ("new", "unseen") else takes + looks)
