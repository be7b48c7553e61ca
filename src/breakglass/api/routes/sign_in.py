"""Signing in with a key: a text is given out, comes back signed, and a short-lived token is the answer."""

import secrets
from datetime import datetime

from fastapi import Request
from pydantic import BaseModel

from breakglass.api.bodies import SignIn
from breakglass.api.registry import Api
from breakglass.errors import NotFound, Refused
from breakglass.flow import enrol
from breakglass.flow import sign_in as flow
from breakglass.http.address import web_origin
from breakglass.http.declare import PUBLIC, SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.identity import sign_in as identity
from breakglass.identity.access import must_be_fresh
from breakglass.model.ids import checked
from breakglass.model.people import SYSTEM


class Challenge(BaseModel):
    text: str
    """To be signed with `ssh-keygen -Y sign -n NAMESPACE -f KEY`, within two minutes."""
    namespace: str


class Token(BaseModel):
    token: str
    until: datetime


class OneSignIn(BaseModel):
    id: str
    key: str
    made_at: datetime
    until: datetime
    """It ends then, unless a browser's is used before."""
    from_address: str
    device: str
    """What the browser says of itself; empty for programs."""
    here: bool
    """Whether this is the one that asks."""


class Link(BaseModel):
    link: str
    """Shown this once. Its secret stands behind `#`, which browsers send to nobody."""
    person: str
    until: datetime


def add(api: Api, house: House) -> None:
    store = house.services.store

    @api.post("/sign-in/challenge", may=PUBLIC)
    async def challenge(request: Request) -> Challenge:
        """A text to sign: for one use, within two minutes."""
        text = identity.challenge(house.chain.head.deployment, store.now())
        house.challenges.give(_address(request), text)
        return Challenge(text=text, namespace=identity.NAMESPACE)

    @api.post("/sign-in", may=PUBLIC)
    async def sign_in(request: Request, body: SignIn) -> Token:
        """A token for the text that came back signed. A right key is never held up by failures of others."""
        address, now = _address(request), store.now()
        try:
            house.challenges.take(body.text)
            login, actor = identity.verify(house.chain.head, body.login, body.text, body.signature, now)
        except Refused as refusal:
            house.failures.count(f"login {body.login}", f"address {address}")
            await store.run(SYSTEM, flow.refused, body.login, address, refusal.code)
            raise
        token = secrets.token_urlsafe(32)
        await house.do(actor, flow.sign_in, login, token, from_address=address)
        return Token(token=token, until=now + flow.LASTS)

    @api.delete("/sign-in", may=SIGNED_IN, status_code=204)
    async def sign_out(request: Request, actor: Signed) -> None:
        """Make this token worthless."""
        await house.do(actor, flow.sign_out, request.headers["authorization"].partition(" ")[2])

    @api.get("/sign-ins", may=SIGNED_IN)
    async def list_sign_ins(actor: Signed) -> list[OneSignIn]:
        """Where you are signed in: in browsers and at the API."""
        return [
            OneSignIn(
                id=one.id,
                key=one.key,
                made_at=one.made_at,
                until=one.until,
                from_address=one.from_address,
                device=one.device,
                here=one.id == actor.sign_in,
            )
            for one in await store.read(flow.mine, actor.id)
        ]

    @api.delete("/sign-ins/{id}", may=SIGNED_IN, status_code=204)
    async def end_sign_in(id: str, actor: Signed) -> None:
        """End one of yours at once, on whatever device."""
        await house.do(actor, flow.revoke, checked("sgn", id))
        house.tickets.forget(id)

    @api.post("/people/{login}/invitation", may=those_who("propose"), status_code=201)
    async def invite(request: Request, login: str, actor: Signed) -> Link:
        """A one-time link by which this person makes a passkey; it then becomes a proposal that people sign."""
        must_be_fresh(actor, store.now())
        address = web_origin(house.services.settings, request)
        person = house.chain.head.login(login)
        if person is None:
            raise NotFound(f"Nobody has the login {login[:60]!r}.", what_to_do="Look at `breakglass estate`.")
        token = secrets.token_urlsafe(24)
        made = await house.do(actor, enrol.invite, house.chain, person.id, token)
        return Link(link=f"{address}/enrol#{token}", person=person.id, until=made.until)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
