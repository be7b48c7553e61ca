"""What each answer of the domain means for the engine.

bind with the current password ─┬─ ok ─▶ current ▶ between ─┬─ ok ────────────────▶ between ▶ new ─▶ yes
                                │                           └─ it is another one ──▶ between ▶ new
                                └─ 52e ─┬─ new works: yes
                                        ├─ between works ─▶ between ▶ new
                                        └─ CurrentRefused

The password before the present one still binds for an hour, but can't change anything: so a bind alone does not say
which password is set, and a refused change is looked into. Once one change was sent, whatever goes wrong is
OutcomeUnknown: the same candidate is applied again, from wherever the account stands.
"""

from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Place
from breakglass.plugins.active_directory.between import between
from breakglass.plugins.ldap.rotator import Ldap, Sent
from breakglass.plugins.ldap.signing import LoginRefused, Session, signed_in

_CONSTRAINT = 19
_OTHER_PASSWORD = "00000056"  # noqa: S105 (ERROR_INVALID_PASSWORD, a code of the domain's)
_REFUSED = frozenset({19, 50, 53, 65})
"""constraintViolation, insufficientAccessRights, unwillingToPerform, objectClassViolation: nothing was changed."""
_TICKS_A_DAY = 24 * 3600 * 10_000_000


class ActiveDirectory(Ldap):
    """A domain account's password. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "active-directory"

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        if current.reveal() == new.reveal():
            if not await self.works(place, new):
                raise _current_refused(place)
            return
        with between(new) as middle:
            try:
                await self._first(place, current, middle)
            except LoginRefused:
                if await self._is_set(place, new):
                    return
                if not await self._is_set(place, middle):
                    raise _current_refused(place) from None
            await self._second(place, middle, new)

    async def _first(self, place: Place, current: Secret, middle: Secret) -> None:
        """Raises `LoginRefused` where the current password does not bind any more, and `CurrentRefused` where it only
        binds as the one before."""
        try:
            async with signed_in(place, current, **self._within) as session:
                await _must_allow_two(place, session)
                if await _set(place, session, current, middle):
                    return
        except (LoginRefused, Sent, ChangeRefused):
            raise
        except OutcomeUnknown as error:
            raise _down(error) from None
        # It bound as the password before the present one: whether that is ours, the one in between says.
        if not await self._is_set(place, middle):
            raise _current_refused(place)

    async def _second(self, place: Place, middle: Secret, new: Secret) -> None:
        try:
            async with signed_in(place, middle, **self._within) as session:
                if await _set(place, session, middle, new):
                    return
        except ChangeRefused:
            raise
        except (LoginRefused, OutcomeUnknown, TargetDown) as error:
            raise _half(place, error.message) from None
        # The one in between is the one before the present one: then the new one is set.
        if not await self._is_set(place, new):
            raise _half(place, "Another password is set.")

    async def _is_set(self, place: Place, secret: Secret) -> bool:
        try:
            return await self.works(place, secret)
        except TargetDown as error:
            raise OutcomeUnknown(error.message, what_to_do=error.what_to_do, about=error.about) from None


async def _set(place: Place, session: Session, old: Secret, new: Secret) -> bool:
    """One change, by the account itself. False where another password than `old` is set."""
    change = {"unicodePwd": [(ldap3.MODIFY_DELETE, [_quoted(old)]), (ldap3.MODIFY_ADD, [_quoted(new)])]}
    try:
        dn = await session.ask(lambda connection: _dn(connection, place.username))
        await session.ask(lambda connection: connection.modify(dn, change))  # type: ignore[no-untyped-call]
        code, said = session.result, session.message
    except (LDAPException, OSError):  # TimeoutError is one
        code, said = -1, ""
    if code == 0:
        return True
    if code == _CONSTRAINT and said.startswith(_OTHER_PASSWORD):
        return False
    if code in _REFUSED:
        raise ChangeRefused(
            f"{place.endpoint} refused the new password of {place.username} (result {code}, {said[:8]}).",
            what_to_do="Fit the account's password rules to the domain's policy: length, kinds of characters, history, "
            "and no shortest age (by a fine-grained policy for this account).",
            about=str(place.endpoint),
        )
    raise Sent(
        f"A new password of {place.username} was sent to {place.endpoint}, and no answer came.",
        what_to_do="It is probed which password works, and then gone on from there. Do nothing by hand.",
        about=str(place.endpoint),
    )


async def _must_allow_two(place: Place, session: Session) -> None:
    """Two changes need a domain without a shortest age of passwords: known before the first one is sent."""
    try:
        days = await session.ask(_shortest_age)
    except (LDAPException, OSError, ValueError):
        return  # it does not say so: then the changes themselves will
    if days > 0:
        raise ChangeRefused(
            f"The domain of {place.endpoint} lets nobody change a password twice within {days:.1f} days.",
            what_to_do="Give this account a fine-grained password policy with a shortest age of 0.",
            about=str(place.endpoint),
        )


def _shortest_age(connection: ldap3.Connection) -> float:
    """Days, of the domain; 0 where the account has a policy of its own, which it may not read."""
    connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["defaultNamingContext"])
    domain = _value(connection, "defaultNamingContext")
    own = connection.extend.standard.who_am_i() or ""
    name = own.partition("\\")[2]
    if name:
        connection.search(domain, f"(sAMAccountName={escape_filter_chars(name)})", attributes=["msDS-ResultantPSO"])
        if _value(connection, "msDS-ResultantPSO"):
            return 0.0
    connection.search(domain, "(objectClass=*)", ldap3.BASE, attributes=["minPwdAge"])
    return -int(_value(connection, "minPwdAge") or 0) / _TICKS_A_DAY


def _dn(connection: ldap3.Connection, username: str) -> str:
    """A DN as it is; for a UPN the entry that has it."""
    if "=" in username:
        return username
    connection.search("", "(objectClass=*)", ldap3.BASE, attributes=["defaultNamingContext"])
    escaped = escape_filter_chars(username)
    connection.search(_value(connection, "defaultNamingContext"), f"(userPrincipalName={escaped})", attributes=["cn"])
    found = [one["dn"] for one in connection.response or () if one.get("type") == "searchResEntry"]
    return str(found[0]) if found else username


def _value(connection: ldap3.Connection, name: str) -> str:
    for one in connection.response or ():
        if one.get("type") == "searchResEntry":
            value: Any = one["attributes"].get(name) or ""
            return str(value[0] if isinstance(value, list) else value)
    return ""


def _quoted(secret: Secret) -> bytes:
    """As unicodePwd takes it (MS-ADTS, 3.1.1.3.1.5): in quotes, UTF-16, little-endian."""
    return f'"{secret.reveal().decode()}"'.encode("utf-16-le")


def _current_refused(place: Place) -> CurrentRefused:
    return CurrentRefused(
        f"{place.endpoint} refuses the current password of {place.username}.",
        what_to_do="Look whether the account's password was changed by hand. A custodian stores what holds.",
        about=str(place.endpoint),
    )


def _half(place: Place, why: str) -> OutcomeUnknown:
    return Sent(
        f"The first of two changes of {place.username} is done at {place.endpoint}, and the second one is not: {why}",
        what_to_do="The same new password is set again, from the one in between. Do nothing by hand.",
        about=str(place.endpoint),
    )


def _down(error: OutcomeUnknown) -> TargetDown:
    return TargetDown(f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about)
