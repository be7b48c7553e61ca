"""The rotator `postgresql`, which also writes every password that it sets to a file."""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.postgresql import plugin as real
from tests.spying_rotator import Spy


def plugin() -> Rotator:
    return Spy(real())
