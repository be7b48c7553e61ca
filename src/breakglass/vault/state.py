"""What the vault remembers: pins, the log's high-water mark, grants, what was used up. One small file with a MAC.

    breakglass-vault-state-v1 <HMAC-SHA-256 of the rest, hex>
    { canonical JSON }

The MAC's key comes from the root key, so nobody writes a state without it. What it can't tell is the *age* of a state:
who writes the vault's folder can put an older one back, whole, and so revive a grant that was voided since, till its
`not_after` (a limit to say openly). A `State` is a value: a change is written first and adopted afterwards, so that a
full disk changes nothing.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from breakglass.codec import canonical, instant
from breakglass.errors import BreakglassError, Tampered
from breakglass.model.secret import Secret
from breakglass.vault.files import read_file, replace_file

FILE = "state.json"
TITLE = b"breakglass-vault-state-v1 "
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
PEOPLE_KEPT_FOR = timedelta(days=400)
"""How long after its end a grant's people and sessions are known, to judge who may replay the recordings."""
NONCES_KEPT_FOR = timedelta(days=1)
USED_KEPT_FOR = timedelta(minutes=10)
_MAC = 64
_LOG = ("log", "log_since", "log_before")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The log's high-water mark: no log of fewer entries, or with another beginning, is believed any more."""

    size: int
    root: str
    """Hex of RFC 6962's root at `size`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One grant that was given. `token` and `terms` go when its time is over; the people stay, for the replay."""

    request: str
    account: str
    requester: str
    approvers: tuple[str, ...]
    opened_at: datetime
    not_after: datetime
    token: str
    terms: Mapping[str, str]
    voided: bool = False
    sessions: tuple[str, ...] = ()

    @property
    def people(self) -> frozenset[str]:
        return frozenset({self.requester, *self.approvers})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """The versions of an account's credential that were replaced; so the log says, the last time in this entry.

    One by one and not as a limit: a candidate of a rotation that hangs can become the current credential after a
    custodian stored a later one. They are kept as ranges, since nearly always they follow each other.
    """

    versions: tuple[tuple[int, int], ...] = ()
    """First and last of each range, in their order, with a gap between two of them."""
    index: int = -1

    def __contains__(self, version: int) -> bool:
        return any(first <= version <= last for first, last in self.versions)

    def with_version(self, version: int, index: int) -> "Retired":
        """With one more; `index` is its entry's."""
        joined: list[tuple[int, int]] = []
        for first, last in sorted((*self.versions, (version, version))):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        return Retired(versions=tuple(joined), index=max(self.index, index))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    deployment: str
    origin: str
    seal: str = ""
    """Hex SHA-256 of seal.json: a custodians' slot that was spoilt shows when the key file opens the vault."""
    next_seal: str = ""
    """That of the seal.json which is about to take its place, so that a crash in between leaves one that fits."""
    founding: str = ""
    """Hex SHA-256 of roster version 0; empty until it is pinned."""
    roster: int = -1
    """Version of the pinned roster head; -1 until there is one."""
    roster_hash: str = ""
    log: int = 1
    """Which log of the deployment it signs (trust.next_log)."""
    log_since: int = 0
    """Entries of the log before, with which this one began: neither they nor statements over them serve any more."""
    log_before: str = ""
    """The last head that the vault knew of the log before, a signed note; empty in the first log."""
    mark: Mark
    latest: datetime = LONG_AGO
    grants: Mapping[str, Given] = field(default_factory=dict)
    spent: frozenset[str] = frozenset()
    """Requests whose grants are forgotten: none of them ever gets another one."""
    voided: Mapping[str, datetime] = field(default_factory=dict)
    """Grant ids that were voided before the vault knew them, and how long to remember that."""
    nonces: Mapping[str, datetime] = field(default_factory=dict)
    """Nonces of used statements, with the statement's end."""
    used: Mapping[int, datetime] = field(default_factory=dict)
    """Log entries that served a release, with their instant."""
    floor: int = 0
    """Entries below it serve no release any more."""
    retired: Mapping[str, Retired] = field(default_factory=dict)
    """Of each account whose credential was ever replaced: these versions open no session any more."""

    def knows_seal(self, hashed: str) -> bool:
        """Whether this is the seal.json of this state: by its hex SHA-256."""
        return bool(hashed) and hashed in (self.seal, self.next_seal)

    def by_request(self, request: str) -> tuple[str, Given] | None:
        return next(((id, one) for id, one in self.grants.items() if one.request == request), None)

    def by_session(self, session: str) -> Given | None:
        return next((one for one in self.grants.values() if session in one.sessions), None)

    def tidied(self, now: datetime) -> "State":
        """Without what nobody can need at `now`. Forgetting never makes anything usable again."""
        kept = {
            id: one if now < one.not_after or not one.token else replace(one, token="", terms={})
            for id, one in self.grants.items()
            if now - PEOPLE_KEPT_FOR < one.not_after
        }
        stale = [index for index, at in self.used.items() if at < now - USED_KEPT_FOR]
        return replace(
            self,
            grants=kept,
            voided={id: until for id, until in self.voided.items() if now < until},
            spent=self.spent | {one.request for id, one in self.grants.items() if id not in kept},
            nonces={nonce: end for nonce, end in self.nonces.items() if now - NONCES_KEPT_FOR < end},
            used={index: at for index, at in self.used.items() if index not in stale},
            # Entries are logged in the order of their instants, so what lies below a stale one is stale itself.
            floor=max([self.floor, *(index + 1 for index in stale)]),
        )


class StateFile:
    """The file, and the key of its MAC."""

    def __init__(self, folder: Path, key: Secret) -> None:
        self._path, self._key = folder / FILE, key

    def read(self) -> State:
        """Raises `Tampered` for a MAC or a shape that does not fit."""
        content = read_file(self._path)
        head, line_feed, body = content.partition(b"\n")
        if not line_feed or not hmac.compare_digest(head, TITLE + self._mac(body)):
            raise _tampered("its MAC does not fit")
        try:
            return _from_json(canonical.read(body))
        except (BreakglassError, KeyError, TypeError, ValueError, AttributeError):
            raise _tampered("it has another shape") from None

    def write(self, state: State) -> None:
        """Raises `Unavailable`; then the old state stands."""
        body = canonical.write(_to_json(state))
        replace_file(self._path, TITLE + self._mac(body) + b"\n" + body)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key.reveal(), body, "sha256").hex().encode()


def seems_to_know_seal(folder: Path, hashed: str) -> bool:
    """The same of the state in a folder, for who has no key to prove it: good enough to tell a torn copy."""
    try:
        found = canonical.read(read_file(folder / FILE).partition(b"\n")[2])
        return hashed in (found["seal"], found.get("next_seal"))
    except (BreakglassError, KeyError, TypeError, AttributeError):
        return False


def _to_json(state: State) -> dict[str, Any]:
    return {
        "deployment": state.deployment,
        "origin": state.origin,
        "seal": state.seal,
        **({"next_seal": state.next_seal} if state.next_seal else {}),
        "founding": state.founding,
        "roster": state.roster,
        "roster_hash": state.roster_hash,
        **_log_json(state),
        "mark": {"size": state.mark.size, "root": state.mark.root},
        "latest": instant.write(state.latest),
        "grants": {
            id: {
                "request": one.request,
                "account": one.account,
                "requester": one.requester,
                "approvers": list(one.approvers),
                "opened_at": instant.write(one.opened_at),
                "not_after": instant.write(one.not_after),
                "token": one.token,
                "terms": dict(one.terms),
                "voided": one.voided,
                "sessions": list(one.sessions),
            }
            for id, one in state.grants.items()
        },
        "spent": sorted(state.spent),
        "voided": {id: instant.write(until) for id, until in state.voided.items()},
        "nonces": {nonce: instant.write(end) for nonce, end in state.nonces.items()},
        "used": {str(index): instant.write(at) for index, at in state.used.items()},
        "floor": state.floor,
        **({"retired": _retired_json(state.retired)} if state.retired else {}),
    }


def _log_json(state: State) -> dict[str, Any]:
    return {name: getattr(state, name) for name in _LOG} if state.log > 1 else {}


def _retired_json(retired: Mapping[str, Retired]) -> dict[str, Any]:
    return {
        account: {"versions": [list(span) for span in one.versions], "index": one.index}
        for account, one in retired.items()
    }


def _from_json(value: dict[str, Any]) -> State:
    # The MAC has proven who wrote it: this reading only has to notice the state of another version of this program.
    state = State(
        deployment=value["deployment"],
        origin=value["origin"],
        seal=value["seal"],
        next_seal=value.get("next_seal", ""),
        founding=value["founding"],
        roster=value["roster"],
        roster_hash=value["roster_hash"],
        **{name: value[name] for name in _LOG if name in value},
        mark=Mark(size=value["mark"]["size"], root=value["mark"]["root"]),
        latest=instant.read(value["latest"]),
        grants={
            id: Given(
                request=one["request"],
                account=one["account"],
                requester=one["requester"],
                approvers=tuple(one["approvers"]),
                opened_at=instant.read(one["opened_at"]),
                not_after=instant.read(one["not_after"]),
                token=one["token"],
                terms=one["terms"],
                voided=one["voided"],
                sessions=tuple(one["sessions"]),
            )
            for id, one in value["grants"].items()
        },
        spent=frozenset(value["spent"]),
        voided={id: instant.read(until) for id, until in value["voided"].items()},
        nonces={nonce: instant.read(end) for nonce, end in value["nonces"].items()},
        used={int(index): instant.read(at) for index, at in value["used"].items()},
        floor=value["floor"],
        retired={
            account: Retired(versions=tuple((first, last) for first, last in one["versions"]), index=one["index"])
            for account, one in value.get("retired", {}).items()
        },
    )
    if _to_json(state) != value:
        raise ValueError("left over members")
    return state


def _tampered(why: str) -> Tampered:
    return Tampered(
        f"The vault's {FILE} was changed, or belongs to another vault: {why}.",
        what_to_do="Stop. Restore the vault folder from a backup; call the custodians and the auditors.",
    )
