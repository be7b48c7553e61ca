"""The gateway's own SSH client: it logs in to a target with a released secret, and with nothing else.

    dial ──▶ host key == the pinned one? ──▶ publickey | password | keyboard-interactive ──▶ connection

Only the pinned host key is accepted, and it is checked before anything secret is sent. No agent, no configuration file,
no key of this machine, no forwarding. The secret is asked for when the target wants it, offered once (a second try
would only bring an account nearer to being locked), and stays in no option and no attribute of the connection.
"""

import asyncio
from collections.abc import Sequence

import asyncssh

from breakglass.errors import BreakglassError, HostKeyMismatch, Malformed, Refused, TargetDown
from breakglass.gateway import algorithms
from breakglass.gateway.words import plain
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint
from breakglass.plugin_api.dial import Dial

_KEEPALIVE_SECONDS, _KEEPALIVES_MISSED = 15, 3


class CredentialRefused(Refused):
    """The target does not take the stored credential."""

    code = "credential_refused"


async def open_upstream(
    dial: Dial, endpoint: Endpoint, username: str, secret: Secret, *, timeout: float
) -> asyncssh.SSHClientConnection:
    """Log in as `username` within `timeout` seconds. `secret`: a password in UTF-8, or a private key (PEM or OpenSSH).

    Raises `HostKeyMismatch`, `CredentialRefused`, `TargetDown`; `Malformed` for a pin or a secret that can't be read.
    The caller wipes the secret.
    """
    pin = _pin(endpoint)
    login = _Login(secret)
    try:
        async with asyncio.timeout(timeout):
            return await asyncssh.connect(
                endpoint.host,
                endpoint.port,
                tunnel=dial,
                config=None,
                client_factory=lambda: login,
                client_version="Breakglass",
                known_hosts=([pin], [], [], [], [], [], []),
                x509_trusted_certs=None,
                x509_trusted_cert_paths=[],
                server_host_key_algs=_host_algorithms(pin),
                kex_algs=algorithms.KEY_EXCHANGES,
                encryption_algs=algorithms.TARGET_CIPHERS,
                mac_algs=algorithms.MACS,
                compression_algs=algorithms.COMPRESSIONS,
                signature_algs=algorithms.SIGNATURES,
                username=username,
                client_keys=None,
                agent_path=None,
                agent_forwarding=False,
                host_based_auth=False,
                gss_host=None,
                gss_kex=False,
                gss_auth=False,
                preferred_auth=["publickey", "password", "keyboard-interactive"],
                disable_trivial_auth=True,
                login_timeout=timeout,
                keepalive_interval=_KEEPALIVE_SECONDS,
                keepalive_count_max=_KEEPALIVES_MISSED,
                env=None,
                send_env=None,
            )
    except (asyncssh.Error, asyncssh.KeyImportError, OSError) as fault:
        # Without its context: a traceback through asyncssh could hold what was sent.
        raise _explained(fault, endpoint, login) from None


class _Login(asyncssh.SSHClient):
    """Answers the target's questions from one secret, once."""

    def __init__(self, secret: Secret) -> None:
        self._secret: Secret | None = secret
        self._is_key = secret.reveal().lstrip().startswith(b"-----BEGIN ")
        try:
            secret.reveal().decode()
        except UnicodeDecodeError:  # which would carry the bytes
            raise Malformed(
                "The stored credential is no text in UTF-8.", what_to_do="Ask a custodian to store it again."
            ) from None
        self.wants_new_password = False
        self.shown_key = ""

    def _take(self) -> Secret | None:
        secret, self._secret = self._secret, None
        return secret

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Asked only about keys that are not the pinned one."""
        self.shown_key = key.get_fingerprint()
        return False

    def public_key_auth_requested(self) -> asyncssh.SSHKey | None:
        secret = self._take() if self._is_key else None
        return asyncssh.import_private_key(secret.reveal()) if secret else None

    def password_auth_requested(self) -> str | None:
        secret = None if self._is_key else self._take()
        return secret.reveal().decode() if secret else None

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        self.wants_new_password = True
        return NotImplemented  # type: ignore[no-any-return]  # asyncssh's own word for "no"

    def kbdint_auth_requested(self) -> str | None:
        return "" if self._secret and not self._is_key else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        """One question without echo is the password; more (a second factor) is nothing that a stored secret answers."""
        if not prompts:
            return []
        if len(prompts) > 1 or prompts[0][1]:
            return None
        secret = self._take()
        return [secret.reveal().decode()] if secret else None


def _pin(endpoint: Endpoint) -> asyncssh.SSHKey:
    try:
        return asyncssh.import_public_key(endpoint.host_key)
    except asyncssh.KeyImportError:
        raise Malformed(
            f"The host key that is pinned for {endpoint} can't be read.",
            what_to_do="Correct the target's host key in the roster.",
        ) from None


def _host_algorithms(pin: asyncssh.SSHKey) -> list[str]:
    """The pinned key's first, so that a target with several keys shows it; the others make a wrong key show itself."""
    of_pin = {name.decode() for name in pin.sig_algorithms}
    return sorted(algorithms.HOST_SIGNATURES, key=lambda name: name not in of_pin)


def _explained(fault: Exception, endpoint: Endpoint, login: _Login) -> BreakglassError:
    match fault:
        case asyncssh.HostKeyNotVerifiable():
            shown = f" ({login.shown_key})" if login.shown_key else ""
            return HostKeyMismatch(
                f"{endpoint} showed another host key{shown} than the pinned one. Nothing secret was sent.",
                what_to_do="Do not connect. Ask whoever runs the target whether its key was changed; "
                "if not, somebody stands in between: call the custodians.",
            )
        case asyncssh.PermissionDenied() if login.wants_new_password:
            return CredentialRefused(
                f"{endpoint} demands a new password before it lets the account in.",
                what_to_do="Use the domain's other break-glass account, or ask a custodian to change the password on "
                "the target and to store it.",
            )
        case asyncssh.PermissionDenied():
            return CredentialRefused(
                f"{endpoint}: the stored credential is refused by the target.",
                what_to_do="Use the domain's other break-glass account, and tell a custodian: the password was changed "
                "elsewhere, or the account is locked.",
            )
        case asyncssh.KeyImportError():
            return Malformed(
                f"The private key that is stored for {endpoint} can't be read.",
                what_to_do="Ask a custodian to store it again, without a passphrase.",
            )
        case TimeoutError():
            why = "does not answer in time"
        case asyncssh.Error():
            why = f"broke off the connection ({plain(fault.reason)[:200]})"
        case OSError():
            why = f"can't be reached ({fault.strerror or fault})"
        case _:
            raise fault
    return TargetDown(
        f"{endpoint} {why}.",
        what_to_do="Check that the target runs and that this node may reach it, then connect again.",
    )
