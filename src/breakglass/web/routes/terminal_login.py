"""Signing a terminal in from the browser: the code that `breakglass login` shows is typed, looked at, and confirmed.

Both take a signature of the last 15 minutes; the page says where the terminal is, because anybody can send a code to
anybody (RFC 8628 section 5.4).
"""

import secrets

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, NotFound
from breakglass.flow import sign_in as flow
from breakglass.http.declare import SIGNED_IN, Signed
from breakglass.http.status import status_of
from breakglass.http.terminals import Asked, Given
from breakglass.model.people import Actor
from breakglass.web.forms import read
from breakglass.web.pages import Pages


def add(pages: Pages) -> None:
    house = pages.house

    async def page(
        request: Request, *, asked: Asked | None = None, refusal: BreakglassError | None = None, done: str = ""
    ) -> Response:
        status = status_of(refusal) if refusal else 200
        return await pages.show(request, "terminal_login.html", status=status, asked=asked, refusal=refusal, done=done)

    def find(actor: Actor, typed: str) -> Asked:
        """Raises `NotFound`, and `TooMany` when somebody guesses."""
        try:
            return house.terminals.find(typed)
        except NotFound:
            house.failures.count(f"code {actor.id}")
            raise

    @pages.get("/terminal-login", may=SIGNED_IN, fresh=True)
    async def terminal_login(request: Request) -> Response:
        return await page(request)

    @pages.post("/terminal-login", may=SIGNED_IN, fresh=True)
    async def look_at_terminal(request: Request, actor: Signed) -> Response:
        try:
            return await page(request, asked=find(actor, (await read(request)).line("code", 40)))
        except BreakglassError as refusal:
            return await page(request, refusal=refusal)

    @pages.post("/terminal-login/confirm", may=SIGNED_IN, fresh=True)
    async def confirm_terminal(request: Request, actor: Signed) -> Response:
        try:
            asked = find(actor, (await read(request)).line("code", 40))
            token = secrets.token_urlsafe(32)
            login = house.chain.head.person(actor.id).login
            id = await house.do(
                actor, flow.lend, login, token, from_address=asked.from_address, device=asked.device or "A terminal"
            )
            try:
                house.terminals.confirm(asked, Given(token=token, login=login))
            except NotFound:  # answered on another page meanwhile: nobody gets this token
                await house.do(actor, flow.revoke, id)
                raise
        except BreakglassError as refusal:
            return await page(request, refusal=refusal)
        return await page(request, done="yes")

    @pages.post("/terminal-login/deny", may=SIGNED_IN, fresh=True)
    async def deny_terminal(request: Request, actor: Signed) -> Response:
        try:
            house.terminals.deny(find(actor, (await read(request)).line("code", 40)))
        except BreakglassError as refusal:
            return await page(request, refusal=refusal)
        return await page(request, done="no")
