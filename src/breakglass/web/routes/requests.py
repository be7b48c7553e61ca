"""Requests: the list, one with its story, its evidence, and taking it back."""

from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import approve, close
from breakglass.http.bundling import bundle, file_name
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import GrantId, RequestId, checked
from breakglass.model.people import Role
from breakglass.views import requests as views
from breakglass.views import rotations
from breakglass.web.pages import Pages, go
from breakglass.web.story import story

A_PAGE = 50


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/requests", may=SIGNED_IN)
    async def list_requests(
        request: Request, actor: Signed, skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0
    ) -> Response:
        found = await house.see(views.listed, actor, limit=A_PAGE + 1, skip=skip)
        return await pages.show(
            request, "requests.html", requests=found[:A_PAGE], skip=skip, page_size=A_PAGE, more=len(found) > A_PAGE
        )

    @pages.get("/requests/{id}", may=SIGNED_IN)
    async def show_request(request: Request, id: str, actor: Signed) -> Response:
        return await request_page(request, id, actor)

    async def request_page(
        request: Request, id: str, actor: Signed, refusal: BreakglassError | None = None
    ) -> Response:
        page = await house.see(views.page, actor, checked("req", id))
        changed = await house.see(rotations.listed, owed=False, account=page.request.place.account)
        rotated = tuple(one for one in changed if page.grant and one.grant == page.grant.id)
        me = await pages.overview(actor)
        facts: dict[str, Any] = {
            "page": page,
            "rotations": rotated,
            "story": story(page, rotated),
            "may_decide": any(one.id == page.request.id for one in me.to_decide),
            "mine": page.request.by.id == actor.id,
            "may_close": page.grant is not None
            and page.grant.state == "active"
            and (page.grant.to.id == actor.id or bool(actor.roles & _CLOSERS)),
            "may_export": bool(actor.roles & those_who("audit")) and not (page.grant and page.grant.state == "active"),
            "refusal": refusal,
        }
        status = status_of(refusal) if refusal else 200
        return await pages.show(request, "request.html", status=status, me=me, **facts)

    @pages.post("/requests/{id}/cancel", may=those_who("request"))
    async def cancel_request(request: Request, id: str, actor: Signed) -> Response:
        try:
            await house.do(actor, approve.cancel, RequestId(checked("req", id)))
        except Refused as refusal:
            return await request_page(request, id, actor, refusal)
        return go(f"/requests/{id}")

    @pages.post("/requests/{id}/evidence", may=those_who("audit"))
    async def export_evidence(request: Request, id: str, actor: Signed) -> Response:
        """A file that outsiders check without this server; that it was handed out is in the log."""
        found = RequestId(checked("req", id))
        try:
            data = await bundle(house, actor, found)
        except Refused as refusal:
            return await request_page(request, id, actor, refusal)
        return Response(data, media_type="application/json", headers={"Content-Disposition": file_name(found)})

    @pages.post("/grants/{id}/close", may=those_who("close"))
    async def close_grant(id: str, actor: Signed) -> Response:
        grant = await house.do(actor, close.close, GrantId(checked("grt", id)))
        return go(f"/requests/{grant.request}")


_CLOSERS = those_who("close") - {Role.REQUESTER}
