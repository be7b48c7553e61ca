"""Custody items: where each is, drawing up what two people sign, and bringing a signature."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, Field

from breakglass.api.bodies import Body, Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Text
from breakglass.flow import custody as flow
from breakglass.http import custody
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.model.custody import Act
from breakglass.model.ids import checked
from breakglass.views import custody as views
from breakglass.views.custody_shapes import Custody, ItemPage

ItemIdIn = Annotated[str, Path(max_length=60), AfterValidator(lambda text: checked("itm", text))]


class Wanted(Body):
    """Without `act`: the text that another person began."""

    act: Literal["check-out", "return", "inspection"] | None = None
    seal: Annotated[str, Field(max_length=60)] = ""
    because: Annotated[str, Field(max_length=500)] = ""
    minutes: Annotated[int, Field(ge=0, le=100_000)] = 0
    """For how long it is taken out; 0 for as long as it may be."""
    holder: Annotated[str, Field(max_length=60)] = ""
    """Login of who takes it; empty for oneself."""
    request: Annotated[str, AfterValidator(lambda text: checked("req", text) if text else "")] = ""
    """What it is taken out for; empty for no request."""


def add(api: Api, house: House) -> None:
    @api.get("/custody", may=SIGNED_IN)
    async def list_custody() -> Custody:
        """Every item, what needs somebody first."""
        return await house.see(views.listed)

    @api.get("/custody/{id}", may=SIGNED_IN)
    async def show_item(id: ItemIdIn) -> ItemPage:
        """One item, and what was done with it."""
        return await house.see(views.page, id)

    @api.post("/custody/{id}/statement", may=those_who("custody"))
    async def custody_statement(id: ItemIdIn, body: Wanted, actor: Signed) -> Text:
        """The text to sign, for a check-out, a return, an inspection. Nothing is done by it."""
        act = Act(body.act) if body.act else None
        drawn = await custody.drawn(
            house, actor, id, act, seal=body.seal, words=body.because, minutes=body.minutes, holder=body.holder,
            request=body.request,
        )  # fmt: skip
        return Text(text=drawn.text())

    @api.post("/custody/{id}/sign", may=those_who("bring"))
    async def sign_custody(id: ItemIdIn, body: Signature, actor: Signed) -> ItemPage:
        """Bring a signature: with the second one it is done."""
        await house.do(actor, flow.sign, house.chain, id, body.signature, body.text)
        return await house.see(views.page, id)
