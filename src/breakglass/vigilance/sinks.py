"""Places elsewhere that keep the log's checkpoints: each takes one, or raises why not.

    https://hooks.example.org/breakglass             POST, the signed note as the body; any 2xx is a yes
    tls://siem.example.org:6514                      a syslog message (RFC 5424, 5425), the note in it as JSON
    smtp://relay.example.org/audit@example.org       a mail, the note in its text and as a file
    s3://bucket/prefix?days=400                      an object that nobody deletes before (vigilance.s3)

A checkpoint is public to whoever may know the log's size, and signed: what such a place can do is to keep it, or not.
An address may hold a password, so it is never shown: `name` is.
"""

import asyncio
import json
import smtplib
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import httpx

from breakglass.codec import syslog
from breakglass.codec.syslog import Severity
from breakglass.errors import Malformed, Unavailable
from breakglass.vigilance.syslog_line import Collector, Line

OFTEN: Final = timedelta(seconds=50)
"""With the time that sending takes, a minute at most."""
SELDOM: Final = timedelta(days=1)
"""For what people read."""
WITHIN: Final = 15.0
_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is sent: the signed note, whose log is of `size` entries."""

    checkpoint: bytes
    size: int
    at: datetime


class Sink(Protocol):
    name: str
    """For people and for the table of what was kept where."""
    every: timedelta

    async def take(self, copy: Copy) -> None:
        """Raises `Unavailable`."""
        ...

    async def close(self) -> None:
        """Nothing stays open."""
        ...


def sink(address: str, ca: str, *, node: str) -> Sink:
    """`ca`: PEM file of the authorities that are believed; empty: the system's. Raises `Malformed`."""
    try:
        parts = urlsplit(address)
        port = parts.port
        make = _kinds()[parts.scheme]
        (parts.hostname or "").encode("idna")  # as the resolver will: what it can't write is no host
    except (ValueError, KeyError):
        raise bad_address() from None
    if not parts.hostname or port == 0:
        raise bad_address()
    return make(parts, ca, node)


class Webhook:
    def __init__(self, parts: SplitResult, ca: str, node: str) -> None:
        self.every, self._address, self._context = OFTEN, parts.geturl(), _context(ca)
        self.name = f"webhook {_place(parts, 443)}"

    async def take(self, copy: Copy) -> None:
        try:
            async with (
                asyncio.timeout(WITHIN),
                httpx.AsyncClient(timeout=WITHIN, trust_env=False, verify=self._context) as http,
                http.stream("POST", self._address, content=copy.checkpoint, headers={"Content-Type": _TYPE}) as answer,
            ):
                if not answer.is_success:
                    raise Unavailable(f"It answered {answer.status_code}.", what_to_do="Look at the webhook.")
        except (httpx.HTTPError, TimeoutError, OSError, ValueError) as error:
            raise _away(error) from None

    async def close(self) -> None:
        """Each time is a connection of its own."""


class Syslog:
    def __init__(self, parts: SplitResult, ca: str, node: str) -> None:
        if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
            raise bad_address()
        self.every, self._node = OFTEN, node
        self._line = Line(Collector.of(parts.geturl(), ca, setting="checkpoint_copies"))
        self.name = f"syslog {_place(parts, 6514)}"

    async def take(self, copy: Copy) -> None:
        text = json.dumps({"checkpoint": copy.checkpoint.decode()})
        message = syslog.message(
            text,
            at=copy.at,
            severity=Severity.INFORMATIONAL,
            host=self._node,
            kind="checkpoint",
            facts={"size": str(copy.size)},
        )
        try:
            await self._line.send(syslog.framed(message))
        except (OSError, TimeoutError, ValueError, Unavailable) as error:
            await self._line.hang_up()
            raise _away(error) from None

    async def close(self) -> None:
        await self._line.hang_up()


class Mail:
    """By a relay of one's own. STARTTLS where it offers that, and then with a certificate that holds."""

    def __init__(self, parts: SplitResult, ca: str, node: str) -> None:
        self.every, self._node, self._context = SELDOM, node, _context(ca)
        self._host, self._port = parts.hostname or "", parts.port or 25
        self._login = (unquote(parts.username or ""), unquote(parts.password or ""))
        self._to = [unquote(one) for one in parts.path.strip("/").split(",")]
        if not all("@" in one and one.isprintable() and " " not in one for one in self._to):
            raise bad_address()
        self.name = f"mail {', '.join(self._to)}"
        self._busy = threading.Lock()

    async def take(self, copy: Copy) -> None:
        letter = EmailMessage()
        letter["Subject"] = f"Breakglass: the log has {copy.size} entries"
        letter["From"] = f"breakglass@{self._node}" if "." in self._node else self._to[0]
        letter["To"] = ", ".join(self._to)
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834
        letter.set_content(
            "Keep this mail. A log that is cut or rewritten later can't fit to the checkpoint below; "
            "`breakglass audit verify --checkpoint FILE` compares them.\n\n" + copy.checkpoint.decode()
        )
        letter.add_attachment(copy.checkpoint, "application", "octet-stream", filename=f"{copy.size}.checkpoint")
        try:
            async with asyncio.timeout(WITHIN * 2):
                await asyncio.to_thread(self._send, letter)
        except (OSError, TimeoutError, ValueError, smtplib.SMTPException) as error:
            raise _away(error) from None

    async def close(self) -> None:
        """Each time is a connection of its own."""

    def _send(self, letter: EmailMessage) -> None:
        # A relay that answers slowly outlasts its time: there is never more than one thread that waits for it.
        if not self._busy.acquire(blocking=False):
            raise smtplib.SMTPException("the mail before is still on its way")
        try:
            with smtplib.SMTP(self._host, self._port, timeout=WITHIN) as relay:
                relay.ehlo()
                secured = relay.has_extn("starttls")
                if secured:
                    relay.starttls(context=self._context)
                    relay.ehlo()
                if self._login[0]:
                    if not secured:
                        raise smtplib.SMTPException("it offers no TLS, and the password is not sent without")
                    relay.login(*self._login)
                if refused := relay.send_message(letter):
                    raise smtplib.SMTPException(f"it refuses {', '.join(refused)}")
        finally:
            self._busy.release()


def _kinds() -> dict[str, Callable[[SplitResult, str, str], Sink]]:
    from breakglass.vigilance.s3 import ObjectLock

    return {"https": Webhook, "tls": Syslog, "smtp": Mail, "s3": ObjectLock}


def _place(parts: SplitResult, usual: int) -> str:
    return f"{parts.hostname}:{parts.port}" if parts.port not in (None, usual) else str(parts.hostname)


def _context(ca: str) -> ssl.SSLContext:
    with suppress(OSError, ssl.SSLError):
        return ssl.create_default_context(cafile=ca or None)
    raise Malformed("`checkpoint_copies_ca` can't be used.", what_to_do="Name a PEM file of certificates.")


def bad_address() -> Malformed:
    # The address is not repeated: it may hold a password.
    return Malformed(
        "`checkpoint_copies` has an address that can't be used.",
        what_to_do="Write them like https://host/path, tls://host:port, smtp://relay/somebody@example.org, or s3://bucket/prefix?days=400.",
    )


def _away(error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    why = str(error) or type(error).__name__
    return Unavailable(f"It does not take it: {why[:200]}.", what_to_do="Look at it, and at the way there.")
