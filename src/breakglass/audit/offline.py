"""The log of a data folder without its node: for verifying and exporting while it runs, and long after it stopped."""

from sqlalchemy import Engine

from breakglass import config
from breakglass.audit.source import read_only
from breakglass.config import Home, Settings, database_url


def open_offline(home: Home) -> tuple[Engine, Settings]:
    """A read-only engine and the settings. Neither node nor vault is asked. Raises `NotFound`, `Malformed`."""
    settings = config.read(home)
    return read_only(database_url(home, settings)), settings
