"""What people see: one shape for the API's JSON, for `--json`, for the terminal, and later for pages.

Plain values only: no secret, no grant token and no sealed blob has a place here. Instants are aware UTC, people and
accounts stand by name beside their ids, and `sentence` says in words what the rest says in fields. This module imports
nothing of ours, so that the command line can read an answer without loading a database.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    id: str
    login: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An account on its target."""

    account: str
    """Its id."""
    name: str
    username: str
    target: str
    """The short name that people type."""
    environment: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A part of a quorum that is still missing: so many of this group, and who they could be."""

    group: str
    count: int
    people: tuple[Who, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    id: str
    by: Who
    place: Place
    condition: str
    condition_title: str
    reason: str
    minutes: int
    asked_at: datetime
    decide_by: datetime
    state: str
    approved_by: tuple[Who, ...]
    needs: tuple[Need, ...]
    grant: str
    """Its id; empty while there is none."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    by: Who
    at: datetime
    statement: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    id: str
    request: str
    to: Who
    key: str
    """Fingerprint of the only key that it lets in."""
    place: Place
    opened_at: datetime
    ends_at: datetime
    state: str
    connect: str
    """The whole command; empty once the grant has ended."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    id: str
    state: str
    size: int
    chunks: int
    head: str
    lost: str
    """Why its file can't be played; empty while it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: str
    grant: str
    by: Who
    place: Place
    from_address: str
    node: str
    started_at: datetime
    ended_at: datetime | None
    state: str
    why: str
    recording: Recording | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    id: str
    place: Place
    because: str
    grant: str
    state: str
    tries: int
    owed_at: datetime
    next_at: datetime
    done_at: datetime | None
    problem: str
    remains: str
    proof: tuple[str, ...]
    """Both proofs in words, once they are there: the new one's, then the old one's."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    id: str
    request: str
    grant: str
    place: Place
    opened_at: datetime
    due_at: datetime
    state: str
    by: Who | None
    classification: str
    summary: str
    signed_at: datetime | None
    recordings: str
    """What the signed statement names; empty before."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a review's checklist."""

    name: str
    done: bool
    what_to_do: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPage:
    review: Review
    request: Request
    sessions: tuple[Session, ...]
    rotations: tuple[Rotation, ...]
    items: tuple[Item, ...]
    """As they stand for the person who asks."""
    may_sign: bool
    """False for whoever asked or approved, and for everybody who is no auditor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sentence of the ticket."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the log, in a sentence."""

    index: int
    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPage:
    request: Request
    playbook: str
    approvals: tuple[Approval, ...]
    grant: Grant | None
    sessions: tuple[Session, ...]
    review: Review | None
    ticket: tuple[Line, ...]
    timeline: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Releases go on without the witnesses, or a custodian wants it."""

    title: str
    sentence: str
    yours: bool
    """It waits for this person's signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The home page: Am I in? What am I waiting for? What's next?"""

    now: datetime
    person: Who
    roles: tuple[str, ...]
    sealed: bool
    alarm: str
    """What the vault found wrong with the log; then nothing else matters."""
    clock: str = ""
    """What is wrong with the clock, and what to do; empty while it runs."""
    override: Override | None = None
    am_i_in: str
    waiting_for: str
    whats_next: str
    grants: tuple[Grant, ...]
    """Live ones of this person."""
    requests: tuple[Request, ...]
    """Of this person: undecided, or approved and without a grant yet."""
    to_decide: tuple[Request, ...]
    """Waiting for this person's word."""
    sessions: tuple[Session, ...]
    """That run now: one's own, and everybody's for those who watch over them."""
    rotations: tuple[Rotation, ...]
    """Owed."""
    reviews: tuple[Review, ...]
    """Owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A signed text: evidence that anybody can check with `ssh-keygen -Y verify`."""

    text: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    version: int
    hash: str
    document: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    id: str
    version: int
    by: Who
    at: datetime
    changes: str
    signed_by: tuple[Who, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    index: int
    at: datetime
    kind: str
    about: str
    by: str
    data: dict[str, str | int | bool]
    """As the leaf has it, with its private values, but for a grant's token."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEntry:
    """An entry and its place in the tree (RFC 9162, 2.1.3), for somebody who does not trust this server."""

    entry: Entry
    leaf: str
    """The exact text; empty where it holds a grant's token."""
    opened: dict[str, tuple[str, str]]
    """Salt (hex) and value of what the leaf commits to, by name, unless erased (docs/formats/log.md)."""
    leaf_hash: str
    """Hex of SHA-256(0x00, leaf)."""
    size: int
    """Of the tree that the checkpoint covers."""
    proof: tuple[str, ...]
    """Hex hashes, leaf to root."""
    checkpoint: str
    """The signed note (C2SP tlog-checkpoint)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    size: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A place elsewhere that keeps the log's checkpoints."""

    name: str
    every_seconds: int
    size: int
    """Entries under the last one that it took; 0 for none."""
    at: datetime | None
    late: bool
    """Nothing for longer than there should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vault:
    sealed: bool
    shares_entered: int
    shares_needed: int
    shares: int
    problem: str = ""
    alarm: str = ""
    """What it found wrong with the log: evidence does not fit together."""
    clock_frozen: bool = False
    log_mark: int = 0
    """Entries of the log up to the last head that the vault has signed and confirmed."""
    kek: int = 0
    """Number of the key-encryption key that new secrets are sealed under; 0 while sealed."""
    keks: int = 0
    """How many are not retired: more than one while stored secrets move to the newest."""
    share_set: str = ""
    """The set whose shares open it, as each of them begins."""
    rekey_set: str = ""
    """A new set that was handed out and waits to be proven."""
    rekey_entered: tuple[int, ...] = ()
    """Numbers of its shares that were proven so far, of `rekey_shares`."""
    rekey_shares: int = 0
    entered: tuple[int, ...] = ()
    """Numbers of the shares that were entered to this attempt to unseal it."""
    attempt: str = ""
    """The attempt's name: whoever enters a share says to which one."""
    slots: tuple[str, ...] = ()
    """What opens it: `custodians` always; `file` and `pkcs11` without people."""
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One way to open the vault, as it was tried just now."""

    kind: str
    where: str
    opens: bool | None
    """None: only people could say, by entering their shares."""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekey:
    """New shares, each closed to the key that was brought for it (codec.share_box)."""

    set: str
    needed: int
    boxes: tuple[str, ...]
    """Base64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The server's clock, and custodians' word about it."""

    wrong: bool
    """It stands before what was logged or what the vault has seen: nothing is granted or released."""
    says: datetime
    seen: datetime
    """The latest instant of the log; what counts as now."""
    signed_by: tuple[Who, ...]
    """Custodians who have confirmed what it says, and wait for others."""
    needed: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What everybody may know of this node."""

    version: str
    deployment: str
    origin: str
    demo: bool
    sealed: bool
    sentence: str
