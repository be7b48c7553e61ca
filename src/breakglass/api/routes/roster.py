"""The roster: the version that holds, proposals for the next one, and the signatures that adopt it."""

from fastapi import Request
from pydantic import BaseModel

from breakglass.api.bodies import ProposalIdIn, Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Text
from breakglass.errors import NotFound
from breakglass.flow import keep, roster
from breakglass.http.adopting import adopt
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.identity.access import must_be_fresh
from breakglass.storage.work import Read
from breakglass.views import estate as views
from breakglass.views import shapes
from breakglass.views.book import Book

_DOCUMENT = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string"}}}}}


class SignedProposal(BaseModel):
    adopted: bool
    version: int
    """Of the roster that holds now."""


def add(api: Api, house: House) -> None:
    @api.get("/roster", may=SIGNED_IN)
    async def show_roster() -> shapes.Roster:
        """The exact document that holds, and the statements that carry it."""
        return await house.see(_roster)

    @api.get("/roster/proposals", may=SIGNED_IN)
    async def list_proposals() -> list[shapes.Proposal]:
        return list(await house.see(_proposals))

    @api.post("/roster/proposals", may=those_who("propose"), status_code=201, openapi_extra=_DOCUMENT)
    async def propose_roster(request: Request, actor: Signed) -> shapes.Proposal:
        """Propose the next version: the body is the document itself, byte for byte."""
        must_be_fresh(actor, house.services.store.now())
        id = keep.new_id("pro")
        await house.do(actor, roster.propose, house.chain, id, await request.body())
        found = [one for one in await house.see(_proposals) if one.id == id]
        if not found:
            raise NotFound("Another proposal was adopted meanwhile.", what_to_do="Start from the present estate.")
        return found[0]

    @api.post("/roster/proposals/{id}/statement", may=SIGNED_IN)
    async def proposal_statement(id: ProposalIdIn, actor: Signed) -> Text:
        """The text that you would sign: the new document's hash, and what changes."""
        return Text(text=(await house.do(actor, roster.offer, house.chain, id)).text())

    @api.post("/roster/proposals/{id}/sign", may=those_who("bring"))
    async def sign_proposal(id: ProposalIdIn, body: Signature, actor: Signed) -> SignedProposal:
        """Bring a signature; the last one that is needed adopts the version."""
        version = await house.do(actor, roster.sign, house.chain, id, body.signature, body.text)
        if version is not None:
            await adopt(house, version)
        return SignedProposal(adopted=version is not None, version=house.chain.head.version)


def _roster(look: Read, book: Book) -> shapes.Roster:
    return views.roster(book.chain, look)


def _proposals(look: Read, book: Book) -> tuple[shapes.Proposal, ...]:
    return views.proposals(look, book)
