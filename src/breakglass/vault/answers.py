"""What the vault answers, as values: shared by its process and by `client`, which is all that a node sees of it."""

from dataclasses import dataclass
from datetime import datetime

from breakglass.model.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where unsealing stands: `entered` are the numbers of the right shares so far, of `k` that are needed. Whoever
    enters one names the `attempt` that they saw: its shares are forgotten when it takes too long."""

    sealed: bool
    entered: tuple[int, ...]
    k: int
    n: int
    attempt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Which of the new shares were entered; once all `n` of them were, they open the vault."""

    set: str
    entered: tuple[int, ...]
    n: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekey:
    """New shares that wait to be proven, each closed to the key that was brought for it (codec.share_box)."""

    set: str
    k: int
    boxes: tuple[bytes, ...]
    """Share 1, 2, … in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One way to open the vault, and whether it would now."""

    kind: str
    where: str
    opens: bool | None
    """None: only people could say, by entering their shares."""
    problem: str = ""
    """Why it does not open; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KitCopy:
    """One copy of an emergency kit, encrypted; `canary` is a login in it that nobody may ever use."""

    number: int
    canary: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What everybody on the node may know, also while the vault is sealed; then only the first part says something."""

    sealed: bool
    deployment: str
    origin: str
    slots: tuple[str, ...]
    """The kinds of slots that there are: `custodians` always, `file`, `pkcs11`."""
    seal: str
    """A name of the seal as it stands, made of its content: another one after each change."""
    shares: Progress
    problem: str
    """Why a local slot did not open the vault; empty otherwise."""
    log_key: str
    grant_key: str
    recording_key: str
    """Public keys, as `keys.json` has them: while sealed, nothing has proven them."""
    memory_locked: bool
    share_set: str = ""
    """The set whose shares open the vault, by the two words with which each of them begins."""
    rekey_set: str = ""
    """A new set that was handed out and waits to be proven; empty where there is none."""
    rekey_entered: tuple[int, ...] = ()
    """Numbers of its shares that were entered so far, of `rekey_shares`."""
    rekey_shares: int = 0
    kek: int = 0
    """The key-encryption key that new secrets are sealed under."""
    keks: tuple[int, ...] = ()
    """All that are not retired: stored secrets may need any of them."""
    founding: str = ""
    roster: int = -1
    """Version of the pinned roster head; -1 without one."""
    roster_hash: str = ""
    roster_loaded: bool = False
    log: int = 0
    """Which log of the deployment it signs (trust.next_log)."""
    mark: int = 0
    """Entries of the log up to the last confirmed head."""
    mark_root: str = ""
    clock_frozen: bool = False
    wall: datetime | None = None
    """What the vault's clock says, right or wrong."""
    latest: datetime | None = None
    unwitnessed_until: datetime | None = None
    """Custodians let releases go on without the witnesses until then; None where they do not, or it was long ago."""
    grants: int = 0
    """Grants that are live."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A login for one session. Wipe the secret as soon as it is sent."""

    username: str
    secret: Secret
