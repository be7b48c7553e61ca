"""A Unix account that another one disables between uses, or whose password it resets.

    usermod --expiredate 1    the account expired on 1970-01-02: no login, by password or by key; no cron, no su
    usermod --expiredate ""   it never expires

`passwd -l` would stop the password alone: a key goes on working (usermod(8), -L). What the target says of it is read
with `chage -i -l`. The helper is root or has the sudo right to run these three.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncssh

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Admission, ChangeRefused, CurrentRefused, Helper, Place
from breakglass.plugins.over_ssh.account import UnixAccount, advice, wipe
from breakglass.plugins.over_ssh.command import Become, Lost, NotBegun, Ran, with_rights
from breakglass.plugins.over_ssh.login import LoginRefused, TurnedAway, signed_in
from breakglass.plugins.over_ssh.remains import checked_login

_DISABLED = b"1970-01-02"
_TRIES = 5
_PAUSE = timedelta(seconds=0.4)
"""Another tool may hold the lock of /etc/shadow for a moment."""


class HelpedUnixAccount(UnixAccount):
    """What a helper does for a Unix account, and the look at what became of it."""

    async def enable(self, place: Place, helper: Helper) -> None:
        await self._as_helper(place, helper, f"usermod --expiredate '' {checked_login(place.username)}")

    async def disable(self, place: Place, helper: Helper) -> None:
        await self._as_helper(place, helper, f"usermod --expiredate 1 {checked_login(place.username)}")

    async def enabled(self, place: Place, helper: Helper) -> bool:
        said = await self._as_helper(place, helper, f"chage -i -l {checked_login(place.username)}")
        return _DISABLED not in said.output

    async def admits(self, place: Place, secret: Secret) -> Admission:
        try:
            async with signed_in(place, secret, within=self._connect_within):
                return Admission.IN
        except TurnedAway as told:
            return Admission.SHUT if told.expired else Admission.REFUSED
        except LoginRefused:
            return Admission.REFUSED

    async def _as_helper(self, place: Place, helper: Helper, command: str, given: bytes | bytearray = b"") -> Ran:
        """Run it with root's rights; ended with status 0. Raises what a rotator raises."""
        async with self._helper(helper) as connection:
            for left in range(_TRIES, 0, -1):
                ran = await self._run_as_root(connection, place, helper, command, given)
                if ran.said_yes:
                    return ran
                if not ran.said_no:
                    raise _unknown(place, command)
                if b"lock" not in ran.complaint or left == 1:
                    break
                await asyncio.sleep(_PAUSE.total_seconds())
        raise ChangeRefused(
            f"{place.endpoint} refused {helper.place.username} to run `{command.split(maxsplit=1)[0]}` for "
            f"{place.username} (exit status {ran.status}).",
            what_to_do=f"Give the helper the sudo right to run usermod, chage and chpasswd. {advice(ran)}",
            about=str(place.endpoint),
        )

    async def _run_as_root(
        self,
        connection: asyncssh.SSHClientConnection,
        place: Place,
        helper: Helper,
        command: str,
        given: bytes | bytearray,
    ) -> Ran:
        become = Become.of(helper.place)
        try:
            line, first = await with_rights(connection, become, helper.secret, command, within=self._answer_within)
        except (NotBegun, Lost):
            raise _down(place) from None
        whole = first + given
        try:
            return await self._run(connection, line, whole)
        except NotBegun:
            raise _down(place) from None
        except Lost:
            raise _unknown(place, command) from None
        finally:
            wipe(first, whole)

    @asynccontextmanager
    async def _helper(self, helper: Helper) -> AsyncIterator[asyncssh.SSHClientConnection]:
        try:
            connecting = signed_in(helper.place, helper.secret, within=self._connect_within)
            connection = await connecting.__aenter__()
        except LoginRefused as refused:
            raise CurrentRefused(refused.message, what_to_do=refused.what_to_do, about=refused.about) from None
        except OutcomeUnknown as error:
            raise TargetDown(f"{error.message} Nothing was changed.", what_to_do=error.what_to_do) from None
        try:
            yield connection
        finally:
            await connecting.__aexit__(None, None, None)


def _down(place: Place) -> TargetDown:
    return TargetDown(
        f"{place.endpoint} went away before anything was sent for {place.username}.",
        what_to_do="Nothing was changed; it is tried again.",
        about=str(place.endpoint),
    )


def _unknown(place: Place, command: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{place.endpoint} did not say what became of `{command.split(maxsplit=1)[0]}` for {place.username}.",
        what_to_do="It is tried again. Do nothing by hand.",
        about=str(place.endpoint),
    )
