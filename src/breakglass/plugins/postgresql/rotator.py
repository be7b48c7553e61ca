"""What each answer of the server means for the engine.

sign in with the current password ── 28P01 ── sign in with the new one ─┬─ works ── it was set before: yes
          │                                                             └─ 28P01 ── CurrentRefused
          ▼
a standby? ── yes ── TargetDown: only where it can be written is anything proven
          │
ALTER ROLE … PASSWORD 'SCRAM-SHA-256$…' ─┬─ done ─────────────────────────── yes
                                         ├─ an error with its SQLSTATE ───── ChangeRefused: it is rolled back
                                         └─ shut down, cancelled, silence ── OutcomeUnknown
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import psycopg
from psycopg import sql

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.trace import MOST, Trace
from breakglass.plugin_api.rotator import Admission, ChangeRefused, CurrentRefused, Helper, Place, Remainder
from breakglass.plugins.postgresql import helping
from breakglass.plugins.postgresql.signing import LoginRefused, NotPermitted, Session, signed_in

_END_WITHIN = 5.0
_OTHERS = """
SELECT pid, application_name, coalesce(state, '') FROM pg_stat_activity
WHERE usesysid = (SELECT oid FROM pg_roles WHERE rolname = session_user) AND pid <> pg_backend_pid()
"""
_PREPARED = "SELECT gid FROM pg_prepared_xacts WHERE owner = session_user"
_TRACES = {
    "role": """
        SELECT rolname || CASE WHEN rolcanlogin THEN ', login' ELSE '' END
            || CASE WHEN rolsuper THEN ', superuser' ELSE '' END
            || CASE WHEN rolcreaterole THEN ', createrole' ELSE '' END
            || CASE WHEN rolreplication THEN ', replication' ELSE '' END
            || CASE WHEN rolbypassrls THEN ', bypassrls' ELSE '' END || coalesce(', until ' || rolvaliduntil::text, '')
        FROM pg_roles""",
    "member": """
        SELECT m.rolname || ' of ' || g.rolname FROM pg_auth_members a
        JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid""",
    "setting": """
        SELECT coalesce(r.rolname, 'all') || ' in ' || coalesce(d.datname, 'all') || ': '
            || array_to_string(setconfig, ' ')
        FROM pg_db_role_setting s
        LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase""",
    "extension": "SELECT extname || ' ' || extversion FROM pg_extension",
    "trigger": "SELECT evtname || ' on ' || evtevent FROM pg_event_trigger",
    "function": """
        SELECT oid::regprocedure::text || ' runs as ' || pg_get_userbyid(proowner) FROM pg_proc WHERE prosecdef""",
}
"""Kinds of traces, and the query for each: one column, in words."""


class PostgreSQL:
    """A PostgreSQL role's password. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "postgresql"

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=10), answer_within: timedelta = timedelta(seconds=20)
    ) -> None:
        self._connect_within, self._answer_within = connect_within, answer_within

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        try:
            async with signed_in(place, current, within=self._connect_within) as session:
                await _must_be_writable(place, session)
                await self._set(place, session, new)
        except LoginRefused as refused:
            await self._set_before(place, new, refused)
        except OutcomeUnknown as error:
            if isinstance(error, _Sent):
                raise
            raise TargetDown(
                f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about
            ) from None

    async def works(self, place: Place, secret: Secret) -> bool:
        try:
            async with signed_in(place, secret, within=self._connect_within) as session:
                await _must_be_writable(place, session)
        except LoginRefused:
            return False
        return True

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        """Ends the role's other backends, in every database; what stays, and prepared transactions, are told."""
        try:
            async with signed_in(place, secret, within=self._connect_within) as session:
                until = time.monotonic() + _END_WITHIN
                while (rows := await _rows(session, _OTHERS)) and time.monotonic() < until:
                    await _rows(session, f"SELECT pg_terminate_backend(pid) FROM ({_OTHERS}) AS o")  # noqa: S608
                    await asyncio.sleep(0.05)
                prepared = await _rows(session, _PREPARED)
        except (LoginRefused, psycopg.Error):
            raise _not_told(place, "what still runs there") from None
        left = [Remainder(kind="backend", what=f"{name or 'unnamed'} {state} (pid {pid})") for pid, name, state in rows]
        return [*left, *(Remainder(kind="prepared transaction", what=str(gid)[:80]) for (gid,) in prepared)]

    async def traces(self, place: Place, secret: Secret) -> Sequence[Trace]:
        try:
            async with signed_in(place, secret, within=self._connect_within) as session:
                found = [(kind, await _rows(session, query)) for kind, query in _TRACES.items()]
        except (LoginRefused, psycopg.Error):
            raise _not_told(place, "what was left behind there") from None
        return sorted(Trace(kind, " ".join(str(what).split())) for kind, rows in found for (what,) in rows)[:MOST]

    # -- by another role -----------------------------------------------------------------------------------------------

    async def enable(self, place: Place, helper: Helper) -> None:
        await self._alter(place, helper, lambda _: sql.SQL("LOGIN"))

    async def disable(self, place: Place, helper: Helper) -> None:
        await self._alter(place, helper, lambda _: sql.SQL("NOLOGIN"))

    async def enabled(self, place: Place, helper: Helper) -> bool:
        return await helping.may_sign_in(place, helper, connect=self._connect_within, answer=self._answer_within)

    async def admits(self, place: Place, secret: Secret) -> Admission:
        try:
            async with signed_in(place, secret, within=self._connect_within):
                return Admission.IN
        except NotPermitted:
            return Admission.SHUT
        except LoginRefused:
            return Admission.REFUSED

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        await self._alter(place, helper, lambda session: _password(session, place, new))

    async def _alter(self, place: Place, helper: Helper, what: helping.What) -> None:
        await helping.alter(place, helper, what, connect=self._connect_within, answer=self._answer_within)

    async def _set(self, place: Place, session: Session, new: Secret) -> None:
        command = sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(place.username), _password(session, place, new))
        try:
            async with asyncio.timeout(self._answer_within.total_seconds()):
                await session.execute(command)
        except (psycopg.Error, OSError) as error:  # TimeoutError is one
            code = getattr(error, "sqlstate", None) or ""
            if code and not code.startswith(helping.MAYBE):
                raise ChangeRefused(
                    f"{place.endpoint} refused the new password of {place.username} (SQLSTATE {code}).",
                    what_to_do="Look into the server's log. A role may change its own password, unless an extension "
                    "forbids it: one that checks passwords can't check a verifier.",
                    about=str(place.endpoint),
                ) from None
            raise _Sent(
                f"The new password of {place.username} was sent to {place.endpoint}, and no answer came.",
                what_to_do="It is probed which password works, and then gone on from there. Do nothing by hand.",
                about=str(place.endpoint),
            ) from None

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


def _password(session: Session, place: Place, new: Secret) -> sql.Composable:
    """`PASSWORD 'SCRAM-SHA-256$…'`: a verifier, made here (RFC 5803)."""
    verifier = session.pgconn.encrypt_password(new.reveal(), place.username.encode(), b"scram-sha-256").decode()
    return sql.SQL("PASSWORD {}").format(sql.Literal(verifier))


class _Sent(OutcomeUnknown):
    """The statement was sent."""


async def _must_be_writable(place: Place, session: Session) -> None:
    """A standby may be behind: what it takes or refuses proves nothing."""
    try:
        [[standby]] = await _rows(session, "SELECT pg_is_in_recovery()")
    except psycopg.Error:
        standby = None
    if standby is not False:
        raise TargetDown(
            f"{place.endpoint} can only be read now: it is a standby, or has just become one.",
            what_to_do="Name the primary as the target's endpoint in the roster; it is tried again.",
            about=str(place.endpoint),
        )


async def _rows(session: Session, query: str) -> list[tuple[object, ...]]:
    return await (await session.execute(query.encode())).fetchall()


def _not_told(place: Place, what: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{place.endpoint} did not tell {what} of {place.username}.",
        what_to_do="It is tried again. If it stays so, look at pg_stat_activity and pg_roles there.",
        about=str(place.endpoint),
    )
