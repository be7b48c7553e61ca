"""What only a demo has: one-time sign-in links, becoming somebody else, and a byte that is flipped in a copy of the
log.

A real deployment has none of these routes.
"""

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import Expired, Forbidden, NotFound, Refused
from breakglass.http.asking import from_here
from breakglass.http.declare import PUBLIC, SIGNED_IN
from breakglass.http.house import House
from breakglass.http.services import DemoDesk
from breakglass.http.status import status_of
from breakglass.model.people import Actor
from breakglass.web.forms import read
from breakglass.web.pages import Pages
from breakglass.web.routes.sign_in import come_in


def add(pages: Pages) -> None:
    house = pages.house
    desk = house.services.demo
    if desk is None:
        return
    pages.look.sign_with(desk.sign)
    _doors(pages, house, desk)
    _tamper(pages, desk)


def _doors(pages: Pages, house: House, desk: DemoDesk) -> None:
    @pages.get("/demo", may=PUBLIC)
    async def demo_page(request: Request) -> Response:
        return await pages.show(request, "demo.html", refusal=None)

    @pages.post("/demo", may=PUBLIC)
    async def enter(request: Request) -> Response:
        form = await read(request)
        if not from_here(request):
            raise Forbidden("This was sent by another page than ours.", what_to_do="Open your link again.")
        try:
            login = desk.take(form.line("code", 60))
            if login is None:
                raise Expired("This link was used.", what_to_do="Use another one, or start the demo again.")
        except Refused as refusal:
            return await pages.show(request, "demo.html", status=status_of(refusal), refusal=refusal)
        return await _signed_in(request, house, login, "/")

    @pages.post("/demo/become", may=SIGNED_IN)
    async def become(request: Request) -> Response:
        """Whoever plays the demo plays all of its people."""
        form = await read(request)
        return await _signed_in(request, house, form.line("login", 60), form["to"])


def _tamper(pages: Pages, desk: DemoDesk) -> None:
    @pages.get("/demo/tamper", may=SIGNED_IN)
    async def tamper_page(request: Request) -> Response:
        return await pages.show(request, "demo_tamper.html", entry=None, said="")

    @pages.post("/demo/tamper", may=SIGNED_IN)
    async def tamper(request: Request) -> Response:
        entry, said = await desk.tamper()
        return await pages.show(request, "demo_tamper.html", entry=entry, said=said)


async def _signed_in(request: Request, house: House, login: str, to: str) -> Response:
    """With the demo key that the estate has for them."""
    person = house.chain.head.login(login)
    key = next((one for one in person.keys if one.passkey is None), None) if person else None
    if person is None or key is None:
        raise NotFound("The demo has nobody of that name.", what_to_do="Start from home.")
    actor = Actor(id=person.id, roles=person.roles, key=key.fingerprint)
    return await come_in(house, request, actor, login, to)
