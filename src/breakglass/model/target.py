"""Targets, and the break-glass accounts on them.

A target is one `host:port` that is reached in one way, with its host key pinned. An account is one privileged login on
it, with the disaster that it is for. Both stand in the signed roster: what the database says of them opens nothing.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import NewType

DomainId = NewType("DomainId", str)
TargetId = NewType("TargetId", str)
AccountId = NewType("AccountId", str)


class Environment(StrEnum):
    """Which world a target belongs to: the banner that stands over a session."""

    PRODUCTION = "production"
    PLANT = "plant"
    TEST = "test"


class Protocol(StrEnum):
    """How a target is spoken to. Each but SSH is inside TLS."""

    SSH = "ssh"
    POSTGRESQL = "postgresql"
    MARIADB = "mariadb"
    LDAPS = "ldaps"
    HTTPS = "https"
    TLS = "tls"
    """Anything else inside TLS, for a rotator of your own."""


class SecretKind(StrEnum):
    """What the vault makes and keeps for an account."""

    PASSWORD = "password"  # noqa: S105 (a kind, no secret)
    SSH_KEY = "ssh-key"


class RotateAt(StrEnum):
    """When a credential changes by itself: right after each login and at close, or at close only."""

    LOGIN = "login"
    CLOSE = "close"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Exactly where a session may go: all that a statement says of it, and nothing that a name service decides alone.

    `host_key` is how the target is known: for SSH one public key in OpenSSH's form, `ssh-ed25519 AAAA…`, without a
    comment; for the others `x509 MII…`, one certificate (DER in base64), which is the target's own or the CA's that
    issued it. `connector` is empty when the node reaches the target directly.
    """

    protocol: Protocol
    host: str
    port: int
    host_key: str
    connector: str = ""

    def __str__(self) -> str:
        return f"{self.protocol}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """An administrative domain: what falls together when its own sign-in fails."""

    id: DomainId
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    id: TargetId
    name: str
    """Short name in lower case, as it stands in `alice+name`."""
    domain: DomainId
    environment: Environment
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRules:
    """What the target takes as a password. The default leaves about 190 bits and nothing that a shell or prompt
    eats.
    """

    length: int = 32
    alphabet: str = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_.+="


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: AccountId
    name: str
    """Short name, unique on its target, as it stands in `alice+account+target`."""
    target: TargetId
    username: str
    """The login's name on the target."""
    justification: str
    scenario: str
    """The disaster that it is for."""
    policy: str
    rotator: str
    rotator_options: dict[str, str] = field(default_factory=dict)
    rotate_at: RotateAt = RotateAt.LOGIN
    rotate_every: timedelta | None = None
    """The longest that a secret stays without use."""
    secret: SecretKind = SecretKind.PASSWORD
    password: PasswordRules = field(default_factory=PasswordRules)
    kit: bool = False
    """Whether its credential is in the emergency kit."""
    rotates_with: tuple[AccountId, ...] = ()
    """Accounts that depend on this one: each change here owes one there."""
    helper: AccountId | None = None
    """A privileged account on the same target that acts for this one where it can't sign in itself: to enable it, and
    to reset its secret when no stored one works."""
    dormant: bool = False
    """Disabled on its target between uses."""
