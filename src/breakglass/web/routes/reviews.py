"""Reviews: which are owed, one with its evidence and checklist, and its signature by an independent auditor."""

from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import review
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import ReviewId, checked
from breakglass.model.people import Actor
from breakglass.model.review import SUMMARY_MAX, Classification
from breakglass.views import requests, review_page
from breakglass.views import reviews as views
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, signer

KINDS = {
    Classification.EMERGENCY: ("A real emergency", "and what was done was right for it"),
    Classification.DRILL: ("A drill", "announced as one, nothing real was broken"),
    Classification.MISUSE: ("Misuse", "it should not have happened, or went beyond its reason"),
}


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/reviews", may=SIGNED_IN)
    async def list_reviews(request: Request, actor: Signed) -> Response:
        owed = await house.see(views.listed, actor, owed=True, limit=200)
        signed = [one for one in await house.see(views.listed, actor, owed=False) if one.state == "signed"]
        return await pages.show(request, "reviews.html", owed=owed, signed=signed)

    async def one(
        request: Request,
        id: str,
        actor: Actor,
        *,
        form: Form | None = None,
        errors: dict[str, str] | None = None,
        refusal: BreakglassError | None = None,
        text: str = "",
        key: str = "",
    ) -> Response:
        page = await house.see(review_page.page, actor, checked("rev", id), review.items)
        story = await house.see(requests.page, actor, page.request.id)
        signs = signer(house.chain.head, actor, key)
        facts: dict[str, Any] = {
            "page": page,
            "story": story,
            "rotations": page.rotations,
            "open_items": tuple(item for item in page.items if not item.done),
            "kinds": KINDS,
            "filled": form or Form({}),
            "errors": errors or {},
            "refusal": refusal,
            "text": text,
            "signer": replace(signs, others=()) if text else signs,  # another key would need another text
            "summary_max": SUMMARY_MAX,
        }
        status = status_of(refusal) if refusal else 422 if errors else 200
        return await pages.show(request, "review.html", status=status, **facts)

    @pages.get("/reviews/{id}", may=SIGNED_IN)
    async def show_review(request: Request, id: str, actor: Signed) -> Response:
        return await one(request, id, actor)

    @pages.post("/reviews/{id}/text", may=those_who("review"))
    async def draw_up_review(request: Request, id: str, actor: Signed) -> Response:
        """The text with the auditor's finding, to be read and signed; nothing is signed yet."""
        form = await read(request)
        errors = {}
        if form["classification"] not in {kind.value for kind in Classification}:
            errors["classification"] = "Say what it was."
        if not form["summary"].strip():
            errors["summary"] = "Say what was done, and whether it was right."
        if errors:
            return await one(request, id, actor, form=form, errors=errors)
        key = form.line("key")
        signs = signer(house.chain.head, actor, key)
        kind, found = Classification(form["classification"]), ReviewId(checked("rev", id))
        try:
            statement = await house.do(signs.actor, review.offer, house.chain, found, kind, form["summary"])
        except Refused as refusal:
            return await one(request, id, actor, form=form, refusal=refusal)
        return await one(request, id, actor, form=form, text=statement.text(), key=key)

    @pages.post("/reviews/{id}/sign", may=those_who("review"))
    async def sign_review(request: Request, id: str, actor: Signed) -> Response:
        form = await read(request)
        try:
            await house.do(actor, review.sign, house.chain, ReviewId(checked("rev", id)), *brought(form))
        except Refused as refusal:
            return await one(request, id, actor, refusal=refusal)
        return go(f"/reviews/{id}")
