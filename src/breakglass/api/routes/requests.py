"""Requests: made, seen, approved or denied by signed statements, withdrawn."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel

from breakglass.api.bodies import Decision, NewRequest, RequestIdIn, Signature
from breakglass.api.registry import Api
from breakglass.flow import approve, ask, keep
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.model.ids import RequestId
from breakglass.model.request import AccessRequest, State
from breakglass.storage.work import Read
from breakglass.trust.statement import Kind
from breakglass.views import requests as views
from breakglass.views import shapes
from breakglass.views.book import Book

Limit = Annotated[int, Query(ge=1, le=500)]
Skip = Annotated[int, Query(ge=0, le=1_000_000)]


class Text(BaseModel):
    text: str
    """The exact text: what is seen is what is signed (`ssh-keygen -Y sign -n breakglass`)."""


def add(api: Api, house: House) -> None:
    async def shown(id: str) -> shapes.Request:
        return await house.see(_one, id)

    @api.post("/requests", may=those_who("request"), status_code=201)
    async def make_request(body: NewRequest, actor: Signed) -> shapes.Request:
        """Ask for one account, in a named emergency, for a while."""
        id = body.id or RequestId(keep.new_id("req"))
        await house.do(
            actor,
            ask.ask,
            house.chain.head,
            id,
            target=body.target,
            account=body.account,
            condition=body.condition,
            reason=body.reason,
            access_for=timedelta(minutes=body.minutes),
        )
        return await shown(id)

    @api.get("/requests", may=SIGNED_IN)
    async def list_requests(
        actor: Signed, state: State | None = None, limit: Limit = 50, skip: Skip = 0
    ) -> list[shapes.Request]:
        """The newest first; whoever is only a requester sees their own."""
        return list(await house.see(views.listed, actor, state=state, limit=limit, skip=skip))

    @api.get("/requests/{id}", may=SIGNED_IN)
    async def show_request(id: RequestIdIn, actor: Signed) -> shapes.RequestPage:
        """One request: approvals, grant, sessions, review, ticket, playbook, and what happened, in order."""
        return await house.see(views.page, actor, id)

    @api.post("/requests/{id}/statement", may=those_who("decide"))
    async def decision_statement(id: RequestIdIn, body: Decision, actor: Signed) -> Text:
        """The text that you would sign to approve or deny. Nothing is decided by asking for it."""
        statement = await house.do(actor, approve.offer, house.chain, id, Kind(body.kind), body.reason)
        return Text(text=statement.text())

    @api.post("/requests/{id}/approvals", may=those_who("bring"))
    async def approve_request(id: RequestIdIn, body: Signature, actor: Signed) -> shapes.Request:
        """Bring a signed approval. It counts for whoever signed it."""
        await house.do(actor, approve.approve, house.chain, id, body.signature, body.text)
        return await shown(id)

    @api.post("/requests/{id}/denials", may=those_who("bring"))
    async def deny_request(id: RequestIdIn, body: Signature, actor: Signed) -> shapes.Request:
        """Bring a signed denial: it ends the request."""
        await house.do(actor, approve.deny, house.chain, id, body.signature, body.text)
        return await shown(id)

    @api.post("/requests/{id}/cancel", may=those_who("request"))
    async def cancel_request(id: RequestIdIn, actor: Signed) -> shapes.Request:
        """Withdraw your own request."""
        await house.do(actor, approve.cancel, id)
        return await shown(id)


def _one(look: Read, book: Book, id: str) -> shapes.Request:
    return views.shown(look, book, [look.get(AccessRequest, id)])[0]
