"""What each answer of the server means for the engine.

sign in with the current password ── 1045 ── sign in with the new one ─┬─ works ── it was set before: yes
          │                                                            └─ 1045 ── CurrentRefused
          ▼
@@read_only? ── yes ── TargetDown: only where it can be written is anything proven
          │
SET PASSWORD = '*…' ─┬─ done ──────────────────────────────── yes
                     ├─ an error of the server ────────────── ChangeRefused
                     └─ shut down, killed, lost, silence ──── OutcomeUnknown
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha1

import pymysql

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.trace import MOST, Trace
from breakglass.plugin_api.rotator import Admission, ChangeRefused, CurrentRefused, Helper, Place, Remainder
from breakglass.plugins.mariadb import helping
from breakglass.plugins.mariadb.signing import Locked, LoginRefused, Session, signed_in

_MAY_NOT_LOOK = frozenset({1044, 1142, 1143, 1227})
_END_WITHIN = 5.0
_OTHERS = """
SELECT id, COALESCE(db, ''), command FROM information_schema.processlist
WHERE user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND id <> CONNECTION_ID() AND command <> 'Killed'
"""
_TRACES = {
    "user": "SELECT CONCAT(user, '@', host, IF(super_priv = 'Y', ', super', ''), IF(grant_priv = 'Y', ', grant', ''), "
    "IF(is_role = 'Y', ', role', '')) FROM mysql.user",
    "member": "SELECT CONCAT(user, '@', host, ' has ', role) FROM mysql.roles_mapping",
    "event": "SELECT CONCAT(event_schema, '.', event_name, ' as ', definer) FROM information_schema.events",
    "trigger": "SELECT CONCAT(trigger_schema, '.', trigger_name, ' as ', definer) FROM information_schema.triggers",
    "function": "SELECT CONCAT(routine_schema, '.', routine_name, ' as ', definer) FROM information_schema.routines "
    "WHERE security_type = 'DEFINER'",
    "plugin": "SELECT CONCAT(plugin_name, ' ', plugin_library) FROM information_schema.plugins "
    "WHERE plugin_library IS NOT NULL AND plugin_status = 'ACTIVE'",
}
"""Kinds of traces, and the query for each: one column, in words."""


class MariaDB:
    """A MariaDB account's password. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "mariadb"

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=10), answer_within: timedelta = timedelta(seconds=20)
    ) -> None:
        self._within = {"connect": connect_within, "answer": answer_within}

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        try:
            async with signed_in(place, current, **self._within) as session:
                await _must_be_writable(place, session)
                await _set(place, session, new)
        except LoginRefused as refused:
            await self._set_before(place, new, refused)
        except _Sent:
            raise
        except OutcomeUnknown as error:
            raise TargetDown(
                f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about
            ) from None

    async def works(self, place: Place, secret: Secret) -> bool:
        try:
            async with signed_in(place, secret, **self._within) as session:
                await _must_be_writable(place, session)
        except LoginRefused:
            return False
        return True

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        """Kills the account's other connections, and tells which of them stay."""
        try:
            async with signed_in(place, secret, **self._within) as session:
                until = time.monotonic() + _END_WITHIN
                while (rows := await session.rows(_OTHERS)) and time.monotonic() < until:
                    for id, _, _ in rows:
                        await _kill(session, int(id))
                    await asyncio.sleep(0.05)
        except (LoginRefused, pymysql.MySQLError, OSError):
            raise _not_told(place, "what still runs there") from None
        return [Remainder(kind="connection", what=f"{command} in {db or 'nothing'} ({id})") for id, db, command in rows]

    async def traces(self, place: Place, secret: Secret) -> Sequence[Trace]:
        """As far as the account may look."""
        found: list[Trace] = []
        try:
            async with signed_in(place, secret, **self._within) as session:
                for kind, query in _TRACES.items():
                    try:
                        found += [Trace(kind, " ".join(str(what).split())) for (what,) in await session.rows(query)]
                    except pymysql.MySQLError as error:
                        if not error.args or error.args[0] not in _MAY_NOT_LOOK:
                            raise
        except (LoginRefused, pymysql.MySQLError, OSError):
            raise _not_told(place, "what was left behind there") from None
        return sorted(found)[:MOST]

    # -- by another account --------------------------------------------------------------------------------------------

    async def enable(self, place: Place, helper: Helper) -> None:
        await helping.at_each_host(place, helper, "ALTER USER %s@%s ACCOUNT UNLOCK", within=self._within)

    async def disable(self, place: Place, helper: Helper) -> None:
        await helping.at_each_host(place, helper, "ALTER USER %s@%s ACCOUNT LOCK", within=self._within)

    async def enabled(self, place: Place, helper: Helper) -> bool:
        return not await helping.locked(place, helper, within=self._within)

    async def admits(self, place: Place, secret: Secret) -> Admission:
        try:
            async with signed_in(place, secret, **self._within):
                return Admission.IN
        except Locked:
            return Admission.SHUT
        except LoginRefused:
            return Admission.REFUSED

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        command = "ALTER USER %s@%s IDENTIFIED BY PASSWORD %s"
        await helping.at_each_host(place, helper, command, _hashed(new), within=self._within)

    async def _set_before(self, place: Place, new: Secret, refused: LoginRefused) -> None:
        """The current password is refused: fine if an earlier attempt has already set the new one."""
        try:
            if await self.works(place, new):
                return
        except TargetDown as error:
            raise OutcomeUnknown(error.message, what_to_do=error.what_to_do, about=error.about) from None
        raise CurrentRefused(
            f"{place.endpoint} refuses the current password of {place.username}.",
            what_to_do=refused.what_to_do,
            about=str(place.endpoint),
        )


class _Sent(OutcomeUnknown):
    """The statement was sent."""


def _hashed(new: Secret) -> str:
    """As mysql_native_password keeps it: the server never sees the password itself."""
    return f"*{sha1(sha1(new.reveal(), usedforsecurity=False).digest(), usedforsecurity=False).hexdigest().upper()}"


async def _set(place: Place, session: Session, new: Secret) -> None:
    try:
        await session.rows("SET PASSWORD = %s", _hashed(new))
    except (pymysql.MySQLError, OSError) as error:  # TimeoutError is one
        if code := helping.definite(error):
            raise ChangeRefused(
                f"{place.endpoint} refused the new password of {place.username} (error {code}).",
                what_to_do="Look whether the account signs in by mysql_native_password, and whether a plugin that "
                "checks passwords is in strict mode: it can't check a hash.",
                about=str(place.endpoint),
            ) from None
        raise _Sent(
            f"The new password of {place.username} was sent to {place.endpoint}, and no answer came.",
            what_to_do="It is probed which password works, and then gone on from there. Do nothing by hand.",
            about=str(place.endpoint),
        ) from None


async def _must_be_writable(place: Place, session: Session) -> None:
    """A replica may be behind: what it takes or refuses proves nothing."""
    try:
        [[read_only]] = await session.rows("SELECT @@read_only")
    except (pymysql.MySQLError, OSError):
        read_only = None
    if read_only != 0:
        raise TargetDown(
            f"{place.endpoint} can only be read now: it is a replica, or has just become one.",
            what_to_do="Name the primary as the target's endpoint in the roster; it is tried again.",
            about=str(place.endpoint),
        )


async def _kill(session: Session, id: int) -> None:
    try:
        await session.rows(f"KILL {id}")
    except pymysql.MySQLError as error:
        if not error.args or error.args[0] != 1094:  # ER_NO_SUCH_THREAD: it has ended
            raise


def _not_told(place: Place, what: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{place.endpoint} did not tell {what} of {place.username}.",
        what_to_do="It is tried again. If it stays so, look at the server's process list and users.",
        about=str(place.endpoint),
    )
