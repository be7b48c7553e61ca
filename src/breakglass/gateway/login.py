"""The name that a person logs in with: who, and optionally where to.

    alice                 the front end: `ssh gate status`
    alice+db1             the only break-glass account on db1 that fits
    alice+postgres+db1    that account on db1

`%`, `:` and `#` are no separators: OpenSSH 10 expands `%`, scp and rsync break on `:`, URIs cut at `#`. A space is read
as `+`, because OpenSSH decodes `scp://alice+db1@gateway` so.
"""

import re
from dataclasses import dataclass

from breakglass.errors import Malformed

_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    login: str
    account: str | None = None
    target: str | None = None
    """None: the front end."""


def login_of(username: str) -> str:
    """Whose keys may open: the text before the first `+`, whatever stands after it."""
    return _spelled(username).partition("+")[0]


def read_login(username: str) -> Login:
    """Raises `Malformed` for more than two `+`, an empty part, or a character that names don't have."""
    parts = _spelled(username).split("+")
    if len(parts) > 3 or not all(_PART.fullmatch(part) for part in parts):
        raise Malformed(
            f"“{username}” does not say where to go.",
            what_to_do="Connect as login+target or login+account+target, or as login alone for the front end.",
        )
    if len(parts) == 1:
        return Login(login=parts[0])
    return Login(login=parts[0], account=parts[1] if len(parts) == 3 else None, target=parts[-1])


def _spelled(username: str) -> str:
    return username.replace(" ", "+")
