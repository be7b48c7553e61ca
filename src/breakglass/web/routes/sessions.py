"""Who is where: running sessions with their end at hand, and the ended ones with their recordings."""

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import close
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import SessionId, checked
from breakglass.views import sessions as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go

A_PAGE = 50
LONGEST_WHY = 200


def add(pages: Pages) -> None:
    house = pages.house

    async def sessions_page(
        request: Request, actor: Signed, *, skip: int = 0, refusal: BreakglassError | None = None
    ) -> Response:
        live = await house.see(views.listed, actor, live=True, limit=200)
        every = await house.see(views.listed, actor, live=False, limit=A_PAGE + 1, skip=skip)
        return await pages.show(
            request,
            "sessions.html",
            status=status_of(refusal) if refusal else 200,
            live=live,
            ended=[one for one in every[:A_PAGE] if one.ended_at is not None],
            more=len(every) > A_PAGE,
            skip=skip,
            step=A_PAGE,
            may_kill=bool(actor.roles & those_who("kill")),
            may_replay=bool(actor.roles & those_who("replay")),
            refusal=refusal,
        )

    @pages.get("/sessions", may=SIGNED_IN)
    async def list_sessions(
        request: Request, actor: Signed, skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0
    ) -> Response:
        return await sessions_page(request, actor, skip=skip)

    @pages.post("/sessions/{id}/kill", may=those_who("kill"))
    async def kill_session(request: Request, id: str, actor: Signed) -> Response:
        """Cut it and revoke its grant."""
        form = await read(request)
        try:
            await house.do(actor, close.kill, SessionId(checked("ses", id)), form.line("why", LONGEST_WHY))
        except Refused as refusal:
            return await sessions_page(request, actor, refusal=refusal)
        return go("/sessions")

    @pages.post("/sessions/kill", may=those_who("kill"))
    async def kill_all_sessions(request: Request, actor: Signed) -> Response:
        """Cut all that run now, whether this page showed them or not, and revoke their grants."""
        form = await read(request)
        try:
            await house.do(actor, close.kill_all, form.line("why", LONGEST_WHY))
        except Refused as refusal:
            return await sessions_page(request, actor, refusal=refusal)
        return go("/sessions")
