"""Where browsers open the pages, and the domain that passkeys are made for (RP ID)."""

from starlette.requests import HTTPConnection

from breakglass.codec import origin
from breakglass.config import Settings
from breakglass.errors import Malformed, Refused


def web_origin(settings: Settings, connection: HTTPConnection) -> str:
    """As browsers write it. Raises `Refused` where the settings leave it out and this is not `localhost`: what a
    request says of its own host is nobody's word."""
    if settings.web_origin:
        return settings.web_origin
    port = connection.url.port
    if connection.url.hostname in ("localhost", "127.0.0.1", "::1"):  # browsers make passkeys for no address
        return f"http://localhost:{port}" if port else "http://localhost"
    raise Refused(
        "This node does not know at which address browsers open it.",
        what_to_do="Set `web_origin` in breakglass.toml, as in https://gate.example:8422, and open that address.",
    )


def rp_of(address: str) -> str:
    """The domain of an origin. Raises `Malformed` for one that passkeys can't be for."""
    host = address.partition("://")[2].partition(":")[0]
    try:
        origin.must_be_origin(address, host)
    except Malformed as wrong:
        raise Malformed(wrong.message, what_to_do="Correct `web_origin` in breakglass.toml.") from None
    return host
