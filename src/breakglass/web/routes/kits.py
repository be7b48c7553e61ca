"""The emergency kit on pages: whether it would help, having one made, its encrypted copies, and that one was used."""

from dataclasses import replace
from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused, Unavailable, WrongState
from breakglass.flow import kit
from breakglass.http import kits
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.people import Actor, Role
from breakglass.trust.kit import COPIES_MAX
from breakglass.views import kits as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

Number = Annotated[int, Path(ge=1, le=10**9)]
Copy = Annotated[int, Path(ge=1, le=COPIES_MAX)]


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/kits", may=SIGNED_IN)
    async def show_kits(request: Request, actor: Signed, key: Annotated[str, Query(max_length=200)] = "") -> Response:
        return await _page(pages, request, actor, key=key)

    @pages.post("/kits", may=those_who("kit"), fresh=True)
    async def want_kit(request: Request, actor: Signed) -> Response:
        """The passwords of its accounts change first."""
        form = await read(request)
        copies = form.line("copies")
        try:
            await house.do(actor, kit.want, house.chain, int(copies) if copies in _COPIES else 0)
        except (Refused, WrongState) as refusal:
            return await _page(pages, request, actor, refusal=refusal)
        return go("/kits")

    @pages.post("/kits/sign", may=those_who("bring"))
    async def sign_kit(request: Request, actor: Signed) -> Response:
        form = await read(request)
        try:
            await kits.sign(house, actor, *brought(form))
        except (Refused, Unavailable) as refusal:
            return await _page(pages, request, actor, refusal=refusal, pasted=form["signature"])
        return go("/kits")

    @pages.get("/kits/{number}/{copy}", may=those_who("kit"))
    async def kit_file(number: Number, copy: Copy, actor: Signed) -> Response:
        """A copy, encrypted: only k of the custodians' shares open it. The log has who took it."""
        data = await kits.fetch(house, actor, number, copy)
        name = f"kit-{number}-copy-{copy}.bgk"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(data, media_type="application/octet-stream", headers=headers)

    @pages.post("/kits/{number}/used", may=those_who("kit_used"))
    async def kit_used(request: Request, actor: Signed, number: Number) -> Response:
        form = await read(request)
        try:
            await house.do(actor, kit.used, house.chain, number, form["because"])
        except Malformed as refusal:
            return await _page(pages, request, actor, refusal=refusal)
        return go("/kits")


_COPIES = frozenset(map(str, range(1, COPIES_MAX + 1)))


async def _page(
    pages: Pages,
    request: Request,
    actor: Actor,
    *,
    key: str = "",
    refusal: BreakglassError | None = None,
    pasted: str = "",
) -> Response:
    house = pages.house
    roster = house.chain.head
    shown = await house.see(views.shown, await kits.stale(house))
    changing = await house.services.store.read(kit.changing, roster) if shown.wanted else []
    signs, custodian = signer(roster, actor, key), Role.CUSTODIAN in actor.roles
    mine = custodian and shown.wanted and actor.id not in {one.id for one in shown.signed_by}
    text = (await house.do(signs.actor, kit.offer, house.chain)).text() if mine and not changing else ""
    return await pages.show(
        request,
        "kits.html",
        status=status_of(refusal) if refusal else 200,
        kits=shown,
        changing=changing,
        custodian=custodian,
        may_say_used=bool(those_who("kit_used") & actor.roles),
        copies=sorted(_COPIES),
        signer=replace(signs, others=()) if pasted else signs,
        text=text,
        refusal=refusal,
        pasted=pasted,
    )
