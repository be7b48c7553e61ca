"""What each answer of the directory means for the engine.

bind with the current password ── 49 ── bind with the new one ─┬─ works ── it was set before: yes
          │                                                    └─ 49 ── CurrentRefused
          ▼
Password Modify (RFC 3062) ─┬─ success ─────────────────────────── yes
                            ├─ referral ────────────────────────── TargetDown: it is a replica
                            ├─ busy, unavailable, other, silence ─ OutcomeUnknown
                            └─ any other result ────────────────── ChangeRefused (quality, history, rights)

Connections that are bound already can't be ended over LDAP; where the account may read cn=Monitor, they are told.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.trace import MOST, Trace
from breakglass.plugin_api.rotator import Admission, ChangeRefused, CurrentRefused, Helper, Place, Remainder
from breakglass.plugins.ldap import helping
from breakglass.plugins.ldap.signing import LoginRefused, Session, Undecided, signed_in

_MEMBERS = ("member", "uniqueMember", "memberUid")


class Ldap:
    """An LDAP entry's password. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "ldap"

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=10), answer_within: timedelta = timedelta(seconds=20)
    ) -> None:
        self._within = {"connect": connect_within, "answer": answer_within}

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        try:
            async with signed_in(place, current, **self._within) as session:
                if current.reveal() != new.reveal():  # a directory with a history would refuse the same one
                    await _set(place, session, current, new)
        except LoginRefused as refused:
            await self._set_before(place, new, refused)
        except Sent:
            raise
        except OutcomeUnknown as error:
            raise TargetDown(
                f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about
            ) from None

    async def works(self, place: Place, secret: Secret) -> bool:
        try:
            async with signed_in(place, secret, **self._within):
                return True
        except LoginRefused:
            return False

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        try:
            async with signed_in(place, secret, **self._within) as session:
                found = await session.ask(lambda connection: _bound_as(connection, place.username))
        except (LoginRefused, LDAPException, OSError):
            raise _not_told(place, "what is still bound there") from None
        return [Remainder(kind="connection", what=one) for one in found[1:]]  # one of them is our own

    async def traces(self, place: Place, secret: Secret) -> Sequence[Trace]:
        base = place.options.get("base", "")
        if not base:
            return []
        try:
            async with signed_in(place, secret, **self._within) as session:
                return sorted(set(await session.ask(lambda connection: _entries(connection, base))))[:MOST]
        except (LoginRefused, LDAPException, OSError):
            raise _not_told(place, "what was left behind there") from None

    # -- by another entry ----------------------------------------------------------------------------------------------

    async def enable(self, place: Place, helper: Helper) -> None:
        await self._modify(place, helper, {helping.LOCKED: [(ldap3.MODIFY_DELETE, [])]})

    async def disable(self, place: Place, helper: Helper) -> None:
        await self._modify(place, helper, {helping.LOCKED: [(ldap3.MODIFY_REPLACE, [helping.FOR_EVER])]})

    async def enabled(self, place: Place, helper: Helper) -> bool:
        return not await helping.locked(place, helper, within=self._within)

    async def admits(self, place: Place, secret: Secret) -> Admission:
        """A locked entry is refused before its password is looked at: that it was right, no directory says."""
        try:
            async with signed_in(place, secret, **self._within):
                return Admission.IN
        except LoginRefused:
            return Admission.REFUSED
        except Undecided as told:
            if told.why != "locked":
                raise
            return Admission.REFUSED

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        fresh = new.reveal().decode()

        def modify(connection: ldap3.Connection) -> Any:
            return connection.extend.standard.modify_password(place.username, new_password=fresh)

        try:
            await helping.write(place, helper, modify, within=self._within)
        except CurrentRefused:
            raise
        except ChangeRefused:  # a directory with a history refuses the one that is set
            if not await self.works(place, new):
                raise

    async def _modify(self, place: Place, helper: Helper, changes: dict[str, Any]) -> None:
        def modify(connection: ldap3.Connection) -> Any:
            return connection.modify(place.username, changes)  # type: ignore[no-untyped-call]

        await helping.write(place, helper, modify, within=self._within)

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


class Sent(OutcomeUnknown):
    """The operation was sent."""


async def _set(place: Place, session: Session, current: Secret, new: Secret) -> None:
    old, fresh = current.reveal().decode(), new.reveal().decode()
    try:
        await session.ask(lambda c: c.extend.standard.modify_password(place.username, old, fresh))
        code = session.result
    except (LDAPException, OSError):  # TimeoutError is one
        code = -1
    if code == 0:
        return
    if code == helping.REFERRAL:
        raise TargetDown(
            f"{place.endpoint} can only be read: it is a replica.",
            what_to_do="Name the provider as the target's endpoint in the roster; it is tried again.",
            about=str(place.endpoint),
        )
    if code in helping.MAYBE or code < 0:
        raise Sent(
            f"The new password of {place.username} was sent to {place.endpoint}, and no answer came.",
            what_to_do="It is probed which password works, and then gone on from there. Do nothing by hand.",
            about=str(place.endpoint),
        )
    raise ChangeRefused(
        f"{place.endpoint} refused the new password of {place.username} (result {code}).",
        what_to_do="Fit the account's password rules to the directory's policy (length, quality, shortest age), and "
        "let the entry write its own userPassword.",
        about=str(place.endpoint),
    )


def _bound_as(connection: ldap3.Connection, dn: str) -> list[str]:
    connection.search(
        "cn=Connections,cn=Monitor",
        f"(monitorConnectionAuthzDN={escape_filter_chars(dn)})",
        attributes=["monitorConnectionPeerAddress", "monitorConnectionStartTime"],
    )
    return [f"bound from {_first(one, 'monitorConnectionPeerAddress')}" for one in _answers(connection)]


def _entries(connection: ldap3.Connection, base: str) -> list[Trace]:
    connection.search(base, "(objectClass=*)", attributes=list(_MEMBERS), size_limit=MOST)
    found = []
    for one in _answers(connection):
        found.append(Trace("entry", str(one["dn"])))
        for name in _MEMBERS:
            found += [Trace("member", f"{value} of {one['dn']}") for value in one["attributes"].get(name) or ()]
    return found


def _answers(connection: ldap3.Connection) -> list[dict[str, Any]]:
    return [one for one in connection.response or () if one.get("type") == "searchResEntry"]


def _first(entry: dict[str, Any], name: str) -> str:
    value = entry["attributes"].get(name) or ""
    return str(value[0] if isinstance(value, list) else value)[:80]


def _not_told(place: Place, what: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{place.endpoint} did not tell {what} of {place.username}.",
        what_to_do="It is tried again. If it stays so, look in the directory.",
        about=str(place.endpoint),
    )
