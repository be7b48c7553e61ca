"""A deployment around a vault: people with keys, a roster, a log that is a list, and a clock that stands still."""

import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.codec import canonical, instant, sshsig, sshwire
from breakglass.codec.note import parse_checkpoint
from breakglass.codec.note import verify as verify_note
from breakglass.model.ids import CredentialId
from breakglass.model.target import Endpoint
from breakglass.trust import clock
from breakglass.trust import roster as rosters
from breakglass.trust.chain import Version, next_line
from breakglass.trust.chain import subject as roster_subject
from breakglass.trust.roster import Roster
from breakglass.trust.statement import NAMESPACE, Kind, Signed, Statement
from breakglass.trust.terms import terms
from breakglass.trust.tree import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    subtree_root,
)
from breakglass.vault.asking import Deposited
from breakglass.vault.core import Vault
from breakglass.vault.evidence import Evidence
from breakglass.vault.line import Behind
from breakglass.vault.making import Made, make

NOW = datetime(2026, 11, 23, 21, 0, 30, 250_000, tzinfo=UTC)
FOUNDED = datetime(2020, 1, 1, tzinfo=UTC)
DEPLOYMENT = "dep_test"
ORIGIN = "log.example.test/breakglass"
PLACE = "acc_db1-root"
OTHER_PLACE = "acc_db2-root"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


def public_line(key: Ed25519PrivateKey) -> str:
    return "ssh-ed25519 " + b64encode(sshwire.ed25519_blob(key.public_key())).decode()


def fingerprint(key: Ed25519PrivateKey) -> str:
    return sshwire.fingerprint(sshwire.ed25519_blob(key.public_key()))


def sign(statement: Statement, key: Ed25519PrivateKey) -> Signed:
    text = statement.text()
    return Signed(text, sshsig.sign_ed25519(key, text.encode(), NAMESPACE))


@dataclass
class StillClock:
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def go(self, **by: float) -> None:
        self.at += timedelta(**by)


class ListLog:
    """The log as a node keeps it: leaves, and the checkpoints that the vault gave for what was committed."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.notes: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        return len(self.leaves)

    def hash_of(self, start: int, end: int) -> bytes:
        hashes = [leaf_hash(one) for one in self.leaves[start:end]]
        if end - start > 1:
            split = 1 << ((end - start - 1).bit_length() - 1)
            return subtree_root([self.hash_of(start, start + split), self.hash_of(start + split, end)])
        return subtree_root(hashes)

    def root(self, size: int | None = None) -> bytes:
        return self.frontier(size).root()

    def frontier(self, size: int | None = None) -> Frontier:
        tree = Frontier()
        for one in self.leaves[:size]:
            tree.add(leaf_hash(one))
        return tree

    def catch_up(self, vault: Any, mark: int) -> None:
        proof = consistency_proof(mark, self.size, self.hash_of) if 0 < mark < self.size else []
        vault.catch_up(self.size, self.frontier().packed(), proof)

    def append(self, vault: Any, *leaves: bytes, commit: bool = True) -> bytes:
        """As a node does it: sign inside the transaction, and the leaves stay only when it commits."""
        hashes = [leaf_hash(one) for one in leaves]
        try:
            note = vault.sign(self.size, hashes, self.frontier().packed())
        except Behind as behind:
            self.catch_up(vault, behind.mark)
            note = vault.sign(self.size, hashes, self.frontier().packed())
        if commit:
            self.leaves += leaves
            self.notes[self.size] = note
        return bytes(note)

    def evidence(self, index: int, size: int | None = None) -> Evidence:
        size = size or self.size
        return Evidence(
            leaf=self.leaves[index],
            index=index,
            size=size,
            proof=tuple(inclusion_proof(index, size, self.hash_of)),
            note=self.notes[size],
        )


def event(kind: str, about: str, at: datetime, **data: Any) -> bytes:
    one = {
        "v": 1,
        "kind": kind,
        "at": at.isoformat(timespec="microseconds"),
        "by": "sys_node",
        "about": about,
        "data": data,
    }
    return json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()


def estate(keys: dict[str, Ed25519PrivateKey]) -> dict[str, Any]:
    """Everything of the roster but its head. `keys` may hold a second key of somebody as `bo2`."""

    def person(name: str, roles: Sequence[str], groups: Sequence[str] = (), *more: str) -> dict[str, Any]:
        return {
            "login": name,
            "name": name.capitalize(),
            "department": "Operations",
            "roles": list(roles),
            "groups": list(groups),
            "keys": [
                {"public": public_line(keys[one]), "label": one, "approves_from": instant.write(FOUNDED)}
                for one in (name, *more)
            ],
        }

    def account(target: str) -> dict[str, Any]:
        return {
            "name": "root",
            "target": target,
            "username": "root",
            "justification": "Repairs without the directory.",
            "scenario": "The directory is down.",
            "policy": "pol_two",
            "rotator": "linux-password",
        }

    def target(name: str) -> dict[str, Any]:
        return {
            "name": name,
            "domain": "dom_main",
            "environment": "production",
            "host": f"{name}.example.test",
            "port": 22,
            "host_key": public_line(keys["host"]),
        }

    return {
        "changes": [{"group": "board", "count": 1}],
        "groups": ["board", "responders", "security"],
        "people": {
            "usr_alice": person("alice", ["requester"]),
            "usr_bo": person("bo", ["requester", "approver"], ["responders"], "bo2"),
            "usr_cy": person("cy", ["approver"], ["responders", "security"]),
            "usr_di": person("di", ["approver", "auditor"], ["security"]),
            "usr_ed": person("ed", ["custodian"], ["board"]),
            "usr_flo": person("flo", ["custodian"], ["board"]),
            "usr_gus": person("gus", ["auditor"]),
            "usr_hal": person("hal", ["auditor", "requester"]),
        },
        "domains": {"dom_main": {"name": "Main"}},
        "targets": {"tgt_db1": target("db1"), "tgt_db2": target("db2")},
        "accounts": {PLACE: account("tgt_db1"), OTHER_PLACE: account("tgt_db2")},
        "conditions": {"cnd_down": {"title": "The directory is down", "playbook": "Call somebody first."}},
        "policies": {
            "pol_two": {
                "quorum": [{"group": "responders", "count": 1}, {"group": "security", "count": 1}],
                "max_seconds": 14400,
                "decide_seconds": 86400,
                "permissions": ["shell", "exec"],
            }
        },
    }


NAMES = ("alice", "bo", "bo2", "cy", "di", "ed", "flo", "gus", "hal", "host", "stranger")


@dataclass
class World:
    home: Path
    clock: StillClock
    made: Made
    keys: dict[str, Ed25519PrivateKey]
    vault: Any
    """A `Vault`, or a client of one."""
    log: ListLog = field(default_factory=ListLog)
    versions: list[Version] = field(default_factory=list)
    estate: dict[str, Any] = field(default_factory=dict)

    # -- people -------------------------------------------------------------------------------------------------------
    @property
    def roster(self) -> Roster:
        return rosters.parse(self.versions[-1].document)

    def statement(self, kind: Kind, subject: str, by: str, facts: dict[str, str], **changed: Any) -> Statement:
        roster = self.roster if self.versions else None
        person = f"usr_{by.rstrip('2')}"
        one = Statement(
            kind=kind,
            deployment=DEPLOYMENT,
            subject=subject,
            person=person,
            key=fingerprint(self.keys[by]),
            roster_version=roster.version if roster else 0,
            roster_hash=roster.hash if roster else "",
            log_size=self.log.size,
            log_root=b64encode(self.log.root()).decode(),
            nonce=secrets.token_hex(16),
            not_after=self.clock.at.replace(microsecond=0) + timedelta(hours=1),
            facts=facts,
        )
        return replace(one, **changed)

    def terms(self, **changed: Any) -> dict[str, str]:
        given: dict[str, Any] = {
            "requester": "usr_alice",
            "key": fingerprint(self.keys["alice"]),
            "account": PLACE,
            "condition": "cnd_down",
            "reason": "Users can't sign in.",
            "duration": timedelta(hours=1),
        }
        return terms(self.roster, **{**given, **changed}).facts()

    def approval(self, by: str, request: str = "req_1", facts: dict[str, str] | None = None, **changed: Any) -> Signed:
        return sign(self.statement(Kind.APPROVE, request, by, facts or self.terms(), **changed), self.keys[by])

    def approvals(self, request: str = "req_1", *by: str) -> list[Signed]:
        return [self.approval(one, request) for one in by or ("bo", "di")]

    def replay(self, by: str, session: str, stream: str = "screen", **changed: Any) -> Signed:
        facts = {"session": session, "stream": stream}
        return sign(self.statement(Kind.REPLAY, session, by, facts, **changed), self.keys[by])

    def clock_word(self, by: str, at: datetime | None = None, **changed: Any) -> Signed:
        facts = {"now": instant.write(at or self.clock.at)}
        return sign(self.statement(Kind.CLOCK, clock.subject(DEPLOYMENT), by, facts, **changed), self.keys[by])

    def override(self, by: str, until: datetime | None = None, **changed: Any) -> Signed:
        end = until or self.clock.at.replace(microsecond=0) + timedelta(hours=4)
        facts = {"until": instant.write(end), "because": "The link to the witnesses is cut."}
        said = self.statement(Kind.OVERRIDE, f"{DEPLOYMENT}/witnesses", by, facts, not_after=end)
        return sign(replace(said, **changed), self.keys[by])

    # -- roster -------------------------------------------------------------------------------------------------------
    def document(self, body: dict[str, Any], version: int, previous: str, at: datetime) -> bytes:
        public = self.made.public
        return canonical.write(
            {
                "format": "breakglass-roster-v1",
                "deployment": DEPLOYMENT,
                "origin": ORIGIN,
                "version": version,
                "previous": previous,
                "issued_at": instant.write(at),
                "keys": {"log": public.log, "grant": public.grant, "recording": public.recording},
                **body,
            }
        )

    def version_of(self, document: bytes, *signers: str, **changed: Any) -> Version:
        after = rosters.parse(document)
        held = self.roster if self.versions else after
        facts = {"next": next_line(after), "changes": "as told"}
        named = {"roster_version": held.version, "roster_hash": held.hash, **changed}
        return Version(
            document,
            tuple(
                sign(self.statement(Kind.ROSTER, roster_subject(after), by, facts, **named), self.keys[by])
                for by in signers
            ),
        )

    def founding(self) -> Version:
        return self.version_of(self.document(self.estate, 0, "", FOUNDED), "ed", "flo")

    def next_version(self, edit: Callable[[dict[str, Any]], None], *signers: str) -> Version:
        """Change the estate by a signed version; the vault is not told."""
        self.estate = deepcopy(self.estate)
        edit(self.estate)
        roster = self.roster
        version = self.version_of(
            self.document(self.estate, roster.version + 1, roster.hash, self.clock.at), *(signers or ("ed",))
        )
        self.versions.append(version)
        return version

    def change(self, edit: Callable[[dict[str, Any]], None], *signers: str) -> None:
        self.vault.load_roster([self.next_version(edit, *signers)])

    # -- the node's part ----------------------------------------------------------------------------------------------
    def found(self) -> None:
        self.versions = [self.founding()]
        self.vault.load_roster(self.versions, found_pin=self.roster.hash)

    def approved(self, request: str = "req_1") -> Evidence:
        self.log.append(self.vault, event("request.approved", request, self.clock.at))
        return self.log.evidence(self.log.size - 1)

    def open_grant(self, grant: str = "grt_1", request: str = "req_1", *by: str) -> str:
        approvals = self.approvals(request, *by)
        return str(self.vault.open_grant(grant, request, approvals, self.approved(request)))

    def told(self, about: str, **data: Any) -> Evidence:
        """Tell the log of a release."""
        self.log.append(self.vault, event("secret.release", about, self.clock.at, **data))
        return self.log.evidence(self.log.size - 1)

    def told_session(self, session: str = "ses_1", grant: str = "grt_1", account: str = PLACE) -> Evidence:
        return self.told(session, purpose="session", account=account, grant=grant)

    def endpoint(self, account: str = PLACE) -> Endpoint:
        return self.roster.endpoint_of(self.roster.account(account))

    def deposit(self, account: str = PLACE, credential: str = "crd_1", version: int = 1) -> Deposited:
        return Deposited(
            credential=CredentialId(credential), version=version, blob=self.vault.mint(account, credential, version)
        )

    def release(self, token: str, session: str = "ses_1", deposited: Deposited | None = None, **changed: Any) -> Any:
        given: dict[str, Any] = {
            "token": token,
            "endpoint": self.endpoint(),
            "deposited": deposited or self.deposit(),
            "session": session,
            "evidence": changed.get("evidence") or self.told_session(session),
        }
        return self.vault.release_session(**{**given, **changed})

    # -- the vault ----------------------------------------------------------------------------------------------------
    @property
    def folder(self) -> Path:
        return self.home / "vault"

    def restart(self) -> Vault:
        """The process dies without a word, and is started anew."""
        self.vault = Vault(self.folder, wall=self.clock)
        assert self.vault.try_local_slots()
        self.vault.load_roster(self.versions)
        return self.vault

    def checkpoint(self, note: bytes) -> tuple[int, bytes]:
        found = parse_checkpoint(verify_note(note, [self.made.public.log]).text)
        return found.size, found.root


def new_keys() -> dict[str, Ed25519PrivateKey]:
    return {name: Ed25519PrivateKey.generate() for name in NAMES}


def new_world(home: Path, *, found: bool = True) -> World:
    """A vault in this process that has its roster."""
    made = make(home / "vault", DEPLOYMENT, ORIGIN, k=2, n=3, key_file=home / "seal.key")
    keys, clock = new_keys(), StillClock()
    vault = Vault(home / "vault", wall=clock)
    assert vault.try_local_slots()
    world = World(home=home, clock=clock, made=made, keys=keys, vault=vault, estate=estate(keys))
    if found:
        world.found()
    return world
