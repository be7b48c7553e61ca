"""The rotator `webhook`: a service of yours changes the secret; it is asked by HTTPS, known by its pinned certificate.

    POST PATH/change    {"username", "current", "new"}     200 set · 401 the current one is wrong · 409, 422 refused
    POST PATH/verify    {"username", "secret"}             200 {"works": true | false}
    POST PATH/remains   {"username", "secret"}             200 {"remains": [{"kind", "what"}]}: ended, but for these

Every other answer decides nothing. Whoever knows the current secret may ask: there is no other key. Option `path`, by
default `/breakglass`. docs/rotators.md has what such a service must keep.
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.webhook.rotator import Webhook


def plugin() -> Rotator:
    return Webhook()
