"""What a helper does for another account: lock it, unlock it, set its password. It has CREATE USER and may read
mysql.user and mysql.global_priv. An account is one name at every host that the server knows it from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pymysql

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Helper, Place
from breakglass.plugins.mariadb.signing import LoginRefused, Session, signed_in

MAYBE = frozenset({1053, 1080, 1152, 1184, 1317, 1927, 1969})
"""Errors of the server after which it may have happened: shutting down, aborted, interrupted, killed, timed out."""
_CLIENT = range(2000, 3000)
"""PyMySQL's own: the connection broke."""
_READ_ONLY = frozenset({1290, 1792, 1836})
_HOSTS = "SELECT Host FROM mysql.user WHERE User = %s"
_LOCKED = "SELECT COALESCE(JSON_VALUE(Priv, '$.account_locked'), '0') FROM mysql.global_priv WHERE User = %s"


def definite(error: Exception) -> int:
    """The server's code where it said no for certain, else 0."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return code if isinstance(error, pymysql.MySQLError) and code not in MAYBE and code not in _CLIENT else 0


async def at_each_host(place: Place, helper: Helper, command: str, *values: str, within: dict[str, timedelta]) -> None:
    """Run `command` with name and host of the account (two `%s`), then `values`, by the helper."""
    async with _helper(helper, within) as session:
        try:
            hosts = await session.rows(_HOSTS, place.username)
            for (host,) in hosts:
                await session.rows(command, place.username, host, *values)
        except (pymysql.MySQLError, OSError) as error:  # TimeoutError is one
            code = definite(error)
            if code in _READ_ONLY:
                raise TargetDown(
                    f"{place.endpoint} can only be read now.", what_to_do="Name the primary in the roster."
                ) from None
            if code:
                raise _refused(place, helper, f"error {code}") from None
            raise OutcomeUnknown(
                f"{place.endpoint} did not say whether {place.username} was altered.",
                what_to_do="It is tried again. Do nothing by hand.",
                about=str(place.endpoint),
            ) from None
    if not hosts:
        raise _refused(place, helper, "it sees no such account")


async def locked(place: Place, helper: Helper, *, within: dict[str, timedelta]) -> bool:
    """At every host."""
    async with _helper(helper, within) as session:
        try:
            rows = await session.rows(_LOCKED, place.username)
        except (pymysql.MySQLError, OSError):
            rows = []
    if not rows:
        raise OutcomeUnknown(
            f"{place.endpoint} did not tell whether {place.username} is locked.",
            what_to_do="Give the helper the right to read mysql.global_priv; it is tried again.",
            about=str(place.endpoint),
        )
    return all(str(one).lower() in ("1", "true") for (one,) in rows)


def _refused(place: Place, helper: Helper, why: str) -> ChangeRefused:
    return ChangeRefused(
        f"{place.endpoint} lets {helper.place.username} not alter {place.username} ({why}).",
        what_to_do="Give the helper CREATE USER and SELECT on mysql.user and mysql.global_priv.",
        about=str(place.endpoint),
    )


@asynccontextmanager
async def _helper(helper: Helper, within: dict[str, timedelta]) -> AsyncIterator[Session]:
    signing_in = signed_in(helper.place, helper.secret, **within)
    try:
        session = await signing_in.__aenter__()
    except LoginRefused as refused:
        raise CurrentRefused(refused.message, what_to_do=refused.what_to_do, about=refused.about) from None
    except OutcomeUnknown as error:
        raise TargetDown(f"{error.message} Nothing was changed.", what_to_do=error.what_to_do) from None
    try:
        yield session
    finally:
        await signing_in.__aexit__(None, None, None)
