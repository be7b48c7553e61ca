"""Users by name or number: who may come to the vault's socket, and whose process answers there."""

import pwd

from breakglass.errors import NotFound


def number_of(user: str) -> int:
    """Raises `NotFound`."""
    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise NotFound(
            f"This machine has no user {user!r}.", what_to_do="Make it, or mind its name: see the guide, `units`."
        ) from None
