"""The terminal in a browser: its page, its tickets, and the WebSocket behind it.

page ──POST ticket──▶ ticket ──first message──▶ socket ──▶ gateway.browser, as at the SSH door
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from breakglass.errors import BreakglassError, Forbidden, NotFound, Refused, Unavailable
from breakglass.flow import sign_in
from breakglass.gateway.browser import first_message
from breakglass.gateway.desk import Caller
from breakglass.gateway.login import Login
from breakglass.http.declare import Signed, those_who
from breakglass.http.house import House
from breakglass.http.shield import PAGE
from breakglass.http.status import status_of
from breakglass.model.ids import checked
from breakglass.model.people import Actor
from breakglass.views import grants as views
from breakglass.views import shapes
from breakglass.web.pages import Pages

FIRST_WITHIN = 10.0
"""Seconds for the first message."""
LOOK_EVERY = 0.4
"""Seconds between two looks whether the sign-in still holds: it is cut within one."""
POLICY: Mapping[str, str] = {
    # xterm.js puts its style sheets into the page; nothing else there is ours to style by hand.
    "Content-Security-Policy": PAGE.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
}


def add(pages: Pages) -> None:
    house = pages.house
    services = house.services

    @pages.get("/grants/{id}/terminal", may=those_who("connect"), fresh=True)
    async def terminal_page(request: Request, id: str, actor: Signed) -> Response:
        grant = await _mine(house, actor, id)
        answer = await pages.show(request, "terminal.html", grant=grant)
        answer.headers.update(POLICY)
        return answer

    @pages.post("/grants/{id}/ticket", may=those_who("connect"), fresh=True)
    async def ticket(request: Request, id: str, actor: Signed) -> Response:
        try:
            grant = await _mine(house, actor, id)
        except BreakglassError as fault:
            return JSONResponse({"message": fault.message, "what_to_do": fault.what_to_do}, status_of(fault))
        return JSONResponse({"ticket": house.tickets.issue(actor, grant.id)})

    @pages.socket("/grants/{id}/socket", may=those_who("connect"))
    async def terminal(socket: WebSocket) -> None:
        """Accepted for whoever is signed in on a page of ours; opened for whoever brings a ticket."""
        await socket.accept()
        actor: Actor = socket.state.actor
        wire = _Wire(socket, house, actor)
        try:
            grant = await _mine(house, actor, socket.path_params["id"])
            async with asyncio.timeout(FIRST_WITHIN):
                ticket, size = first_message(await wire.receive())
            if house.tickets.take(ticket, grant.id).sign_in != actor.sign_in:
                raise Forbidden("This ticket is another sign-in's.", what_to_do="Open the terminal again.")
            if services.terminal is None:
                raise Unavailable("There is no gateway here.", what_to_do="Connect with ssh.")
            account = house.chain.head.account(grant.place.account)
            login = Login(login=grant.to.login, account=account.name, target=grant.place.target)
            address = socket.client.host if socket.client else ""
            caller = Caller(login=grant.to.login, person=actor.id, key=actor.key, from_address=address)
            await services.terminal(caller, login, size, wire)
        except* BreakglassError as faults:
            await wire.refuse(_first(faults))
        except* (TimeoutError, WebSocketDisconnect):
            pass
        finally:
            await wire.close()


async def _mine(house: House, actor: Actor, id: str) -> shapes.Grant:
    """Raises `NotFound`, `Refused`, `Forbidden`: what keeps the door shut is said before it is tried."""
    grant = await house.see(views.one, actor, checked("grt", id))
    if grant.to.id != actor.id:
        raise NotFound("This grant is somebody else's.", what_to_do="Make a request of your own.", about=id)
    if grant.state != "active":
        raise Refused(grant.sentence, what_to_do="Make a new request.", about=id)
    if grant.key != actor.key:
        raise Forbidden(
            "This grant was given to another of your keys than the one you signed in with here.",
            what_to_do=f"Sign in again with the key {grant.key}, or connect with ssh.",
            about=id,
        )
    return grant


@dataclass
class _Wire:
    """A `gateway.browser.Socket` of starlette's."""

    socket: WebSocket
    house: House
    actor: Actor
    open: bool = True

    async def receive(self) -> bytes | str | None:
        if not self.open:
            return None
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            self.open = False
            return None
        found: bytes | str | None = message.get("bytes")
        return found if found is not None else str(message.get("text", ""))

    async def send(self, message: bytes | str) -> None:
        if not self.open:
            raise OSError("the socket is closed")
        if isinstance(message, bytes):
            await self.socket.send_bytes(message)
        else:
            await self.socket.send_text(message)

    async def close(self) -> None:
        if self.open:
            self.open = False
            await self.socket.close()

    async def refuse(self, fault: BreakglassError) -> None:
        """Said where it can still be read."""
        if self.open:
            with contextlib.suppress(OSError, RuntimeError, WebSocketDisconnect):
                await self.send(json.dumps({"refused": f"{fault.message} {fault.what_to_do}"}))

    async def gone(self) -> str:
        """An open terminal counts as use of its sign-in. A database that does not answer ends nothing here."""
        house, store = self.house, self.house.services.store
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                here, due = await store.read(sign_in.still, house.chain.head, self.actor)
                if not here:
                    return "the sign-in was ended"
                if due:
                    await house.do(self.actor, sign_in.keep, self.actor.sign_in)
            except BreakglassError:
                continue


def _first(faults: BaseExceptionGroup[BreakglassError]) -> BreakglassError:
    fault = faults.exceptions[0]
    return _first(fault) if isinstance(fault, BaseExceptionGroup) else fault
