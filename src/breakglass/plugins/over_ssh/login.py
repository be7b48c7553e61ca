"""One SSH connection with one secret (a password or a private key), and what each way of failing means.

    unreachable, or gone before the secret was used      TargetDown
    another host key than the pinned one                 HostKeyMismatch
    secret used, and the same method offered again       LoginRefused: the one definite "wrong secret"
    secret used, and anything else                       OutcomeUnknown

RFC 4252 section 5.1: a server which says "failure" also says what can go on. A refused password can be tried again, so
the method stands in that list; after a *right* password that is only the first of several factors it does not. A server
that hangs up after its last try, asks for a new password (section 8) or for a second factor has refused nothing.

The password is tried once, by `password` where it is offered, else by `keyboard-interactive`: two tries would count
twice towards a lockout. A private key (OpenSSH or PEM) is offered once, by `publickey`. No configuration file, agent,
key or environment of the node takes part.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncssh

from breakglass.errors import HostKeyMismatch, Malformed, OutcomeUnknown, Refused, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place

_HOST_KEY_ALGORITHMS = {
    "ssh-ed25519": ["ssh-ed25519"],
    "ecdsa-sha2-nistp256": ["ecdsa-sha2-nistp256"],
    "ecdsa-sha2-nistp384": ["ecdsa-sha2-nistp384"],
    "ecdsa-sha2-nistp521": ["ecdsa-sha2-nistp521"],
    "ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"],
}
"""Key type to signature algorithms (RFC 8332 for RSA: never SHA-1)."""

_EXPIRED = "account has expired"
"""What sshd passes on of pam_unix's words, as a banner (RFC 4252, 5.4)."""
_GOODBYE_FOR = 2.0
"""Seconds that closing may take; afterwards the connection is dropped."""


class LoginRefused(Refused):
    """The target definitely refuses this secret for this login."""

    code = "login_refused"


class TurnedAway(OutcomeUnknown):
    """The target took the secret, and closed the connection without a word on it."""

    expired = False
    """Whether it said that the account has expired: then the secret was right (pam_unix(8) looks at it first)."""


class _OneSecret(asyncssh.SSHClient):
    """Answers the server's questions with one secret, once, and remembers what became of it."""

    def __init__(self, secret: Secret) -> None:
        self._key = private_key(secret) if is_key(secret) else None
        self._password = "" if self._key else _text(secret)
        self.what = "key" if self._key else "password"
        self._method = ""
        self.sent = False
        self.refused = False
        self.expired = False

    def auth_banner_received(self, msg: str, lang: str) -> None:
        self.expired = self.expired or (self.sent and _EXPIRED in msg)

    def forget(self) -> None:
        self._password, self._key = "", None

    def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        return self._key if self.what == "key" and self._first("publickey", sends=True) else None

    def password_auth_requested(self) -> str | None:
        return self._password if self.what == "password" and self._first("password", sends=True) else None

    def kbdint_auth_requested(self) -> str | None:
        return "" if self.what == "password" and self._first("keyboard-interactive", sends=False) else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: "asyncssh.auth.KbdIntPrompts"
    ) -> "asyncssh.auth.KbdIntResponse | None":
        if not prompts:
            return []
        if self.sent or len(prompts) != 1 or prompts[0][1]:
            return None  # a second question (a new password, a code) or one with echo: not for a password
        self.sent = True
        return [self._password]

    def _first(self, method: str, *, sends: bool) -> bool:
        if self._method:
            self.refused = self.refused or (self.sent and method == self._method)
            return False
        self._method, self.sent = method, sends
        return True


@asynccontextmanager
async def signed_in(place: Place, secret: Secret, *, within: timedelta) -> AsyncIterator[asyncssh.SSHClientConnection]:
    """An open connection, signed in as `place.username`; closed at the end. Raises as the module says."""
    connection = await _connect(place, secret, within=within)
    try:
        yield connection
    finally:
        connection.close()
        try:
            async with asyncio.timeout(_GOODBYE_FOR):
                await connection.wait_closed()
        except (TimeoutError, OSError, asyncssh.Error):
            connection.abort()


async def _connect(place: Place, secret: Secret, *, within: timedelta) -> asyncssh.SSHClientConnection:
    endpoint, client = place.endpoint, _OneSecret(secret)
    pinned, algorithms = _pin(endpoint.host_key)
    try:
        async with asyncio.timeout(within.total_seconds()):
            return await asyncssh.connect(
                endpoint.host,
                endpoint.port,
                tunnel=place.dial,
                config=None,
                username=place.username,
                known_hosts=([pinned], [], []),
                server_host_key_algs=algorithms,
                client_factory=lambda: client,
                client_keys=None,
                agent_path=None,
                host_based_auth=False,
                public_key_auth=client.what == "key",
                gss_kex=False,
                gss_auth=False,
                preferred_auth="publickey" if client.what == "key" else "password,keyboard-interactive",
                compression_algs=["none"],
                connect_timeout=within.total_seconds(),
                login_timeout=within.total_seconds(),
                keepalive_interval=5,
                keepalive_count_max=3,
            )
    except asyncssh.HostKeyNotVerifiable:
        raise HostKeyMismatch(
            f"{endpoint} showed another host key than the roster pins.",
            what_to_do="Stop. Ask whoever runs the target, by another way than the network, whether its host key was "
            "changed; if so, change the pin in the roster, and if not, somebody stands in between.",
            about=str(endpoint),
        ) from None
    except (OSError, asyncssh.Error, ValueError) as error:  # ValueError: bytes that are no SSH packet
        raise _meaning(place, client, error) from None
    finally:
        client.forget()


def _meaning(place: Place, client: _OneSecret, error: Exception) -> Refused | OutcomeUnknown | TargetDown:
    """What an ended attempt says of the password. The server's own words stay out of it."""
    where, login, what = str(place.endpoint), place.username, client.what
    if client.refused:
        return LoginRefused(
            f"{where} refused the {what} of {login}.",
            what_to_do=f"Look whether the account is locked on the target, or its {what} was changed by hand.",
            about=where,
        )
    if client.sent:
        closed = isinstance(error, asyncssh.DisconnectError)
        unknown = TurnedAway if closed else OutcomeUnknown
        told = unknown(
            f"{where} took the {what} of {login} and neither accepted nor refused it ({type(error).__name__}).",
            what_to_do="Nothing is decided: it is tried again. If it stays so, look at the target's sshd log: a second "
            "factor, an expired password, or a limit on tries.",
            about=where,
        )
        if isinstance(told, TurnedAway):
            told.expired = client.expired
        return told
    if isinstance(error, asyncssh.PermissionDenied):
        return OutcomeUnknown(
            f"{where} offers {login} no sign-in by {what}.",
            what_to_do="Allow PasswordAuthentication (or keyboard-interactive) for this login in its sshd_config."
            if what == "password"
            else "Allow PubkeyAuthentication for this login in its sshd_config.",
            about=where,
        )
    return TargetDown(
        f"{where} can't be reached ({type(error).__name__}).",
        what_to_do="Nothing was sent. Check that the target is up and reachable from the node or its connector; it is "
        "tried again.",
        about=where,
    )


def _pin(host_key: str) -> tuple[asyncssh.SSHKey, list[str]]:
    """The pinned key, and every signature algorithm with the pinned key's first: a server that has only keys of another
    type then shows one of those, and the mismatch is seen as what it is."""
    kind = host_key.split(" ", 1)[0]
    with suppress(asyncssh.KeyImportError, KeyError):
        first = _HOST_KEY_ALGORITHMS[kind]
        others = [name for algorithms in _HOST_KEY_ALGORITHMS.values() for name in algorithms if name not in first]
        return asyncssh.import_public_key(host_key), first + others
    raise Malformed(
        "The pinned host key can't be read.", what_to_do="Pin one line in OpenSSH's form: ssh-ed25519 AAAA…"
    )


def is_key(secret: Secret) -> bool:
    return secret.reveal().lstrip().startswith(b"-----BEGIN ")


def private_key(secret: Secret) -> asyncssh.SSHKey:
    """Raises `Malformed`."""
    try:
        return asyncssh.import_private_key(secret.reveal())
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        pass  # outside, so that nothing of the key hangs on the error as its context
    raise Malformed("The stored private key can't be read.", what_to_do="Store it again, without a passphrase.")


def _text(secret: Secret) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        pass  # outside, so that the bytes do not hang on the error as its context
    raise Malformed("A password over SSH must be text.", what_to_do="Store a password of UTF-8 text for this account.")
