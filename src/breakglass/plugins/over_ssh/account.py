"""What all rotators of a Unix account over SSH do alike: does a secret work, what runs, what is left behind."""

from collections.abc import Sequence
from datetime import timedelta

import asyncssh

from breakglass.errors import OutcomeUnknown
from breakglass.model.secret import Secret
from breakglass.model.trace import Trace
from breakglass.plugin_api.rotator import Place, Remainder
from breakglass.plugins.over_ssh import look, remains
from breakglass.plugins.over_ssh.command import Become, Lost, NotBegun, Ran, run, with_rights
from breakglass.plugins.over_ssh.login import LoginRefused, is_key, private_key, signed_in

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


class UnixAccount:
    """All of a rotator but `change`."""

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=15), answer_within: timedelta = timedelta(seconds=30)
    ) -> None:
        self._connect_within, self._answer_within = connect_within, answer_within

    async def works(self, place: Place, secret: Secret) -> bool:
        """True when a fresh login runs a command: an expired password signs in and then runs nothing but `passwd`."""
        try:
            async with signed_in(place, secret, within=self._connect_within) as connection:
                try:
                    ran = await self._run(connection, "true", b"")
                except (NotBegun, Lost):
                    ran = Ran(status=None, output=b"", complaint=b"")
        except LoginRefused:
            return False
        if ran.said_yes:
            return True
        raise OutcomeUnknown(
            f"{place.endpoint} let {place.username} sign in, and then run nothing.",
            what_to_do=advice(ran),
            about=str(place.endpoint),
        )

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        """First with the account's own rights, which reach all that is its own; with sudo only for what that left."""
        script, become = remains.script(place.username), Become.of(place)
        try:
            async with signed_in(place, secret, within=self._connect_within) as connection:
                left = remains.read((await self._run(connection, remains.COMMAND, script)).output)
                if left != () and become is not Become.NONE:
                    answer = await self._with_rights(connection, become, secret, remains.COMMAND, script)
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

    async def traces(self, place: Place, secret: Secret) -> Sequence[Trace]:
        """With root's rights where sudo gives them, else with the account's own."""
        become, own = Become.of(place), private_key(secret).public_data if is_key(secret) else b""
        found: list[Trace] | None = None
        try:
            async with signed_in(place, secret, within=self._connect_within) as connection:
                if become is not Become.NONE:
                    answer = await self._with_rights(connection, become, secret, look.COMMAND, look.SCRIPT)
                    found = look.read(answer.output, own)
                if found is None:
                    found = look.read((await self._run(connection, look.COMMAND, look.SCRIPT)).output, own)
        except (NotBegun, Lost, LoginRefused):
            found = None
        if found is None:
            raise OutcomeUnknown(
                f"{place.endpoint} did not tell what was left behind there.",
                what_to_do="Look on the target at its keys, crontabs, sudoers, users and listening ports.",
                about=str(place.endpoint),
            )
        return found

    async def _with_rights(
        self, connection: asyncssh.SSHClientConnection, become: Become, secret: Secret, command: str, script: bytes
    ) -> Ran:
        line, first = await with_rights(connection, become, secret, command, within=self._answer_within)
        try:
            return await self._run(connection, line, first + script)
        finally:
            wipe(first)

    async def _run(self, connection: asyncssh.SSHClientConnection, command: str, given: bytes | bytearray) -> Ran:
        return await run(connection, command, given, within=self._answer_within)


def advice(ran: Ran) -> str:
    said = ran.output + ran.complaint
    for words, helps in _TELLING:
        if words in said:
            return helps
    return "Look into the target's auth log; its words are not shown here, because a target could echo a secret."


def wipe(*buffers: bytearray) -> None:
    for buffer in buffers:
        buffer[:] = bytes(len(buffer))
