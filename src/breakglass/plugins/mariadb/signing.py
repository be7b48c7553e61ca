"""One session of one account, over a pinned TLS connection, and what each way of failing means.

    unreachable, no TLS, too many clients, blocked host    TargetDown
    another certificate than the pinned one                HostKeyMismatch
    1045 ER_ACCESS_DENIED_ERROR                            LoginRefused: the one definite "wrong password"
    anything else before the session stands                OutcomeUnknown (a locked account, an expired password)

PyMySQL is synchronous: it works in a thread, on a private socket whose other end is ours. Closing that ends its waits.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pymysql
from pymysql.constants import CLIENT

from breakglass.errors import HostKeyMismatch, Malformed, OutcomeUnknown, Refused, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from breakglass.plugins.in_tls.bridge import bridged
from breakglass.plugins.in_tls.stream import mismatch, pinned

T = TypeVar("T")
_WRONG_PASSWORD = 1045
_LOCKED = 4151
"""ER_ACCOUNT_HAS_BEEN_LOCKED."""
_NOT_NOW = frozenset({1040, 1053, 1129, 1130, 1203})
"""ER_CON_COUNT, ER_SERVER_SHUTDOWN, ER_HOST_IS_BLOCKED, ER_HOST_NOT_PRIVILEGED, ER_TOO_MANY_USER_CONNECTIONS."""


class LoginRefused(Refused):
    """The target definitely refuses this password for this account."""

    code = "login_refused"


class Locked(OutcomeUnknown):
    """The server says that the account is locked."""


class Session:
    """An open session; each act runs in a thread, within its time."""

    def __init__(self, connection: "pymysql.Connection[Any]", within: timedelta) -> None:
        self._connection, self._within = connection, within

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Raises `pymysql.MySQLError`, `TimeoutError`."""

        def ask() -> list[tuple[Any, ...]]:
            with self._connection.cursor() as cursor:
                cursor.execute(query, values or None)
                return list(cursor.fetchall())

        return await _in_thread(ask, self._within)


@asynccontextmanager
async def signed_in(place: Place, secret: Secret, *, connect: timedelta, answer: timedelta) -> AsyncIterator[Session]:
    """A session in autocommit. Raises as the module says."""
    async with bridged(place, "mariadb", within=connect, tls=False) as path:
        connection = _Connection(place, _text(secret), connect)
        try:
            await _in_thread(lambda: connection.open_at(path), connect)
        except (pymysql.MySQLError, OSError, ValueError) as error:
            raise _meaning(place, connection, error) from None
        try:
            yield Session(connection, answer)
        finally:
            with suppress(pymysql.MySQLError, OSError):
                connection.close()


class _Connection(pymysql.Connection):
    """Sends nothing to a server that offers no TLS, and nothing secret outside of it."""

    def __init__(self, place: Place, password: str, within: timedelta) -> None:
        super().__init__(
            host=place.endpoint.host,
            user=place.username,
            password=password,
            ssl=pinned(place),
            autocommit=True,
            charset="utf8mb4",
            local_infile=False,
            defer_connect=True,
            connect_timeout=max(1, round(within.total_seconds())),
        )
        self.greeted = False
        """The server's greeting came: from here on a sign-in is under way."""

    def open_at(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as near:
            near.connect(str(path))
            self.connect(near.dup())

    def _request_authentication(self) -> None:
        if not self.server_capabilities & CLIENT.SSL:  # type: ignore[attr-defined]
            raise _NoTls
        self.greeted = True
        super()._request_authentication()  # type: ignore[misc]


class _NoTls(OSError):
    """The server offers none."""


def _meaning(place: Place, connection: _Connection, error: Exception) -> Exception:
    """What an ended attempt says of the password. The server's own words stay out of it."""
    where, cause = str(place.endpoint), getattr(error, "original_exception", error)
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if isinstance(cause, ssl.SSLCertVerificationError | HostKeyMismatch):
        return mismatch(place)
    if code == _WRONG_PASSWORD:
        return LoginRefused(
            f"{where} refused the password of {place.username}.",
            what_to_do="Look whether the password was changed by hand, and whether the account may come from here.",
            about=where,
        )
    if code in _NOT_NOW or not connection.greeted:
        return TargetDown(
            f"{where} takes no connection now, or has TLS turned off ({code or type(cause).__name__}).",
            what_to_do="Nothing was sent. Check that it is up, has TLS and lets this node in; it is tried again.",
            about=where,
        )
    unknown = Locked if code == _LOCKED else OutcomeUnknown
    return unknown(
        f"{where} neither accepted nor refused the password of {place.username} ({code or type(cause).__name__}).",
        what_to_do="Nothing is decided: it is tried again. If it stays so, look on the server whether the account is "
        "locked, or its password has run out.",
        about=where,
    )


async def _in_thread(act: Callable[[], T], within: timedelta) -> T:
    async with asyncio.timeout(within.total_seconds()):
        return await asyncio.to_thread(act)


def _text(secret: Secret) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        pass  # outside, so that the bytes do not hang on the error as its context
    raise Malformed("A password must be text.", what_to_do="Store a password of UTF-8 text for this account.")
