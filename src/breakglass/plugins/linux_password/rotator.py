"""The rotator itself: what each answer of the target means for the engine.

sign in with the current password ── refused ── sign in with the new one ─┬─ works ── it was set before: yes
          │                                                               └─ refused ── CurrentRefused
          ▼
chpasswd, `login:new` on its input ─┬─ exit 0 ────────────────── yes
                                    ├─ exit 1 to 127 ─────────── ChangeRefused
                                    └─ a signal, silence, gone ─ OutcomeUnknown
"""

from contextlib import AsyncExitStack

import asyncssh

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Helper, Place
from breakglass.plugins.over_ssh.account import advice, wipe
from breakglass.plugins.over_ssh.command import Become, Lost, NotBegun, with_rights
from breakglass.plugins.over_ssh.dormant import HelpedUnixAccount
from breakglass.plugins.over_ssh.login import LoginRefused, signed_in


class LinuxPassword(HelpedUnixAccount):
    """A Unix password over SSH. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "linux-password"

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        become, line = Become.of(place), _line(place.username, new)
        try:
            async with AsyncExitStack() as stack:
                try:
                    signing_in = signed_in(place, current, within=self._connect_within)
                    connection = await stack.enter_async_context(signing_in)
                except LoginRefused as refused:
                    return await self._set_before(place, new, refused)
                except OutcomeUnknown as error:
                    raise TargetDown(
                        f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about
                    ) from None
                await self._set(connection, place, become, current, line)
        finally:
            wipe(line)

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        line = _line(place.username, new)
        try:
            await self._as_helper(place, helper, "chpasswd", line)
        finally:
            wipe(line)

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

    async def _set(
        self, connection: asyncssh.SSHClientConnection, place: Place, become: Become, current: Secret, line: bytearray
    ) -> None:
        try:
            command, first = await with_rights(connection, become, current, "chpasswd", within=self._answer_within)
        except (NotBegun, Lost) as error:
            raise _nothing_sent(place, error) from None
        given = first + line
        try:
            ran = await self._run(connection, command, given)
        except NotBegun as error:
            raise _nothing_sent(place, error) from None
        except Lost:
            raise _unknown(place) from None
        finally:
            wipe(first, given)
        if ran.said_no:
            raise _refused(place, advice(ran), said=f"refused the change (exit status {ran.status})")
        if not ran.said_yes:
            raise _unknown(place)


def _line(username: str, new: Secret) -> bytearray:
    """`login:password`, chpasswd(8). One line and no more: a line end inside would set somebody else's password."""
    line = bytearray(username.encode() + b":" + new.reveal() + b"\n")
    if not new or ":" in username or line.count(b"\n") != 1 or b"\0" in line or b"\r" in line:
        wipe(line)
        raise ChangeRefused(
            "This login or new password can't be given to chpasswd: it is empty, or has a line end or colon in it.",
            what_to_do="Change the account's password rules to letters, digits and -_.+=",
            about=username,
        )
    return line


def _refused(place: Place, helps: str, *, said: str) -> ChangeRefused:
    return ChangeRefused(f"{place.endpoint} {said} of {place.username}.", what_to_do=helps, about=str(place.endpoint))


def _unknown(place: Place) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"The new password of {place.username} was sent to {place.endpoint}, and no answer came.",
        what_to_do="It is probed which password works, and then gone on from there. Do nothing by hand.",
        about=str(place.endpoint),
    )


def _nothing_sent(place: Place, error: NotBegun | Lost) -> ChangeRefused | TargetDown:
    if isinstance(error, NotBegun) and error.said_no:
        return _refused(place, "Allow this login to run commands over SSH.", said="opened no session for a change")
    return TargetDown(
        f"{place.endpoint} went away before the new password of {place.username} was sent.",
        what_to_do="Nothing was sent; it is tried again.",
        about=str(place.endpoint),
    )
