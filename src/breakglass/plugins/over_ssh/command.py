"""One command over an open connection: its input given whole, its output bounded, its ending told apart.

    Ran.said_yes    exit status 0
    Ran.said_no     exit status 1 to 127: it ended by itself and said no (126, 127: it never began)
    neither         killed by a signal, status above 127, or no status at all: nobody knows how far it came

Secrets go through standard input only.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import asyncssh

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place

_MOST_OUTPUT = 256 * 1024
"""Bytes of each stream that a target may answer; more than that is no answer."""


_SAID_NO = (
    asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
    asyncssh.OPEN_CONNECT_FAILED,  # asyncssh gives it for a lost connection, too: hence the look at `is_closed`
    asyncssh.OPEN_REQUEST_SESSION_FAILED,
)


class NotBegun(Exception):
    """The command's input was not sent: no channel, no exec, or the connection ended before."""

    def __init__(self, *, said_no: bool) -> None:
        super().__init__("the command did not begin")
        self.said_no = said_no
        """True where the target itself refused to begin it."""


class Lost(Exception):
    """The input was sent, wholly or in part, and the ending is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    status: int | None
    output: bytes
    complaint: bytes
    """What came on standard error: to be recognised, never to be quoted, since a target could echo a secret there."""

    @property
    def said_yes(self) -> bool:
        return self.status == 0

    @property
    def said_no(self) -> bool:
        return self.status is not None and 1 <= self.status <= 127


class Become(StrEnum):
    """How the account comes to the right to set passwords."""

    NONE = "none"
    SUDO = "sudo"
    SUDO_NOPASSWD = "sudo-nopasswd"

    @classmethod
    def of(cls, place: Place) -> "Become":
        value = place.options.get("become", cls.NONE)
        if value not in tuple(cls):
            raise Malformed(
                "The rotator option `become` has a value that does not exist.",
                what_to_do=f"Use one of: {', '.join(cls)}.",
                about=place.username,
            )
        return cls(value)


async def run(
    connection: asyncssh.SSHClientConnection, command: str, given: bytes | bytearray, *, within: timedelta
) -> Ran:
    """Run `command` with `given` on its standard input. Raises `NotBegun` or `Lost`."""
    sent = False
    try:
        async with asyncio.timeout(within.total_seconds()):
            process = await connection.create_process(command, encoding=None, request_pty=False)
            sent = True
            with suppress(OSError):  # it may have ended without reading: then its status says so
                process.stdin.write(bytes(given))
                process.stdin.write_eof()
            output, complaint = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            await process.wait_closed()
    except asyncssh.ChannelOpenError as error:
        raise NotBegun(said_no=error.code in _SAID_NO and not connection.is_closed()) from None
    except (OSError, asyncssh.Error, ValueError):
        if sent:
            raise Lost from None
        raise NotBegun(said_no=False) from None
    status = process.exit_status
    return Ran(status=status if process.exit_signal is None else None, output=output, complaint=complaint)


async def with_rights(
    connection: asyncssh.SSHClientConnection, become: Become, secret: Secret, command: str, *, within: timedelta
) -> tuple[str, bytearray]:
    """The command line that runs `command` with the right to set passwords, and what must stand first on its input.

    sudo reads the password from standard input only if it asks for one; if it does not, the line would reach `command`
    instead (and a shell would *run* it). So sudo is asked first, with an empty input, whether it wants one.
    """
    match become:
        case Become.NONE:
            return command, bytearray()
        case Become.SUDO_NOPASSWD:
            return f"sudo -n {command}", bytearray()
        case Become.SUDO:
            asked = await run(connection, f"sudo -k -n {command}", b"", within=within)
            if asked.said_yes:
                return f"sudo -n {command}", bytearray()
            return f"sudo -k -S -p '' {command}", bytearray(secret.reveal() + b"\n")


async def _bounded(stream: asyncssh.SSHReader[bytes]) -> bytes:
    collected = bytearray()
    while part := await stream.read(64 * 1024):
        collected += part
        if len(collected) > _MOST_OUTPUT:
            raise ValueError("more output than any answer has")
    return bytes(collected)
