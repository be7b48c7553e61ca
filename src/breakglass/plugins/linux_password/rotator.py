"""The rotator itself: what each answer of the target means for the engine.

sign in with the current password ── refused ── sign in with the new one ─┬─ works ── it was set before: yes
          │                                                               └─ refused ── CurrentRefused
          ▼
chpasswd, `login:new` on its input ─┬─ exit 0 ────────────────── yes
                                    ├─ exit 1 to 127 ─────────── ChangeRefused
                                    └─ a signal, silence, gone ─ OutcomeUnknown
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncssh

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Place, Remainder
from breakglass.plugins.linux_password import remains
from breakglass.plugins.linux_password.command import Become, Lost, NotBegun, Ran, run, with_rights
from breakglass.plugins.linux_password.login import LoginRefused, signed_in

_TELLING = (
    (b"assword change required", "Its current password is expired: reset it on the target by another way in."),
    (b"assword has expired", "Its current password is expired: reset it on the target by another way in."),
    (b"not in the sudoers", "Give the account the sudo right to run chpasswd."),
    (b"not allowed to", "Give the account the sudo right to run chpasswd."),
    (b"a password is required", "Its sudo asks for a password: set the rotator option `become` to `sudo`."),
    (b"must have a tty", "Turn `requiretty` off for this account in the target's sudoers."),
    (b"BAD PASSWORD", "The target's password rules refuse this password: fit the account's password rules to them."),
    (b"ermission denied", "The account has no right to set passwords: set the option `become`, and give it sudo."),
    (b"not found", "chpasswd or sudo is missing on the target."),
)
"""Words by which a refusal is recognised, and what helps. The target's own text is never passed on."""


class LinuxPassword:
    """A Unix password over SSH. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "linux-password"

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=15), answer_within: timedelta = timedelta(seconds=30)
    ) -> None:
        self._connect_within, self._answer_within = connect_within, answer_within

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
            _wipe(line)

    async def works(self, place: Place, secret: Secret) -> bool:
        try:
            return await self._accepts(place, secret)
        except LoginRefused:
            return False

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        """First with the account's own rights, which reach all that is its own; with sudo only for what that left."""
        script, become = remains.script(place.username), Become.of(place)
        try:
            async with signed_in(place, secret, within=self._connect_within) as connection:
                left = remains.read((await self._run(connection, remains.COMMAND, script)).output)
                if left != () and become is not Become.NONE:
                    command, first = await with_rights(
                        connection, become, secret, remains.COMMAND, within=self._answer_within
                    )
                    answer = await self._run(connection, command, first + script)
                    _wipe(first)
                    left = left if (better := remains.read(answer.output)) is None else better
        except (NotBegun, Lost, LoginRefused):
            left = None
        if left is None:
            raise OutcomeUnknown(
                f"{place.endpoint} did not tell what still runs as {place.username}.",
                what_to_do="It is tried again. If it stays so, look on the target what runs as this account.",
                about=str(place.endpoint),
            )
        return left

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
            _wipe(first, given)
        if ran.said_no:
            raise _refused(place, _advice(ran), said=f"refused the change (exit status {ran.status})")
        if not ran.said_yes:
            raise _unknown(place)

    async def _accepts(self, place: Place, secret: Secret) -> bool:
        """True when a fresh login runs a command: an expired password signs in and then runs nothing but `passwd`."""
        async with signed_in(place, secret, within=self._connect_within) as connection:
            try:
                ran = await self._run(connection, "true", b"")
            except (NotBegun, Lost):
                ran = Ran(status=None, output=b"", complaint=b"")
        if ran.said_yes:
            return True
        raise OutcomeUnknown(
            f"{place.endpoint} let {place.username} sign in, and then run nothing.",
            what_to_do=_advice(ran),
            about=str(place.endpoint),
        )

    async def _run(self, connection: asyncssh.SSHClientConnection, command: str, given: bytes | bytearray) -> Ran:
        return await run(connection, command, given, within=self._answer_within)


def _line(username: str, new: Secret) -> bytearray:
    """`login:password`, chpasswd(8). One line and no more: a line end inside would set somebody else's password."""
    line = bytearray(username.encode() + b":" + new.reveal() + b"\n")
    if not new or ":" in username or line.count(b"\n") != 1 or b"\0" in line or b"\r" in line:
        _wipe(line)
        raise ChangeRefused(
            "This login or new password can't be given to chpasswd: it is empty, or has a line end or colon in it.",
            what_to_do="Change the account's password rules to letters, digits and -_.+=",
            about=username,
        )
    return line


def _advice(ran: Ran) -> str:
    said = ran.output + ran.complaint
    for words, helps in _TELLING:
        if words in said:
            return helps
    return "Look into the target's auth log; its words are not shown here, because a target could echo a secret."


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


def _wipe(*buffers: bytearray) -> None:
    for buffer in buffers:
        buffer[:] = bytes(len(buffer))
