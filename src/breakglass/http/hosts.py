"""By which names this node is asked: a page of somebody else's that lets its own name point here (DNS rebinding) would
be of one origin with us, by its name. So a name that is not ours is answered with 421 and nothing else.

Names of ours: `localhost`, whatever `web_origin` and `api_host` say, and addresses, which no DNS answer can claim.
"""

from ipaddress import ip_address

from starlette.responses import PlainTextResponse

from breakglass.config import Settings
from breakglass.http.shield import NOTHING, App, Headers, Receive, Scope, Send

WHY = "This node is not called that. Open it by its name: set web_origin in breakglass.toml if this is it.\n"


def names(settings: Settings) -> frozenset[str]:
    """Lower case, without ports."""
    return frozenset({"localhost", settings.api_host.lower(), host_of(settings.web_origin.partition("://")[2])}) - {""}


def host_of(header: str) -> str:
    """The host of a Host header, in lower case, without its port and brackets (RFC 9110, 7.2); empty for none."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].rstrip(".").lower()


def ours(scope: Scope, known: frozenset[str]) -> bool:
    """Whether this request is for us; what is neither a request nor a WebSocket is."""
    if scope["type"] not in ("http", "websocket"):
        return True
    said = [value for name, value in scope["headers"] if name == b"host"]
    if len(said) != 1:
        return False
    host = host_of(said[0].decode("latin-1"))
    if host in known:
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(WHY, 421)(scope, receive, send)


refuse: App = Headers(_refuse, NOTHING)


async def close(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket that is refused before it is accepted: browsers see 403."""
    await send({"type": "websocket.close", "code": 1008})
