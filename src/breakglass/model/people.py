"""People: who they are, what they may be, and the keys with which they sign.

Roles say what somebody may do in the product, groups say whose word counts towards which quorum. The system acts too
(the sweeper, the rotation engine); it has one role that no person can have.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from breakglass.model.ids import UserId


class Role(StrEnum):
    REQUESTER = "requester"
    APPROVER = "approver"
    CUSTODIAN = "custodian"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    SYSTEM = "system"


PERSONAL = frozenset(Role) - {Role.SYSTEM}
"""Roles that a roster may give to a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """Where a passkey's signature counts: which credential it is, and on whose pages it may be asked."""

    credential: str
    """Base64url, as browsers name it."""
    rp: str
    """The domain that it was made for."""
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key that speaks for a person: an SSH key, or a passkey."""

    fingerprint: str
    public: str
    """OpenSSH's form without a comment; a passkey's COSE key in base64url."""
    label: str
    approves_from: datetime
    """A new key signs nobody in to a quorum before this instant (trust.md: 72 hours, unless approvers
    countersigned).
    """
    passkey: Passkey | None = None
    """None for an SSH key. A passkey opens no SSH door, and an SSH key signs on no page."""

    def was(self, before: "Key") -> bool:
        """Whether whatever counts by this key counted by `before` too: the same key, on no more pages."""
        if self.passkey is None or before.passkey is None:
            return (self.fingerprint, self.passkey) == (before.fingerprint, before.passkey)
        now, then = self.passkey, before.passkey
        same = (self.fingerprint, now.credential, now.rp) == (before.fingerprint, then.credential, then.rp)
        return same and set(now.origins) <= set(then.origins)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    id: UserId
    login: str
    name: str
    department: str
    roles: frozenset[Role]
    groups: frozenset[str]
    keys: tuple[Key, ...]
    expires_at: datetime | None = None

    def active(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at

    @property
    def has_ssh_key(self) -> bool:
        return any(key.passkey is None for key in self.keys)

    def key(self, fingerprint: str) -> Key | None:
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts in a step: a person who signed in with a key, or the system."""

    id: UserId
    roles: frozenset[Role]
    key: str = ""
    sign_in: str = ""
    """Which of their sign-ins this is; empty at doors that know none (SSH)."""
    proved_at: datetime | None = None
    """When a key of theirs signed last in this sign-in."""


SYSTEM = Actor(id=UserId("sys_node"), roles=frozenset({Role.SYSTEM}))
