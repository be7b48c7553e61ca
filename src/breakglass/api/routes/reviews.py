"""Reviews: owed, looked at with their checklist, and signed by an auditor who had no part in the access."""

from breakglass.api.bodies import Judgement, ReviewIdIn, Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Limit, Skip, Text
from breakglass.flow import review
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.views import review_page, shapes
from breakglass.views import reviews as views


def add(api: Api, house: House) -> None:
    @api.get("/reviews", may=SIGNED_IN)
    async def list_reviews(actor: Signed, owed: bool = False, limit: Limit = 50, skip: Skip = 0) -> list[shapes.Review]:
        """The newest first; whoever is only a requester sees those of their own requests."""
        return list(await house.see(views.listed, actor, owed=owed, limit=limit, skip=skip))

    @api.get("/reviews/{id}", may=SIGNED_IN)
    async def show_review(id: ReviewIdIn, actor: Signed) -> shapes.ReviewPage:
        """One review with the checklist as it stands for you."""
        return await house.see(review_page.page, actor, id, review.items)

    @api.post("/reviews/{id}/statement", may=those_who("review"))
    async def review_statement(id: ReviewIdIn, body: Judgement, actor: Signed) -> Text:
        """The text that you would sign. Refused while an item of the checklist is open."""
        statement = await house.do(actor, review.offer, house.chain, id, body.classification, body.summary)
        return Text(text=statement.text())

    @api.post("/reviews/{id}/sign", may=those_who("review"))
    async def sign_review(id: ReviewIdIn, body: Signature, actor: Signed) -> shapes.ReviewPage:
        """Bring your signature: the account takes requests again."""
        await house.do(actor, review.sign, house.chain, id, body.signature, body.text)
        return await house.see(review_page.page, actor, id, review.items)
