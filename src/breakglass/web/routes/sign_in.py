"""Signing in and out in a browser, and signing once more (step-up).

text ─┬─ passkey: the browser asks which one, nobody types a name ─▶ POST
      └─ SSH key: the name, and the pasted signature ─────────────▶ POST ─▶ cookie, 303
"""

import secrets
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BadSignature, BreakglassError, Forbidden, NotSignedIn, Refused
from breakglass.flow import sign_in as flow
from breakglass.http.asking import COOKIE, from_here
from breakglass.http.declare import PUBLIC, SIGNED_IN, Signed
from breakglass.http.house import House
from breakglass.http.status import status_of
from breakglass.identity import sign_in as identity
from breakglass.model.people import SYSTEM, Actor
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought

To = Annotated[str, Query(max_length=500)]


async def sign_page(
    pages: Pages,
    request: Request,
    to: str,
    *,
    again: bool = False,
    login: str = "",
    refusal: BreakglassError | None = None,
    by_password: bool = False,
) -> Response:
    house = pages.house
    text = identity.challenge(house.chain.head.deployment, house.services.store.now())
    house.challenges.give(address_of(request), text)
    return await pages.show(
        request,
        "sign_in.html",
        status=status_of(refusal) if refusal else 200,
        text=text,
        namespace=identity.NAMESPACE,
        to=ours(to),
        again=again,
        login=login,
        refusal=refusal,
        by_password=by_password,
        gate=house.connect_line("gate"),
    )


def add(pages: Pages) -> None:
    house = pages.house

    @pages.get("/sign-in", may=PUBLIC)
    async def sign_in_page(request: Request, to: To = "/") -> Response:
        return await sign_page(pages, request, to)

    @pages.post("/sign-in", may=PUBLIC)
    async def sign_in(request: Request) -> Response:
        form = await read(request)
        login, to = form.line("login", 60), form["to"]
        if not from_here(request):  # nobody is signed in as somebody else by a stranger's page
            raise Forbidden("This was sent by another page than ours.", what_to_do="Open Breakglass itself.")
        try:
            login, actor = await _verified(house, request, form, login)
        except Refused as refusal:
            return await sign_page(pages, request, to, login=login, refusal=refusal)
        return await come_in(house, request, actor, login, to)

    @pages.post("/sign-out", may=SIGNED_IN)
    async def sign_out(request: Request, actor: Signed) -> Response:
        await house.do(actor, flow.sign_out, request.cookies.get(COOKIE, ""))
        house.tickets.forget(actor.sign_in)
        return with_cookie(go("/sign-in"), "")

    @pages.get("/sign-again", may=SIGNED_IN)
    async def prove_page(request: Request, to: To = "/") -> Response:
        return await sign_page(pages, request, to, again=True)

    @pages.post("/sign-again", may=SIGNED_IN)
    async def prove(request: Request, actor: Signed) -> Response:
        form = await read(request)
        person = house.chain.head.person(actor.id)
        try:
            _, by = await _verified(house, request, form, person.login)
            if by.id != actor.id:
                raise BadSignature("This is somebody else's key.", what_to_do="Use a key of your own.")
        except Refused as refusal:
            return await sign_page(pages, request, form["to"], again=True, refusal=refusal)
        token, old = secrets.token_urlsafe(32), request.cookies.get(COOKIE, "")
        if not old:
            raise NotSignedIn("This browser is not signed in.", what_to_do="Sign in with your key.")
        await house.do(by, flow.prove, old, token)
        return with_cookie(go(ours(form["to"])), token)


def ours(to: str) -> str:
    """A path of ours, or home: nobody is sent elsewhere by a link to the sign-in."""
    plain = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() and "\\" not in to
    return to if plain and not to.startswith(("/sign-in", "/sign-again", "/sign-out")) else "/"


async def _verified(house: House, request: Request, form: Form, login: str) -> tuple[str, Actor]:
    """Who signed. Raises `Refused`, told to the log; a right key is never held up by failures of others."""
    address, store = address_of(request), house.services.store
    try:
        house.challenges.take(form["text"])
        signature, _ = brought(form)
        return identity.verify(house.chain.head, login, form["text"], signature, store.now())
    except Refused as refusal:
        house.failures.count(f"login {login}", f"address {address}")
        await store.run(SYSTEM, flow.refused, login or "passkey", address, refusal.code)
        raise


async def come_in(house: House, request: Request, actor: Actor, login: str, to: str) -> Response:
    """Signed in by a key, and on to where they wanted to go."""
    token, device = secrets.token_urlsafe(32), request.headers.get("user-agent", "")
    await house.do(actor, flow.sign_in, login, token, browser=True, from_address=address_of(request), device=device)
    return with_cookie(go(ours(to)), token)


def with_cookie(answer: Response, token: str) -> Response:
    """Until the browser closes; the server ends it earlier."""
    answer.set_cookie(
        COOKIE, token, path="/", secure=True, httponly=True, samesite="strict", max_age=None if token else 0
    )
    return answer


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""
