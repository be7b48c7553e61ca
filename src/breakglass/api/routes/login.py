"""`breakglass login`: a terminal without a key is signed in from a browser (http.terminals; RFC 8628's shape)."""

from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel, Field

from breakglass.api.bodies import Body
from breakglass.api.registry import Api
from breakglass.codec.lines import clean
from breakglass.http.address import web_origin
from breakglass.http.declare import PUBLIC
from breakglass.http.house import House
from breakglass.http.terminals import INTERVAL, LASTS


class Terminal(Body):
    device: Annotated[str, Field(max_length=200)] = ""
    """What the terminal says of itself, shown to whoever confirms."""


class Begun(BaseModel):
    device_code: str
    """The terminal's own secret: the token is given for it."""
    user_code: str
    """Shown, to be typed in the browser."""
    verification_uri: str
    """The page on which it is typed."""
    expires_in: int
    """Seconds."""
    interval: int
    """Seconds between two questions."""


class DeviceCode(Body):
    device_code: Annotated[str, Field(max_length=100)]


class Polled(BaseModel):
    state: Literal["waiting", "done"]
    token: str = ""
    """Given once."""
    login: str = ""
    """Who confirmed, and is signed in now."""


def add(api: Api, house: House) -> None:
    @api.post("/login", may=PUBLIC)
    async def begin_login(request: Request, body: Terminal) -> Begun:
        """Begin: show the user code, and ask for the token until somebody typed it in a browser."""
        page = f"{web_origin(house.services.settings, request)}/terminal-login"
        address = request.client.host if request.client else ""
        device_code, user_code = house.terminals.begin(address, clean(body.device))
        return Begun(
            device_code=device_code,
            user_code=user_code,
            verification_uri=page,
            expires_in=int(LASTS),
            interval=int(INTERVAL),
        )

    @api.post("/login/token", may=PUBLIC)
    async def poll_login(body: DeviceCode) -> Polled:
        """The token, once it was confirmed. 410 when it is over, 403 when it was denied, 429 when asked too soon."""
        given = house.terminals.poll(body.device_code)
        if given is None:
            return Polled(state="waiting")
        return Polled(state="done", token=given.token, login=given.login)
