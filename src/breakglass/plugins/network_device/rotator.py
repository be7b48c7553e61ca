"""What each answer of the device means for the engine.

sign in with the current password ── refused ── sign in with the new one ─┬─ works ── it was set before: yes
          │                                                               └─ refused ── CurrentRefused
          ▼
the script, line by line ─┬─ its last text is shown ────────────────── yes
                          ├─ a refusal before the secret was typed ─── ChangeRefused
                          ├─ gone before the secret was typed ──────── TargetDown
                          └─ anything after it was typed ───────────── OutcomeUnknown: it is probed

A refusal after the secret was typed proves nothing: many a device takes one line and complains about the next.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncssh

from breakglass.errors import OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Place, Remainder
from breakglass.plugins.network_device.script import Script, must_be_typable, script_of
from breakglass.plugins.over_ssh.login import LoginRefused, signed_in

_MOST = 256 * 1024


class _Refused(Exception):
    """The device showed one of the texts that mean no."""


class NetworkDevice:
    """A device's password, changed at its prompt. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "network-device"

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=15), answer_within: timedelta = timedelta(seconds=30)
    ) -> None:
        self._connect_within, self._answer_within = connect_within, answer_within

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        script = script_of(place)
        must_be_typable(place, new)
        async with AsyncExitStack() as stack:
            try:
                signing_in = signed_in(place, current, within=self._connect_within)
                connection = await stack.enter_async_context(signing_in)
            except LoginRefused as refused:
                await self._set_before(place, new, refused)
                return
            except OutcomeUnknown as error:
                raise TargetDown(
                    f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about
                ) from None
            await self._play(place, connection, script, new)

    async def works(self, place: Place, secret: Secret) -> bool:
        """True when it lets the account in and shows the prompt that the script begins with."""
        first = script_of(place).steps[0].expect
        try:
            async with signed_in(place, secret, within=self._connect_within) as connection:
                async with asyncio.timeout(self._answer_within.total_seconds()):
                    screen = _Screen(await _shell(connection))
                    await screen.until(first, ())
        except LoginRefused:
            return False
        except (OSError, asyncssh.Error, EOFError):
            raise OutcomeUnknown(
                f"{place.endpoint} let {place.username} sign in, and then showed no prompt.",
                what_to_do="Look whether the first text of the option `script` is what the device shows.",
                about=str(place.endpoint),
            ) from None
        return True

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        """A device has no common way to end an account's other sessions: it is signed in to, and nothing is claimed."""
        await self.works(place, secret)
        return [Remainder(kind="not looked at", what="open sessions on the device")]

    async def _play(self, place: Place, connection: asyncssh.SSHClientConnection, script: Script, new: Secret) -> None:
        typed = False
        try:
            async with asyncio.timeout(self._answer_within.total_seconds()):
                process = await _shell(connection)
                screen = _Screen(process)
                for step in script.steps:
                    await screen.until(step.expect, script.refused)
                    typed = typed or step.sends_secret
                    process.stdin.write(step.line(place.username, new))
                await screen.until(script.done, script.refused)
        except (OSError, asyncssh.Error, EOFError, _Refused) as ended:
            if typed:
                raise OutcomeUnknown(
                    f"The new password of {place.username} was typed on {place.endpoint}, and the script did not end.",
                    what_to_do="It is probed which password works, and then gone on from there. If it stays so, play "
                    "the option `script` by hand, with another account.",
                    about=str(place.endpoint),
                ) from None
            if isinstance(ended, _Refused):
                raise ChangeRefused(
                    f"{place.endpoint} refused a line of the script before the new password of {place.username}.",
                    what_to_do="Correct the option `script`, or give the account the right to change its password.",
                    about=str(place.endpoint),
                ) from None
            raise TargetDown(
                f"{place.endpoint} went away, or showed none of the script's texts, before the new password of "
                f"{place.username} was typed.",
                what_to_do="Nothing was changed; it is tried again. If it stays so, correct the option `script`.",
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


class _Screen:
    """What the device shows, from the place up to which the script has read."""

    def __init__(self, process: "asyncssh.SSHClientProcess[bytes]") -> None:
        self._process, self._seen = process, bytearray()

    async def until(self, text: bytes, refused: Sequence[bytes]) -> None:
        """Raises `_Refused` when one of these is shown first, `EOFError` when nothing more comes."""
        while True:
            found = self._seen.find(text)
            no = [place for one in refused if (place := self._seen.find(one)) >= 0]
            if no and (found < 0 or min(no) < found):
                raise _Refused
            if found >= 0:
                del self._seen[: found + len(text)]
                return
            part = await self._process.stdout.read(4096)
            if not part or len(self._seen) > _MOST:
                raise EOFError
            self._seen += part


async def _shell(connection: asyncssh.SSHClientConnection) -> "asyncssh.SSHClientProcess[bytes]":
    return await connection.create_process(encoding=None, term_type="vt100", term_size=(512, 1000))
