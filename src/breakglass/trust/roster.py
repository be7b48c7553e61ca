"""The roster: the signed estate. People and keys, targets and pins, accounts, conditions, policies, and who may
change it.

    version 0 ──▶ version 1 ──▶ …      each names the hash of the one before; version n+1 counts only with the
    signatures
                                       that version n asks for (trust.chain); version 0 is pinned by its hash

One canonical JSON document a version (codec.canonical), its hash the SHA-256 of its bytes. Everything that decides
what is opened is read from here and never from a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from breakglass.codec import canonical
from breakglass.errors import Forbidden, Malformed, NotFound
from breakglass.model.condition import Condition
from breakglass.model.custody import Item
from breakglass.model.people import Actor, Person
from breakglass.model.policy import Policy, Quorum
from breakglass.model.target import Account, Domain, Endpoint, Target
from breakglass.trust import items, reading, witnesses
from breakglass.trust.witnesses import NOBODY, Witnesses

DOCUMENT_MAX = 60_000
"""Bytes: a version enters the log whole, and a leaf holds 65,535 (C2SP tlog-tiles)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The vault's public keys: what verifiers of the log, of grants, and writers of recordings need."""

    log: str
    """A signed-note verifier key (vkey)."""
    grant: str
    recording: str
    """Base64 of an X25519 public key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    hash: str
    deployment: str
    origin: str
    version: int
    previous: str
    issued_at: datetime
    keys: Keys
    changes: Quorum
    """Who must sign the next version."""
    people: Mapping[str, Person]
    groups: frozenset[str]
    domains: Mapping[str, Domain]
    targets: Mapping[str, Target]
    accounts: Mapping[str, Account]
    conditions: Mapping[str, Condition]
    policies: Mapping[str, Policy]
    policy_hashes: Mapping[str, str]
    witnesses: Witnesses
    custody: Mapping[str, Item]
    """What lies in safes."""
    _logins: Mapping[str, Person] = field(repr=False)

    def person(self, id: str) -> Person:
        if (found := self.people.get(id)) is None:
            raise NotFound(f"There is no person {id[:60]!r}.", what_to_do="Look at `breakglass estate`.")
        return found

    def login(self, login: str) -> Person | None:
        return self._logins.get(login)

    def account(self, id: str) -> Account:
        if (found := self.accounts.get(id)) is None:
            raise NotFound(
                f"There is no account {id[:60]!r}.", what_to_do="Look at `breakglass estate` for the accounts."
            )
        return found

    def target(self, id: str) -> Target:
        if (found := self.targets.get(id)) is None:
            raise NotFound(
                f"There is no target {id[:60]!r}.", what_to_do="Look at `breakglass estate` for the targets."
            )
        return found

    def condition(self, id: str) -> Condition:
        if (found := self.conditions.get(id)) is None:
            known = ", ".join(sorted(self.conditions))
            raise NotFound(f"There is no condition {id[:60]!r}.", what_to_do=f"Choose one of: {known}.")
        return found

    def policy_of(self, account: Account) -> Policy:
        return self.policies[account.policy]

    def endpoint_of(self, account: Account) -> Endpoint:
        return self.targets[account.target].endpoint

    def find_account(self, target: str, account: str | None = None) -> Account:
        """By the short names that people type: `db1`, or `db1` and `root`. Raises `NotFound`, naming what there is."""
        here = [a for a in self.accounts.values() if self.targets[a.target].name == target]
        if not here:
            known = ", ".join(sorted(t.name for t in self.targets.values()))
            raise NotFound(f"There is no target {target[:60]!r}.", what_to_do=f"Known targets: {known}.")
        found = [a for a in here if account is None or a.name == account]
        names = ", ".join(sorted(a.name for a in here))
        if not found:
            raise NotFound(f"{target} has no account {account!r}.", what_to_do=f"Its accounts: {names}.")
        if len(found) > 1:
            raise NotFound(
                f"{target} has several accounts.", what_to_do=f"Say which, as you+ACCOUNT+{target}: {names}."
            )
        return found[0]

    def groups_of(self, now: datetime) -> dict[str, frozenset[str]]:
        """The groups of everybody who is active at `now`."""
        return {id: person.groups for id, person in self.people.items() if person.active(now)}

    def actor(self, login: str, fingerprint: str, now: datetime) -> Actor:
        """Who this key makes somebody. Raises `Forbidden`, in the same words for an unknown name, key, or end of
        term.
        """
        person = self._logins.get(login)
        if person is None or not person.active(now) or person.key(fingerprint) is None:
            raise Forbidden(
                "This name and key are not known together.",
                what_to_do="Check the user name and the key; custodians can add a key to the roster.",
            )
        return Actor(id=person.id, roles=person.roles, key=fingerprint)

    def without_key(self, login: str, now: datetime) -> Actor:
        """Somebody of whom no key says who they are: they can look and ask. Raises `Forbidden`."""
        person = self._logins.get(login)
        if person is None or not person.active(now):
            raise Forbidden("This name is not known.", what_to_do="Check the user name.")
        return Actor(id=person.id, roles=person.roles)


def parse(document: bytes) -> Roster:
    """Read one version. Raises `Malformed`, naming the place, for anything that the format does not allow."""
    if len(document) > DOCUMENT_MAX:
        raise Malformed(
            f"The roster has {len(document)} bytes.", what_to_do=f"It may have {DOCUMENT_MAX}: shorten playbooks first."
        )
    top = reading.Obj(canonical.read(document), "roster")
    top.one_of("format", ("breakglass-roster-v1",))
    keys = top.obj("keys")
    groups = frozenset(top.names("groups"))
    policies, hashes = reading.policies(top.obj("policies"), groups)
    targets = reading.targets(top.obj("targets"), domains := reading.domains(top.obj("domains")))
    people = reading.people(top.obj("people"), groups)
    accounts = reading.accounts(top.obj("accounts"), targets, policies)
    roster = Roster(
        hash=sha256(document).hexdigest(),
        deployment=top.id("deployment", "dep"),
        origin=top.text("origin"),
        version=top.number("version"),
        previous=top.text("previous", empty=True),
        issued_at=top.instant("issued_at"),
        keys=Keys(log=keys.text("log"), grant=keys.text("grant"), recording=keys.text("recording")),
        changes=reading.quorum(top, "changes", groups),
        people=people,
        groups=groups,
        domains=domains,
        targets=targets,
        accounts=accounts,
        conditions=reading.conditions(top.obj("conditions")),
        policies=policies,
        policy_hashes=hashes,
        witnesses=witnesses.read(top.obj("witnesses")) if "witnesses" in top.value else NOBODY,
        custody=items.read(top.obj("custody"), accounts) if "custody" in top.value else {},
        _logins={person.login: person for person in people.values()},
    )
    keys.done()
    top.done()
    return roster
