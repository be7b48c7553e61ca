"""Playback: an auditor signs that they are about to watch, the vault opens the recording, and it plays beside the log.

statement ──signed──▶ POST replay ──▶ vault ──▶ in memory, for this sign-in ──▶ player, export
"""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, NotFound, Refused, Tampered
from breakglass.flow import review
from breakglass.http.declare import Signed, those_who
from breakglass.http.shield import PAGE
from breakglass.http.status import status_of
from breakglass.model.ids import SessionId, checked
from breakglass.model.people import Actor
from breakglass.views import replays as views
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

ASCIICAST = "application/x-asciicast"
POLICY: Mapping[str, str] = {
    # asciinema-player draws with a terminal in WebAssembly, and places its letters by style attributes.
    "Content-Security-Policy": PAGE.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
        "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
    )
}


def add(pages: Pages) -> None:
    house = pages.house

    async def replay_page(
        request: Request,
        actor: Actor,
        id: SessionId,
        *,
        key: str = "",
        at: int = 0,
        refusal: BreakglassError | None = None,
        pasted: str = "",
    ) -> Response:
        page = await house.see(views.page, id)
        opened = house.replays.find(actor.sign_in, id) is not None
        signs = signer(house.chain.head, actor, key)
        recorded = page.session.recording is not None and page.session.recording.size > 0
        text = ""
        if not opened and recorded and page.session.ended_at is not None:
            text = (await house.do(signs.actor, review.offer_replay, house.chain, id)).text()
        answer = await pages.show(
            request,
            "replay.html",
            status=status_of(refusal) if refusal else 200,
            page=page,
            opened=opened,
            recorded=recorded,
            signer=signs,
            text=text,
            at=at,
            refusal=refusal,
            tampered=isinstance(refusal, Tampered),
            pasted=pasted,
        )
        if opened:
            answer.headers.update(POLICY)
        return answer

    @pages.get("/sessions/{id}/replay", may=those_who("replay"))
    async def show_replay(
        request: Request,
        id: str,
        actor: Signed,
        key: Annotated[str, Query(max_length=200)] = "",
        t: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> Response:
        return await replay_page(request, actor, SessionId(checked("ses", id)), key=key, at=t)

    @pages.post("/sessions/{id}/replay", may=those_who("replay"))
    async def open_replay(request: Request, id: str, actor: Signed) -> Response:
        form, session = await read(request), SessionId(checked("ses", id))
        try:
            cast = await house.services.replay(actor, session, *brought(form))
        except (Refused, Tampered) as refusal:
            return await replay_page(request, actor, session, refusal=refusal, pasted=form["signature"])
        house.replays.keep(actor.sign_in, session, cast)
        return go(f"/sessions/{session}/replay")

    @pages.get("/sessions/{id}/cast", may=those_who("replay"))
    async def cast(id: str, actor: Signed) -> Response:
        """asciicast v3, for the sign-in that opened it."""
        session = checked("ses", id)
        found = house.replays.find(actor.sign_in, session)
        if found is None:
            raise NotFound("You have not opened this recording.", what_to_do="Sign its statement first.", about=session)
        headers = {"Content-Disposition": f'attachment; filename="{session}.cast"'}
        return Response(found, media_type=ASCIICAST, headers=headers)
