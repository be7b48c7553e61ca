"""The emergency kit: what there is, having one made, fetching its encrypted copies, and saying that one was used."""

from typing import Annotated

from fastapi import Path
from pydantic import Field
from starlette.responses import Response

from breakglass.api.bodies import Body, Prose, Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Text
from breakglass.flow import kit
from breakglass.http import kits
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.identity.access import must_be_fresh
from breakglass.trust.kit import COPIES_MAX
from breakglass.views import kits as views
from breakglass.views.kits import Kits

Number = Annotated[int, Path(ge=1, le=10**9)]
Copy = Annotated[int, Path(ge=1, le=COPIES_MAX)]


class Wanted(Body):
    copies: Annotated[int, Field(ge=1, le=COPIES_MAX)]


class Used(Body):
    because: Prose


def add(api: Api, house: House) -> None:
    @api.get("/kits", may=SIGNED_IN)
    async def show_kits() -> Kits:
        """Which kits there are, and whether the newest one serves."""
        return await house.see(views.shown, await kits.stale(house))

    @api.post("/kits", may=those_who("kit"))
    async def want_kit(body: Wanted, actor: Signed) -> Kits:
        """Begin a new one: the passwords of its accounts change, so that older kits open nothing any more."""
        must_be_fresh(actor, house.services.store.now())
        await house.do(actor, kit.want, house.chain, body.copies)
        return await house.see(views.shown, await kits.stale(house))

    @api.post("/kits/statement", may=those_who("kit"))
    async def kit_statement(actor: Signed) -> Text:
        """The text by which you have it made. 409 while its passwords still change."""
        return Text(text=(await house.do(actor, kit.offer, house.chain)).text())

    @api.post("/kits/sign", may=those_who("bring"))
    async def sign_kit(body: Signature, actor: Signed) -> Kits:
        """Bring a signature: with the last one that is needed the vault makes the kit."""
        await kits.sign(house, actor, body.signature, body.text)
        return await house.see(views.shown, await kits.stale(house))

    @api.get("/kits/{number}/{copy}", may=those_who("kit"))
    async def kit_file(number: Number, copy: Copy, actor: Signed) -> Response:
        """A copy, encrypted: only k of the custodians' shares open it. The log has who took it."""
        return Response(await kits.fetch(house, actor, number, copy), media_type="application/octet-stream")

    @api.post("/kits/{number}/used", may=those_who("kit_used"))
    async def kit_used(number: Number, body: Used, actor: Signed) -> Kits:
        """Somebody used this kit, or it is gone: all its passwords change."""
        await house.do(actor, kit.used, house.chain, number, body.because)
        return await house.see(views.shown, await kits.stale(house))
