"""The data folder and its settings: where everything of one node lies.

HOME/breakglass.toml     settings, 0600          HOME/run/        sockets, node.json
    /breakglass.db       the embedded database       /recordings/  containers, one a session
    /vault/              the vault's own files       /ssh_host_key the door's identity
"""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from breakglass.errors import Malformed, NotFound, Refused

SETTINGS = "breakglass.toml"


class KeyInData(Refused):
    """What opens the vault beside the vault: whoever copies the folder has both."""

    code = "key_in_data_folder"


@dataclass(frozen=True, slots=True)
class Home:
    """The data folder's places. Nothing is made by naming them."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / SETTINGS

    @property
    def database(self) -> Path:
        return self.path / "breakglass.db"

    @property
    def vault(self) -> Path:
        return self.path / "vault"

    @property
    def vault_socket(self) -> Path:
        return self.path / "run" / "vault.sock"

    @property
    def node_file(self) -> Path:
        return self.path / "run" / "node.json"

    @property
    def recordings(self) -> Path:
        return self.path / "recordings"

    @property
    def ssh_host_key(self) -> Path:
        return self.path / "ssh_host_key"

    @property
    def founding(self) -> Path:
        """The founding roster while its custodians sign it."""
        return self.path / "founding"

    def make(self) -> None:
        for folder in (self.path, self.path / "run", self.recordings):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    deployment: str
    origin: str
    roster_pin: str
    """Hex SHA-256 of the founding roster: everything that is trusted hangs on it."""
    demo: bool = False
    node: str = "node1"
    database: str = field(default="", repr=False)
    """`postgresql://…`; empty: the embedded one in the data folder. It may hold a password, so this file is 0600."""
    ssh_host: str = "127.0.0.1"
    ssh_port: int = 2222
    api_host: str = "127.0.0.1"
    api_port: int = 8422
    web_origin: str = ""
    """Where people's browsers open the pages, as `https://gate.example:8422`; passkeys are made for its domain. Empty:
    `http://localhost` and the API's port, for trying it on one machine."""
    tls_certificate: str = ""
    """PEM file of the certificate, with what it is signed by, for browsers elsewhere; empty: no TLS here."""
    tls_key: str = ""
    """PEM file of its private key."""
    tls_host: str = "0.0.0.0"  # noqa: S104 (only used with a certificate)
    tls_port: int = 8443
    vault_socket: str = ""
    """The socket of a vault that is a service of its own; empty: the node starts the vault beside itself."""
    vault_user: str = ""
    """As which user that vault runs."""
    key_file: str = ""
    """The `file` seal slot's key; empty when custodians unseal after each start."""
    pkcs11_module: str = ""
    """The library of a hardware security module (PKCS #11), for the `pkcs11` seal slot; empty: none."""
    pkcs11_pin_file: str = ""
    """Where the PIN of its token lies, mode 0600, outside of the data folder."""
    alerts: tuple[str, ...] = ()
    """apprise addresses; they hold tokens, so this file is 0600."""
    siem: str = ""
    """Where a copy of the log goes, as `tls://siem.example.org:6514` (syslog over TLS); empty: nowhere."""
    siem_ca: str = ""
    """PEM file of the authorities that vouch for the collector; empty: the system's."""
    tsa: str = ""
    """A timestamp authority (RFC 3161), like `https://tsa.example.org/tsr`: hourly, it dates a checkpoint."""
    tsa_ca: str = ""
    """PEM file of the roots that vouch for its timestamps; needed with `tsa`."""
    checkpoint_copies: tuple[str, ...] = ()
    """Where the log's newest checkpoint goes: `https://…` and `tls://…` every minute, `smtp://relay/to@…` daily."""
    checkpoint_copies_ca: str = ""
    """PEM file of the authorities that vouch for those places; empty: the system's."""
    plugins: tuple[str, ...] = ("breakglass.plugins.linux_password", "breakglass.plugins.apprise_notifier")
    """Rotators and notifiers that may be loaded: nothing else is."""


def home_from(option: str | None) -> Home:
    """`--home`, else `BREAKGLASS_HOME`, else refuse: guessing a data folder in an emergency helps nobody."""
    chosen = option or os.environ.get("BREAKGLASS_HOME", "")
    if not chosen:
        raise Malformed("No data folder is named.", what_to_do="Use `--home DIR`, or set BREAKGLASS_HOME.")
    return Home(Path(chosen).expanduser().absolute())


def read(home: Home) -> Settings:
    """Raises `NotFound` before `init`, `Malformed` for settings that are not known."""
    try:
        values = tomllib.loads(home.settings.read_text())
    except FileNotFoundError:
        raise NotFound(
            f"There is no Breakglass in {home.path}.",
            what_to_do="Make one with `breakglass init`, or try `breakglass demo`.",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise Malformed(f"{home.settings.name} can't be read: {error}.", what_to_do="Correct it there.") from None
    unknown = set(values) - set(Settings.__dataclass_fields__)
    if unknown:
        raise Malformed(f"{home.settings.name} has {min(unknown)!r}.", what_to_do="It is not a setting: remove it.")
    try:
        for name in ("alerts", "checkpoint_copies", "plugins"):
            if name in values:
                values[name] = tuple(values[name])
        settings = Settings(**values)
    except TypeError as error:
        raise Malformed(f"{home.settings.name} is not complete: {error}.", what_to_do="Add what is missing.") from None
    if settings.tsa and not settings.tsa_ca:
        raise Malformed(
            f"{home.settings.name} names a timestamp authority in 'tsa', and in 'tsa_ca' nobody who vouches for it.",
            what_to_do="Name the PEM file of its roots in 'tsa_ca'; without it no timestamp can be checked.",
        )
    if bool(settings.pkcs11_module) != bool(settings.pkcs11_pin_file):
        raise Malformed(
            f"{home.settings.name} names only one of 'pkcs11_module' and 'pkcs11_pin_file'.",
            what_to_do="A hardware module is used with both; name none of them without one.",
        )
    if bool(settings.vault_socket) != bool(settings.vault_user):
        raise Malformed(
            f"{home.settings.name} names only one of 'vault_socket' and 'vault_user'.",
            what_to_do="Name both for a vault that is a service of its own, none for one that the node starts.",
        )
    if settings.vault_socket and (settings.key_file or settings.pkcs11_module):
        raise Malformed(
            f"{home.settings.name} says what opens the vault, and the vault is a service of its own.",
            what_to_do="Remove key_file, pkcs11_module and pkcs11_pin_file there: they belong to the vault's own unit.",
        )
    return settings


def keep_outside(home: Home, path: Path, what: str) -> None:
    """Raises `KeyInData` when `path` lies in the data folder, also by way of links; `what` names it in the refusal."""
    folder, found = home.path.resolve(), path.expanduser().resolve()
    if folder in (found, *found.parents):
        raise KeyInData(
            f"{what} would lie in the data folder, and so in its backups.",
            what_to_do=f"Choose a place outside of {home.path} for it.",
        )


def database_url(home: Home, settings: Settings) -> str:
    """SQLAlchemy's address of the database that these settings name."""
    return settings.database or f"sqlite:///{home.database}"


def write(home: Home, settings: Settings) -> None:
    lines = ["# Breakglass. Restart the node after a change.\n"]
    for name in Settings.__dataclass_fields__:
        value = getattr(settings, name)
        lines.append(f"{name} = {_toml(value)}\n")
    new = home.settings.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
    new.replace(home.settings)


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case tuple():
            return f"[{', '.join(_toml(one) for one in value)}]"
        case _:
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
