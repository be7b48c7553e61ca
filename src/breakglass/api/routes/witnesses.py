"""The log's witnesses, and custodians' word that releases go on without them for a while."""

import asyncio
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from breakglass.api.bodies import Body, Prose, Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Text
from breakglass.flow import override
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.trust.override import LONGEST, SHORTEST
from breakglass.views import witnesses as views
from breakglass.views.witnesses import Witnesses

SETTLES_WITHIN = 3.0
"""Seconds to wait for what follows from the last signature, so that whoever brings it sees it."""
_SHORTEST, _LONGEST = int(SHORTEST.total_seconds()), int(LONGEST.total_seconds())


class Wanted(Body):
    seconds: Annotated[int, Field(ge=_SHORTEST, le=_LONGEST)]
    because: Prose


def add(api: Api, house: House) -> None:
    @api.get("/audit/witnesses", may=SIGNED_IN)
    async def show_witnesses() -> Witnesses:
        """How far each witness has cosigned the log, and whether releases wait for them."""
        return await house.see(views.shown)

    @api.post("/audit/override", may=those_who("override"))
    async def begin_override(body: Wanted, actor: Signed) -> Text:
        """The text by which you let releases go on without the witnesses, for so long."""
        drawn = await house.do(actor, override.offer, house.chain, timedelta(seconds=body.seconds), body.because)
        return Text(text=drawn.text())

    @api.post("/audit/override/statement", may=those_who("override"))
    async def override_statement(actor: Signed) -> Text:
        """The same text for the next custodian. 404 when nobody has begun one."""
        return Text(text=(await house.do(actor, override.again, house.chain)).text())

    @api.post("/audit/override/sign", may=those_who("bring"))
    async def sign_override(body: Signature, actor: Signed) -> Witnesses:
        """Bring a signature: with the last one that is needed the vaults go on without the witnesses."""
        await house.do(actor, override.sign, house.chain, body.signature, body.text)
        deadline = asyncio.get_running_loop().time() + SETTLES_WITHIN
        while (found := await house.see(views.shown)).signed_by and len(found.signed_by) >= found.needed:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.05)
        return found
