"""What a node brings with its calls, as values: shared by the vault's process and by `client`."""

from dataclasses import dataclass
from enum import StrEnum

from breakglass.model.ids import CredentialId
from breakglass.trust.statement import Signed
from breakglass.vault.evidence import Evidence


class Purpose(StrEnum):
    """The closed list of what a secret is released for (trust.md)."""

    SESSION = "session"
    ROTATION = "rotation"
    PROBE = "probe"
    HELP = "help"
    """A privileged account acts for another one of its target, as the roster says."""
    REPLAY = "replay"
    KIT = "kit"


class SlotAct(StrEnum):
    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotChange:
    """What is to happen to one slot of the seal. Only what its kind needs is filled."""

    act: SlotAct
    kind: str
    key_file: str = ""
    """`file`: where the key lies, or is to lie; empty: where the vault's settings say."""
    token: str = ""
    """`pkcs11`: the token's label."""
    key: str = ""
    """`pkcs11`: the label of its AES key, which is made if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited:
    """One version of an account's secret, as the vault sealed it; `version` counts from 1."""

    credential: CredentialId
    version: int
    blob: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A deposited secret, and whose it is."""

    account: str
    deposited: Deposited


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A grant that another node's vault gave."""

    token: str
    approvals: tuple[Signed, ...]
    """All approvals of its request."""
    entry: Evidence
    """The log entry that it was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Whose session it was, for a vault that has forgotten (a restored state, or over 400 days later)."""

    entry: Evidence
    """The log entry of the release to that session."""
    token: str
    approvals: tuple[Signed, ...]
    """All approvals of the grant's request."""
