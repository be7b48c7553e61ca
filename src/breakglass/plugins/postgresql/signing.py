"""One session of one role, over a pinned TLS connection, and what each way of failing means.

    unreachable, no TLS, starting up, too many clients    TargetDown
    another certificate than the pinned one               HostKeyMismatch
    28P01 invalid_password                                LoginRefused: the one definite "wrong password"
    anything else before the session stands               OutcomeUnknown

28000 (no line in pg_hba.conf, a role without LOGIN) is said before or beside the password: it refuses no secret.
A server that asks for the password itself (`password` in pg_hba.conf) gets none: `require_auth` is SCRAM.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg

from breakglass.errors import Malformed, OutcomeUnknown, Refused, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from breakglass.plugins.in_tls.bridge import bridged

Session = psycopg.AsyncConnection[tuple[Any, ...]]
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""Protocol 3.0, SSLRequest: length 8, code 80877103."""
_PORT = 5432
_NOT_NOW = ("53", "57P")
"""Beginnings of SQLSTATE: insufficient resources; shutting down, starting up."""
_WRONG_PASSWORD = "28P01"  # noqa: S105 (SQLSTATE invalid_password)
_MAY_NOT = "28000"
"""invalid_authorization_specification: said before the password by pg_hba.conf, after it of a role without LOGIN."""
_SASL = (10).to_bytes(4, "big")
"""AuthenticationSASL."""
_OK = b"R" + (8).to_bytes(4, "big") + bytes(4)
"""AuthenticationOk."""
_MOST = 16 * 1024


class LoginRefused(Refused):
    """The target definitely refuses this password for this role."""

    code = "login_refused"


class NotPermitted(OutcomeUnknown):
    """The password was right, and the role may not sign in (NOLOGIN)."""


@asynccontextmanager
async def signed_in(place: Place, secret: Secret, *, within: timedelta) -> AsyncIterator[Session]:
    """A session in autocommit. Raises as the module says."""
    said = Said()
    async with bridged(place, f".s.PGSQL.{_PORT}", within=within, preamble=_ask_for_tls, through=said) as path:
        session = await _connect(place, secret, str(path.parent), within, said)
        try:
            yield session
        finally:
            await session.close()


async def _connect(place: Place, secret: Secret, folder: str, within: timedelta, said: "Said") -> Session:
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await psycopg.AsyncConnection.connect(
                host=folder,
                port=_PORT,
                user=place.username,
                password=_text(secret),
                dbname=place.options.get("database", "postgres"),
                application_name="breakglass",
                connect_timeout=max(2, round(within.total_seconds())),
                autocommit=True,
                passfile="/dev/null",
                sslmode="disable",  # it stands in TLS already
                gssencmode="disable",
                require_auth="scram-sha-256",
            )
    except (psycopg.Error, OSError) as error:
        raise _meaning(place, said, error) from None


class Said:
    """What the server says first, on its way to libpq.

    It keeps the SQLSTATE of a refusal: libpq passes on only its words, which come in the server's language. And it
    takes the offer of channel binding (SCRAM-SHA-256-PLUS, RFC 5802) out of AuthenticationSASL: TLS ends in this
    process, where the server was known by its pinned certificate, and libpq would take that offer on a plain socket for
    an attack.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._waiting: bytearray | None = bytearray()

    def __call__(self, data: bytes) -> bytes:
        self._data += data[: max(0, _MOST - len(self._data))]
        if self._waiting is None:
            return data
        self._waiting += data
        first, length = self._waiting, 1 + int.from_bytes(self._waiting[1:5], "big")
        if len(first) < 5 or (len(first) < length <= _MOST):
            return b""  # the first message is not whole yet
        self._waiting = None
        if first[:1] != b"R" or first[5:9] != _SASL:
            return bytes(first)
        kept = bytes(first[9:length]).replace(b"SCRAM-SHA-256-PLUS\0", b"")
        return b"R" + (8 + len(kept)).to_bytes(4, "big") + _SASL + kept + bytes(first[length:])

    def authenticated(self) -> bool:
        """Whether the server said AuthenticationOk: the password was right, whatever came after it."""
        return _OK in self._data

    def sqlstate(self) -> str:
        """Of the first ErrorResponse (protocol 3.0: `E`, int32 length, then fields of a type byte and text, each ended
        by a zero byte; `C` is the code); empty where there is none."""
        place = 0
        while place + 5 <= len(self._data):
            end = place + 1 + int.from_bytes(self._data[place + 1 : place + 5], "big")
            if self._data[place : place + 1] == b"E":
                fields = bytes(self._data[place + 5 : end]).split(b"\0")
                return next((one[1:].decode("ascii", "replace") for one in fields if one[:1] == b"C"), "")
            place = max(end, place + 5)
        return ""


def _meaning(place: Place, said: "Said", error: Exception) -> Refused | OutcomeUnknown | TargetDown:
    """What an ended attempt says of the password. The server's own words stay out of it."""
    where, code = str(place.endpoint), said.sqlstate()
    if code == _WRONG_PASSWORD:
        return LoginRefused(
            f"{where} refused the password of {place.username}.",
            what_to_do="Look whether the role's password was changed by hand, or has run out (VALID UNTIL).",
            about=where,
        )
    if code.startswith(_NOT_NOW):
        return TargetDown(
            f"{where} takes no connection now ({code}).",
            what_to_do="Nothing was changed; it is retried.",
            about=where,
        )
    if code == _MAY_NOT and said.authenticated():
        return NotPermitted(
            f"{where} took the password of {place.username}, which may not sign in.",
            what_to_do="The role has no LOGIN: `ALTER ROLE … LOGIN`, unless it should sleep.",
            about=where,
        )
    return OutcomeUnknown(
        f"{where} neither accepted nor refused the password of {place.username} ({code or type(error).__name__}).",
        what_to_do="Nothing is decided: it is tried again. If it stays so, look into the server's log: pg_hba.conf "
        "must ask for scram-sha-256, the role must have LOGIN, and the database must exist.",
        about=where,
    )


async def _ask_for_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_SSL_REQUEST)
    if await reader.readexactly(1) != b"S":
        raise ConnectionError("the server has TLS turned off")


def _text(secret: Secret) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        pass  # outside, so that the bytes do not hang on the error as its context
    raise Malformed("A password must be text.", what_to_do="Store a password of UTF-8 text for this account.")
