"""The rotator `ldap`, which also writes every password that it sets to a file."""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.ldap import plugin as real
from tests.spying_rotator import Spy


def plugin() -> Rotator:
    return Spy(real())
