"""A password with an authenticator and recovery codes: signing in with it, setting it, removing it.

/me/password (fresh signature) ── a new seed as a QR code ── password, and the code that the authenticator shows
                               ── ten recovery codes, shown this once
"""

import asyncio
import secrets
from base64 import b32encode
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Forbidden, Malformed, Refused, TooMany
from breakglass.flow import password as flow
from breakglass.http.asking import from_here
from breakglass.http.declare import PUBLIC, SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.http.status import status_of
from breakglass.identity import password as identity
from breakglass.model.ids import UserId, checked
from breakglass.model.people import SYSTEM, Actor
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go
from breakglass.web.qr import qr
from breakglass.web.routes.sign_in import address_of, ours, sign_page, with_cookie

SIDE_BY_SIDE = 2
"""Passwords that are looked at at once: 64 MiB each."""
WAIT = 10.0
SEED_LASTS, SEEDS = 900.0, 256


class Seeds:
    """New seeds that their people have not confirmed yet, one for each sign-in."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._of: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def of(self, sign_in: str) -> bytes:
        """This sign-in's seed, made anew when there is none or it is old."""
        at, seed = self._of.get(sign_in, (0.0, b""))
        if not seed or self._monotonic() >= at + SEED_LASTS:
            seed = identity.new_seed()
            self._of[sign_in] = (self._monotonic(), seed)
        self._of.move_to_end(sign_in)
        while len(self._of) > SEEDS:
            self._of.popitem(last=False)
        return seed

    def drop(self, sign_in: str) -> None:
        self._of.pop(sign_in, None)


def add(pages: Pages) -> None:
    house = pages.house
    store = house.services.store
    seeds, turns = Seeds(store.clock.monotonic), asyncio.Semaphore(SIDE_BY_SIDE)

    @pages.post("/sign-in/password", may=PUBLIC)
    async def sign_in(request: Request) -> Response:
        form = await read(request)
        login, to = form.line("login", 60), form["to"]
        if not from_here(request):
            raise Forbidden("This was sent by another page than ours.", what_to_do="Open Breakglass itself.")
        try:
            token = await _sign_in(house, turns, request, form, login)
        except Refused as refusal:
            return await sign_page(pages, request, to, login=login, refusal=refusal, by_password=True)
        return with_cookie(go(ours(to)), token)

    async def set_page(request: Request, actor: Actor, refusal: BreakglassError | None = None) -> Response:
        person, seed = house.chain.head.person(actor.id), seeds.of(actor.sign_in)
        held, left = await store.read(flow.mine, actor.id)
        return await pages.show(
            request,
            "password.html",
            status=status_of(refusal) if refusal else 200,
            person=person,
            qr=qr(identity.address(seed, person.login, f"Breakglass {house.services.settings.origin}")),
            seed=" ".join(_groups(b32encode(seed).decode())),
            held=held,
            left=left,
            shortest=identity.SHORTEST,
            refusal=refusal,
        )

    @pages.get("/me/password", may=SIGNED_IN, fresh=True)
    async def password_page(request: Request, actor: Signed) -> Response:
        return await set_page(request, actor)

    @pages.post("/me/password", may=SIGNED_IN, fresh=True)
    async def set_password(request: Request, actor: Signed) -> Response:
        form = await read(request)
        person, seed, password = house.chain.head.person(actor.id), seeds.of(actor.sign_in), form["password"]
        try:
            identity.must_be_good(password, person.login, person.name)
            if not secrets.compare_digest(password.encode(), form["again"].encode()):
                raise Malformed("You typed two different passwords.", what_to_do="Type the same one twice.")
            step = identity.step_of(seed, form.line("code", 40).replace(" ", ""), store.clock.now())
            if step is None:
                raise Malformed(
                    "This is not the code of this half minute.",
                    what_to_do="Scan the picture, and type what the authenticator shows now. Is its clock right?",
                )
        except BreakglassError as refusal:
            return await set_page(request, actor, refusal)
        async with _turn(turns):
            locked = await asyncio.to_thread(identity.lock, password, person.id, seed)
        codes = identity.recovery_codes()
        await house.do(actor, flow.put, locked, step, [identity.hashed(one, person.id) for one in codes])
        seeds.drop(actor.sign_in)
        return await pages.show(request, "recovery_codes.html", codes=codes, person=person)

    @pages.post("/me/password/remove", may=SIGNED_IN)
    async def remove(request: Request, actor: Signed) -> Response:
        await house.do(actor, flow.remove, actor.id)
        return go("/me")

    @pages.post("/people/{id}/password/remove", may=those_who("unseal"), fresh=True)
    async def remove_other(request: Request, id: str, actor: Signed) -> Response:
        await house.do(actor, flow.remove, UserId(checked("usr", id)))
        return go("/people")


async def _sign_in(house: House, turns: asyncio.Semaphore, request: Request, form: Form, login: str) -> str:
    """The new token. Raises `Refused`, told to the log; in the same words whatever of the three did not fit."""
    store, address = house.services.store, address_of(request)
    last = house.caps.take(login)
    try:
        person = house.chain.head.login(login)
        held = (await store.read(flow.mine, person.id))[0] if person else None
        password, code = form["password"][: identity.LONGEST], form.line("code", 40)
        async with _turn(turns):
            locked = identity.Locked(held.salt, held.sealed) if held else None
            seed = await asyncio.to_thread(identity.unlock, password, person.id if person else "", locked)
        if person is None or held is None or seed is None:
            raise flow.no()
        token = secrets.token_urlsafe(32)
        actor = house.chain.head.without_key(login, store.now())
        by: int | str | None = (
            identity.hashed(code, person.id)
            if identity.looks_like_recovery(code)
            else identity.step_of(seed, code.replace(" ", ""), store.clock.now())
        )
        if by is None:
            raise flow.no()
        device = request.headers.get("user-agent", "")
        await house.do(actor, flow.sign_in, login, token, held, by, from_address=address, device=device)
    except Refused as refusal:
        await store.run(SYSTEM, flow.refused, login, address, refusal.code, held_up=last)
        raise
    house.caps.give_back(login)
    return token


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    """Raises `TooMany` when too many wait."""
    try:
        async with asyncio.timeout(WAIT):
            await turns.acquire()
    except TimeoutError:
        raise TooMany("Too many passwords are tried just now.", what_to_do="Try again, or use a key.") from None
    try:
        yield
    finally:
        turns.release()


def _groups(text: str) -> list[str]:
    return [text[n : n + 4] for n in range(0, len(text), 4)]
