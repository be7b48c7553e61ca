"""The API's routes: under /api, each with the one shape of errors in its description."""

from types import MappingProxyType

from breakglass.api.errors import ErrorAnswer
from breakglass.http.declare import Registry


class Api(Registry):
    prefix = "/api"
    shared = MappingProxyType(
        {"responses": {"default": {"model": ErrorAnswer, "description": "Why not, and what to do"}}}
    )
