"""What a helper does for another role: `LOGIN`, `NOLOGIN`, and a reset of its password.

The helper is a superuser, or has CREATEROLE and the admin option on the role (PostgreSQL 16 and newer).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import psycopg
from psycopg import sql

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Helper, Place
from breakglass.plugins.postgresql.signing import LoginRefused, Session, signed_in

MAYBE = ("08", "40003", "57", "XX")
"""Beginnings of SQLSTATE after which it may have happened: connection, completion unknown, intervention, internal."""
What = Callable[[Session], sql.Composable]
"""What `ALTER ROLE` is to do."""
MAY_SIGN_IN = "SELECT rolcanlogin FROM pg_roles WHERE rolname = {}"


async def alter(place: Place, helper: Helper, what: What, *, connect: timedelta, answer: timedelta) -> None:
    """`ALTER ROLE the-account what`, by the helper."""
    async with _helper(helper, connect) as session:
        command = sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(place.username), what(session))
        try:
            async with asyncio.timeout(answer.total_seconds()):
                await session.execute(command)
        except (psycopg.Error, OSError) as error:  # TimeoutError is one
            code = getattr(error, "sqlstate", None) or ""
            if code == "25006":  # read_only_sql_transaction
                raise TargetDown(
                    f"{place.endpoint} can only be read now.", what_to_do="Name the primary in the roster."
                ) from None
            if code and not code.startswith(MAYBE):
                raise ChangeRefused(
                    f"{place.endpoint} lets {helper.place.username} not alter {place.username} (SQLSTATE {code}).",
                    what_to_do="Give the helper CREATEROLE and `GRANT role TO helper WITH ADMIN OPTION`.",
                    about=str(place.endpoint),
                ) from None
            raise OutcomeUnknown(
                f"{place.endpoint} did not say whether {place.username} was altered.",
                what_to_do="It is tried again. Do nothing by hand.",
                about=str(place.endpoint),
            ) from None


async def may_sign_in(place: Place, helper: Helper, *, connect: timedelta, answer: timedelta) -> bool:
    query = sql.SQL(MAY_SIGN_IN).format(sql.Literal(place.username))
    async with _helper(helper, connect) as session:
        try:
            async with asyncio.timeout(answer.total_seconds()):
                rows = await (await session.execute(query)).fetchall()
        except (psycopg.Error, OSError):
            rows = []
    if len(rows) != 1:
        raise OutcomeUnknown(
            f"{place.endpoint} did not tell whether {place.username} may sign in.",
            what_to_do="It is tried again. If it stays so, look whether the role is there.",
            about=str(place.endpoint),
        )
    return bool(rows[0][0])


@asynccontextmanager
async def _helper(helper: Helper, connect: timedelta) -> AsyncIterator[Session]:
    signing_in = signed_in(helper.place, helper.secret, within=connect)
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
