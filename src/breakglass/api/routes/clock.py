"""The server's clock: whether it stands right, and custodians' signatures that confirm the present time."""

import asyncio

from breakglass.api.bodies import Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Text
from breakglass.flow import clock
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.views import clock as views
from breakglass.views import shapes

SETTLES_WITHIN = 3.0
"""Seconds to wait for what follows from the last signature, so that whoever brings it sees it."""


def add(api: Api, house: House) -> None:
    wall = house.services.store.clock

    async def shown() -> shapes.Clock:
        return await house.see(views.shown, wall=wall.now(), vault=await house.vault())

    @api.get("/clock", may=SIGNED_IN)
    async def show_clock() -> shapes.Clock:
        """What it says, what has been, and who confirmed the present time."""
        return await shown()

    @api.post("/clock/statement", may=those_who("clock"))
    async def clock_statement(actor: Signed) -> Text:
        """The text by which you would confirm what the clock says now. Refused while it runs."""
        frozen = (await house.vault()).clock_frozen
        return Text(text=(await house.do(actor, clock.offer, house.chain, wall.now(), frozen=frozen)).text())

    @api.post("/clock/confirm", may=those_who("bring"))
    async def confirm_clock(body: Signature, actor: Signed) -> shapes.Clock:
        """Bring your signature: the last one that is needed lets time go on, and ends your sign-in."""
        await house.do(actor, clock.sign, house.chain, wall.now(), body.signature, body.text)
        deadline = asyncio.get_running_loop().time() + SETTLES_WITHIN
        while (found := await shown()).wrong and len(found.signed_by) >= found.needed:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.05)
        return found
