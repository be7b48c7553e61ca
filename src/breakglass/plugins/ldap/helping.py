"""What a helper does for another entry: `pwdAccountLockedTime` (draft-behera-ldap-password-policy, 5.3.3), and a reset
of its password (RFC 3062). The helper's DN may write both attributes of the entry; the directory has the ppolicy
overlay with `ppolicy_use_lockout`, so that it says `locked` and not only `wrong`.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Helper, Place
from breakglass.plugins.ldap.signing import LoginRefused, Session, signed_in

FOR_EVER = "000001010000Z"
"""Locked until somebody unlocks it."""
LOCKED = "pwdAccountLockedTime"
REFERRAL = 10
MAYBE = frozenset({1, 2, 3, 11, 51, 52, 54, 80})
"""operationsError, protocolError, timeLimitExceeded, adminLimitExceeded, busy, unavailable, loopDetect, other."""
_NO_SUCH_ATTRIBUTE = 16


async def write(
    place: Place, helper: Helper, act: Callable[[ldap3.Connection], Any], *, within: dict[str, timedelta]
) -> None:
    async with _helper(helper, within) as session:
        try:
            await session.ask(act)
            code = session.result
        except (LDAPException, OSError):  # TimeoutError is one
            code = -1
    if code in (0, _NO_SUCH_ATTRIBUTE):
        return
    if code == REFERRAL:
        raise TargetDown(f"{place.endpoint} can only be read: it is a replica.", what_to_do="Name the provider.")
    if code in MAYBE or code < 0:
        raise OutcomeUnknown(
            f"{place.endpoint} did not say whether {place.username} was altered.",
            what_to_do="It is tried again. Do nothing by hand.",
            about=str(place.endpoint),
        )
    raise ChangeRefused(
        f"{place.endpoint} lets {helper.place.username} not alter {place.username} (result {code}).",
        what_to_do=f"Let the helper write {LOCKED} and userPassword of the entry; fit the account's password rules to "
        "the directory's policy.",
        about=str(place.endpoint),
    )


async def locked(place: Place, helper: Helper, *, within: dict[str, timedelta]) -> bool:
    """For ever, that is: a lock after too many tries ends by itself, and is no one's decision."""

    def look(connection: ldap3.Connection) -> list[Any]:
        connection.search(place.username, "(objectClass=*)", ldap3.BASE, attributes=[LOCKED])
        return [one for one in connection.response or () if one.get("type") == "searchResEntry"]

    async with _helper(helper, within) as session:
        try:
            found = await session.ask(look)
        except (LDAPException, OSError):
            found = []
    if len(found) != 1:
        raise OutcomeUnknown(
            f"{place.endpoint} did not tell whether {place.username} is locked.",
            what_to_do=f"Let the helper read the entry, with {LOCKED}; it is tried again.",
            about=str(place.endpoint),
        )
    values = found[0]["raw_attributes"].get(LOCKED) or []
    return FOR_EVER.encode() in values


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
