"""The rotator `active-directory`: the password of an account in Active Directory or a Samba domain, changed twice.

    between  the password in between, which follows from the new one
    rotator  change, works, end_remains, traces

A domain takes the password before the present one for another 60 minutes (OldPasswordAllowedPeriod), so that one change
leaves the old one good. After two it is refused, and that is proven. An account's `username` is its DN or its UPN
(`bg-root@example.org`). Option `base`: the part of the directory that is looked at for what people leave.
Needs ldap3 (`pip install 'breakglass[ldap]'`).
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.active_directory.rotator import ActiveDirectory


def plugin() -> Rotator:
    return ActiveDirectory()
