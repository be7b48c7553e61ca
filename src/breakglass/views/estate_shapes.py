"""The estate as people see it: targets, accounts, people, policies (`shapes` says what a shape is)."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: str
    name: str
    username: str
    justification: str
    scenario: str
    policy: str
    rotate_at: str
    credential: str
    """`none`, `fresh`, `dormant` (fresh, and disabled on the target), `exposed` (somebody is in), `owed` (a change is
    owed or under way) or `failed` (no stored secret works: it needs a person)."""
    custody: str = ""
    """The worst state of the custody items that belong to it (views.custody); empty without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    id: str
    name: str
    domain: str
    environment: str
    endpoint: str
    host_key: str
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    id: str
    title: str
    playbook: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    id: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    fingerprint: str
    label: str
    approves_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    id: str
    login: str
    name: str
    department: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    keys: tuple[Key, ...]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estate:
    deployment: str
    origin: str
    version: int
    hash: str
    changes: str
    """Who must sign the next version, in words."""
    targets: tuple[Target, ...]
    conditions: tuple[Condition, ...]
    policies: tuple[Policy, ...]
    people: tuple[Person, ...]
