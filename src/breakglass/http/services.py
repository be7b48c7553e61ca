"""What the API is given by `app`: the store, the estate, the vault's client, and the acts that need a secret's
release.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from breakglass.config import Settings
from breakglass.flow.estate import Estate
from breakglass.gateway.browser import Socket
from breakglass.gateway.desk import Caller
from breakglass.gateway.login import Login
from breakglass.model.ids import SessionId
from breakglass.model.people import Actor
from breakglass.model.secret import Secret
from breakglass.model.target import AccountId
from breakglass.storage.store import Store
from breakglass.vault.client import VaultClient
from breakglass.views.anchors import ExpectedAnchor


class Replay(Protocol):
    async def __call__(self, actor: Actor, session: SessionId, signature: str, text: str | None) -> bytes:
        """The recording as asciicast v3, for an auditor's replay statement. Told to the log first."""
        ...


class Kits(Protocol):
    async def make(self) -> bool:
        """Have the kit made that custodians signed for; False while too few did, or when the vault refuses it."""
        ...

    async def file(self, number: int, copy: int) -> bytes:
        """A copy of a kit, encrypted, as it was issued. Raises `NotFound`, `Tampered`."""
        ...


class DemoDesk(Protocol):
    """What only a demo has: its people's keys at hand, so that one person can play all of them."""

    def take(self, code: str) -> str | None:
        """The login that a one-time code signs in; None for one that is used up or never was."""
        ...

    def sign(self, person: str, text: str) -> str:
        """An armoured signature by the demo key of this person (`usr_…`); empty for somebody without one."""
        ...

    async def tamper(self) -> tuple[int, str]:
        """Change one byte of a copy of the log and verify that: which entry, and what the verifier says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    store: Store
    estate: Estate
    vault: VaultClient
    settings: Settings
    replay: Replay
    deposit: Callable[[Actor, AccountId, Secret], Awaitable[int]]
    """Seal and store a credential for a custodian; returns its version."""
    roster_adopted: Callable[[], Awaitable[None]]
    """Tell the vault and the door about a version that was just adopted."""
    verify_log: Callable[[], Awaitable[dict[str, object]]]
    """Verify the log in a process of its own; the result as `audit verify --json` prints it."""
    witnessed: Callable[[int], Awaitable[None]]
    """Wait for the roster's witnesses to see the log up to this size; not long, and not where there are none."""
    kits: Kits | None = None
    """Emergency kits; None: this node makes none."""
    anchors: Sequence[ExpectedAnchor] = ()
    """Where the settings have the log's checkpoints go."""
    last_verification: Callable[[], tuple[datetime, dict[str, object]] | None] = lambda: None
    """When this node verified its log last, and what it found; None for never."""
    terminal: Callable[[Caller, Login, tuple[int, int], Socket], Awaitable[None]] | None = None
    """Run one terminal of a browser, from its first message to its end; None: this node has no gateway."""
    demo: DemoDesk | None = None
    alarm: Callable[[], str] = str
    """What the vault found wrong with the log, in words; empty while all is well."""
    ssh_at: Callable[[], tuple[str, int]] | None = None
    """Host and port at which the SSH door really listens; None: as the settings say."""
