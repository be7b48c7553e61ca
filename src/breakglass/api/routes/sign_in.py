"""Signing in with a key: a text is given out, comes back signed, and a short-lived token is the answer."""

import secrets
from datetime import datetime

from fastapi import Request
from pydantic import BaseModel

from breakglass.api.bodies import SignIn
from breakglass.api.registry import Api
from breakglass.errors import Refused
from breakglass.flow import sign_in as flow
from breakglass.http.declare import PUBLIC, SIGNED_IN, Signed
from breakglass.http.house import House
from breakglass.identity import sign_in as identity
from breakglass.model.people import SYSTEM


class Challenge(BaseModel):
    text: str
    """To be signed with `ssh-keygen -Y sign -n NAMESPACE -f KEY`, within two minutes."""
    namespace: str


class Token(BaseModel):
    token: str
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


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
