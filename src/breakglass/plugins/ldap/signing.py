"""One bind, over a pinned TLS connection, and what each way of failing means.

    unreachable, no TLS, busy, unavailable             TargetDown
    another certificate than the pinned one            HostKeyMismatch
    49 invalidCredentials, and no word of a lock       LoginRefused: the one definite "wrong password"
    locked, expired, to be changed, anything else      OutcomeUnknown

A directory with a password policy (draft-behera-ldap-password-policy) says why beside the result; it is asked to.
ldap3 is synchronous: it works in a thread, on a private socket whose other end is ours. Closing that ends its waits.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import ldap3
from ldap3.core.exceptions import LDAPException

from breakglass.errors import Malformed, OutcomeUnknown, Refused, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from breakglass.plugins.in_tls.bridge import bridged

T = TypeVar("T")
POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
"""The password policy control, request and response."""
_DATA = re.compile(r"AcceptSecurityContext error, data ([0-9a-f]{1,8}),")
_DOMAIN = {
    "530": "not at this hour", "531": "not from here", "532": "expired", "533": "disabled", "701": "expired",
    "773": "to be changed", "775": "locked",
}  # fmt: skip
SUCCESS, INVALID_CREDENTIALS, BUSY, UNAVAILABLE = 0, 49, 51, 52


class LoginRefused(Refused):
    """The target definitely refuses this password for this entry."""

    code = "login_refused"


class Undecided(OutcomeUnknown):
    """The directory answered, and neither accepted nor refused the password."""

    why = ""
    """`locked`, `expired`, `to be changed`, or a result in words."""


class Session:
    """A bound connection; each act runs in a thread, within its time."""

    def __init__(self, connection: ldap3.Connection, within: timedelta) -> None:
        self._connection, self._within = connection, within

    async def ask(self, act: Callable[[ldap3.Connection], T]) -> T:
        """Raises `LDAPException`, `TimeoutError`."""
        return await _in_thread(lambda: act(self._connection), self._within)

    @property
    def result(self) -> int:
        """The code of the last operation (RFC 4511, section 4.1.9)."""
        return int(self._connection.result["result"])

    @property
    def message(self) -> str:
        """What it says beside the code."""
        return str(self._connection.result.get("message") or "")


@asynccontextmanager
async def signed_in(place: Place, secret: Secret, *, connect: timedelta, answer: timedelta) -> AsyncIterator[Session]:
    """Raises as the module says."""
    password = _text(secret)
    async with bridged(place, "ldap", within=connect) as path:
        server = ldap3.Server(f"ldapi://{quote(str(path), safe='')}", get_info=ldap3.NONE)
        connection = ldap3.Connection(
            server,
            user=place.username,
            password=password,
            authentication=ldap3.SIMPLE,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            receive_timeout=max(1, round(answer.total_seconds())),
        )
        opened: list[socket.socket] = []

        def bind() -> None:
            connection.open(read_server_info=False)
            opened.append(connection.socket)
            connection.bind(controls=[(POLICY, False, None)])

        try:
            try:
                await _in_thread(bind, connect)
            except (LDAPException, OSError) as error:
                raise _undecided(place, type(error).__name__) from None
            _must_be_bound(place, connection.result)
            yield Session(connection, answer)
        finally:
            for one in (*opened, connection.socket):  # not unbound: a thread may wait on it, and this ends its wait
                if one is not None:
                    one.close()


def _must_be_bound(place: Place, result: dict[str, Any]) -> None:
    code, where = int(result["result"]), str(place.endpoint)
    policy = ((result.get("controls") or {}).get(POLICY) or {}).get("value") or b""
    why = policy_error(policy) or domain_error(str(result.get("message") or ""))
    if code == SUCCESS and not why:
        return
    if code == INVALID_CREDENTIALS and not why:
        raise LoginRefused(
            f"{where} refused the password of {place.username}.",
            what_to_do="Look whether the entry's password was changed by hand, or the entry is locked.",
            about=where,
        )
    if code in (BUSY, UNAVAILABLE):
        raise TargetDown(f"{where} takes no bind now.", what_to_do="It is tried again.", about=where)
    raise _undecided(place, why or f"result {code}")


def domain_error(message: str) -> str:
    """Why Active Directory refuses a bind that has the right password, or may have it (Win32 codes behind `data`).
    Empty for 52e, which is the wrong password, and for what is no such message."""
    found = _DATA.search(message)
    return _DOMAIN.get(found[1], "") if found else ""


def policy_error(value: bytes | dict[str, Any]) -> str:
    """Why the policy stands in the way, from the control's response: SEQUENCE { [0] warning, [1] error }, of which the
    error is one byte. Empty where it says nothing."""
    reasons = ("expired", "locked", "to be changed")
    data = value if isinstance(value, bytes) else b""
    place = 2
    while place + 2 <= len(data):
        tag, length = data[place], data[place + 1]
        if tag == 0x81 and length == 1 and place + 2 < len(data):
            number = data[place + 2]
            return reasons[number] if number < len(reasons) else ""
        place += 2 + length
    return ""


def _undecided(place: Place, why: str) -> Undecided:
    where = str(place.endpoint)
    told = Undecided(
        f"{where} neither accepted nor refused the password of {place.username} ({why}).",
        what_to_do="Nothing is decided: it is tried again. If it stays so, look in the directory whether the entry is "
        "locked, or its password has run out or must be changed.",
        about=where,
    )
    told.why = why
    return told


async def _in_thread(act: Callable[[], T], within: timedelta) -> T:
    async with asyncio.timeout(within.total_seconds()):
        return await asyncio.to_thread(act)


def _text(secret: Secret) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        pass  # outside, so that the bytes do not hang on the error as its context
    raise Malformed("A password must be text.", what_to_do="Store a password of UTF-8 text for this account.")
