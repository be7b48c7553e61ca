"""Who asks: the one place that reads a request's credentials, for the API and for pages.

API     Authorization: Bearer TOKEN               programs; a browser never adds it by itself
pages   the same, or the cookie __Host-breakglass  a browser adds it by itself, also for a hostile page: so what
                                                   changes something must come from our own origin
"""

import hmac

from starlette.requests import HTTPConnection

from breakglass.errors import Forbidden
from breakglass.http.house import House
from breakglass.model.people import Actor

COOKIE = "__Host-breakglass"
"""Secure, HttpOnly, SameSite=Strict, Path=/ and no Domain: browsers hold a name with this prefix to all but two."""
_SAFE = frozenset({"GET", "HEAD"})


class Asking:
    def __init__(self, house: House) -> None:
        self._house = house

    async def by_token(self, connection: HTTPConnection) -> Actor | None:
        """For the API. A token that was made in a browser for a terminal lasts on with use, as a cookie does."""
        found = await self._house.signed_in(bearer(connection), used=True)
        return None if found is None else found[0]

    async def by_cookie_or_token(self, connection: HTTPConnection) -> Actor | None:
        """For pages. Raises `Forbidden` when a cookie comes with a change from elsewhere."""
        if token := bearer(connection):
            return await self._house.actor(token)
        token = connection.cookies.get(COOKIE, "")
        # What a page asks by itself, to stay up to date, is no use by a person.
        found = await self._house.signed_in(token, used="hx-request" not in connection.headers)
        actor = None
        if found is not None:
            actor, connection.state.sign_in = found
            connection.state.csrf = csrf_of(token)
        changes = connection.scope.get("method", "") not in _SAFE  # a WebSocket has no method and may change things
        if actor is not None and changes and not from_here(connection):
            raise Forbidden(
                "This was sent by another page than ours.", what_to_do="Open Breakglass itself and do it there."
            )
        return actor


def csrf_of(token: str) -> str:
    """What each form of a page carries, for whoever comes with this cookie. Nobody can make it who can't read it."""
    return hmac.digest(token.encode(), b"breakglass csrf", "sha256").hex()


def bearer(connection: HTTPConnection) -> str:
    """The token of the Authorization header; empty without one."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def from_here(connection: HTTPConnection) -> bool:
    """Whether a browser says that one of our own pages sent this: its Origin is the host that it talks to.

    Browsers send Origin with every POST and every WebSocket (Fetch standard, 3.2); without one nothing is believed."""
    host = connection.headers.get("host", "")
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    ours = {f"{scheme}://{host}", f"https://{host}"}  # where TLS ends before us, we see http and browsers https
    return bool(host) and connection.headers.get("origin", "") in ours
