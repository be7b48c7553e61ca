"""The next log: custodians' word that the deployment goes on with a new one, because its log has lost its end."""

import asyncio
import contextlib
from typing import Annotated

from pydantic import Field

from breakglass.api.bodies import Body, Prose, Signature
from breakglass.api.registry import Api
from breakglass.api.routes.requests import Text
from breakglass.flow import next_log
from breakglass.http.declare import Signed, those_who
from breakglass.http.former import former
from breakglass.http.house import House
from breakglass.views import next_log as views
from breakglass.views.next_log import NextLog

SETTLES_WITHIN = 5.0
"""Seconds to wait for what follows from the last signature, so that whoever brings it sees it."""


class Wanted(Body):
    because: Prose
    last: Annotated[str, Field(max_length=100_000)] = ""
    """The last checkpoint of the log that somebody kept elsewhere."""


def add(api: Api, house: House) -> None:
    @api.get("/audit/next-log", may=those_who("bring"))
    async def show_next_log() -> NextLog:
        """Which log this is, and whether custodians want to go on with the next one."""
        return await house.see(views.shown, house.services.alarm())

    @api.post("/audit/next-log", may=those_who("next_log"))
    async def want_next_log(body: Wanted, actor: Signed) -> Text:
        """The text by which you go on with the next log: what is here of this one stays, what was lost is named."""
        last, troubled = await former(house, body.last), bool(house.services.alarm())
        drawn = await house.do(actor, next_log.want, house.chain, last, body.because, troubled=troubled)
        return Text(text=drawn.text())

    @api.post("/audit/next-log/statement", may=those_who("next_log"))
    async def next_log_statement(actor: Signed) -> Text:
        """The same text for the next custodian. 404 when nobody wants it."""
        return Text(text=(await house.do(actor, next_log.again, house.chain)).text())

    @api.post("/audit/next-log/sign", may=those_who("bring"))
    async def sign_next_log(body: Signature, actor: Signed) -> NextLog:
        """Bring a signature: with the last one that is needed the vaults go on with the next log."""
        await house.do(actor, next_log.sign, house.chain, body.signature, body.text)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLES_WITHIN):
                while (await house.see(views.shown, "")).is_due:  # noqa: ASYNC110 (the vault rings no bell)
                    await asyncio.sleep(0.05)
        return await house.see(views.shown, house.services.alarm())
