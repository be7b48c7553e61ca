"""Changes of the estate: proposed as a file, read as a difference, signed, adopted."""

from typing import Annotated, Any

import yaml
from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Malformed, Refused
from breakglass.flow import keep, roster
from breakglass.http.adopting import adopt
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import checked
from breakglass.model.people import Actor
from breakglass.storage.work import Read
from breakglass.trust import drafting
from breakglass.views import estate, shapes
from breakglass.views import proposals as views
from breakglass.views.book import Book
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer


def add(pages: Pages) -> None:
    house = pages.house

    async def all_proposals(
        request: Request, refusal: BreakglassError | None = None, text: str | None = None
    ) -> Response:
        return await pages.show(
            request,
            "proposals.html",
            status=status_of(refusal) if refusal else 200,
            proposals=await house.see(_proposals),
            estate=await house.see(estate.estate),
            text=await house.see(views.present) if text is None else text,
            refusal=refusal,
        )

    @pages.get("/proposals", may=SIGNED_IN)
    async def list_proposals(request: Request) -> Response:
        return await all_proposals(request)

    @pages.get("/estate.yaml", may=SIGNED_IN)
    async def estate_file() -> Response:
        """The estate that holds, as the file that can be proposed again."""
        text = await house.see(views.present)
        headers = {"Content-Disposition": 'attachment; filename="estate.yaml"'}
        return Response(text, media_type="application/yaml", headers=headers)

    @pages.post("/proposals", may=those_who("propose"), fresh=True)
    async def propose(request: Request, actor: Signed) -> Response:
        form = await read(request)
        text = form.file("file").decode("utf-8", "replace") or form["text"]
        id = keep.new_id("pro")
        try:
            await house.do(actor, roster.propose, house.chain, id, _document(pages, text))
        except Refused as refusal:
            return await all_proposals(request, refusal, text)
        return go(f"/proposals/{id}")

    async def proposal_page(
        request: Request,
        id: str,
        actor: Actor,
        *,
        key: str = "",
        refusal: BreakglassError | None = None,
        pasted: str = "",
    ) -> Response:
        page = await house.see(views.page, actor, checked("pro", id))
        signs = signer(house.chain.head, actor, key)
        text = (await house.do(signs.actor, roster.offer, house.chain, id)).text() if page.may_sign else ""
        status = status_of(refusal) if refusal else 200
        facts: dict[str, Any] = {"page": page, "signer": signs, "text": text, "refusal": refusal, "pasted": pasted}
        return await pages.show(request, "proposal.html", status=status, **facts)

    @pages.get("/proposals/{id}", may=SIGNED_IN)
    async def show_proposal(
        request: Request, id: str, actor: Signed, key: Annotated[str, Query(max_length=200)] = ""
    ) -> Response:
        return await proposal_page(request, id, actor, key=key)

    @pages.post("/proposals/{id}/sign", may=those_who("bring"))
    async def sign_proposal(request: Request, id: str, actor: Signed) -> Response:
        form = await read(request)
        try:
            version = await house.do(actor, roster.sign, house.chain, checked("pro", id), *brought(form))
        except Refused as refusal:
            return await proposal_page(
                request, id, actor, key=form.line("key"), refusal=refusal, pasted=form["signature"]
            )
        if version is None:
            return go(f"/proposals/{id}")
        await adopt(house, version)
        return go("/proposals")


def _document(pages: Pages, text: str) -> bytes:
    """A whole document as it is, or the next version from an estate in YAML. Raises `Malformed`."""
    if text.startswith("{"):
        return text.encode()
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise Malformed(f"This is not YAML{where}.", what_to_do="Correct it there; nothing was proposed.") from None
    except RecursionError:
        raise Malformed("This is nested too deeply.", what_to_do="Send an estate.") from None
    if not isinstance(found, dict):
        raise Malformed("This holds no estate.", what_to_do="Start from the present one.")
    at = pages.house.services.store.now().replace(microsecond=0)
    return drafting.following(found, pages.house.chain.head, at=at)


def _proposals(look: Read, book: Book) -> tuple[shapes.Proposal, ...]:
    return estate.proposals(look, book)
