"""The rotator `ldap`: an entry's password by the Password Modify operation (RFC 3062), proven by a bind.

    signing  one bind over a pinned TLS connection (ldaps); what each ending means
    rotator  change, works, end_remains, traces

An account's `username` is its DN. Option `base`: the part of the directory that is looked at for what people leave.
Needs ldap3 (`pip install 'breakglass[ldap]'`).
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.ldap.rotator import Ldap


def plugin() -> Rotator:
    return Ldap()
