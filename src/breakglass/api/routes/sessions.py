"""Sessions: seen, killed, and replayed by an auditor who signs for it."""

from fastapi import Response

from breakglass.api.bodies import SessionIdIn, Signature, Why
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Limit, Skip, Text
from breakglass.flow import close, review
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.model.session import Session
from breakglass.storage.work import Read
from breakglass.views import sessions as views
from breakglass.views import shapes
from breakglass.views.book import Book

ASCIICAST = "application/x-asciicast"


def add(api: Api, house: House) -> None:
    @api.get("/sessions", may=SIGNED_IN)
    async def list_sessions(
        actor: Signed, live: bool = False, limit: Limit = 50, skip: Skip = 0
    ) -> list[shapes.Session]:
        """The newest first; whoever is only a requester sees their own."""
        return list(await house.see(views.listed, actor, live=live, limit=limit, skip=skip))

    @api.post("/sessions/{id}/kill", may=those_who("kill"))
    async def kill_session(id: SessionIdIn, body: Why, actor: Signed) -> shapes.Session:
        """Cut it and revoke its grant."""
        await house.do(actor, close.kill, id, body.why)
        return await house.see(_one, id)

    @api.post("/sessions/kill", may=those_who("kill"))
    async def kill_all_sessions(body: Why, actor: Signed) -> list[str]:
        """Cut every session that runs now, on all nodes, and revoke their grants; the ids of the sessions."""
        return [one.id for one in await house.do(actor, close.kill_all, body.why)]

    @api.post("/sessions/{id}/replay-statement", may=those_who("replay"))
    async def replay_statement(id: SessionIdIn, actor: Signed) -> Text:
        """The text by which you take responsibility for seeing this recording."""
        statement = await house.do(actor, review.offer_replay, house.chain, id)
        return Text(text=statement.text())

    @api.post(
        "/sessions/{id}/replay",
        may=those_who("replay"),
        response_class=Response,
        openapi_extra={"responses": {"200": {"description": "asciicast v3", "content": {ASCIICAST: {}}}}},
    )
    async def replay_session(id: SessionIdIn, body: Signature, actor: Signed) -> Response:
        """The recording, for a signed replay statement."""
        cast = await house.services.replay(actor, id, body.signature, body.text)
        return Response(cast, media_type=ASCIICAST)


def _one(look: Read, book: Book, id: str) -> shapes.Session:
    return views.shown(look, book, [look.get(Session, id)])[0]
