"""`--database`: which database a founding or a restore will use; a founding keeps it from its beginning to its end."""

import os
from urllib.parse import urlsplit

from breakglass.config import Home
from breakglass.errors import Refused


class PasswordInArguments(Refused):
    """Everybody on the machine reads a command's arguments."""

    code = "password_in_arguments"


def chosen(home: Home, url: str) -> str:
    """The address that was given now, else the one that was given when the founding began; empty: the embedded one.

    Raises `PasswordInArguments`, and `Malformed` for what is no address."""
    kept = home.founding / "database"
    if not url:
        return kept.read_text() if kept.exists() else ""
    must_have_no_password(url)
    home.make()
    home.founding.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(url)
    return url


def must_have_no_password(url: str) -> None:
    """Raises `PasswordInArguments`, and `Malformed` for what is no address; an empty one is none."""
    from breakglass.storage.engine import address

    if url and (urlsplit(url).password or address(url).password or "password=" in url):
        raise PasswordInArguments(
            "The database's password stands in the command, where others can read it.",
            what_to_do="Leave it out. Name a password file of mode 0600 instead: "
            "postgresql://breakglass@db.example.org/breakglass?passfile=/etc/breakglass/pgpass",
        )
