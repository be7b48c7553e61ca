"""A credential: one version of an account's secret, as the vault sealed it. Never deleted, only relabelled.

pending ─┬─ proven ──▶ current ──▶ previous
         └─ unused
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import CredentialId
from breakglass.model.target import AccountId


class State(StrEnum):
    PENDING = "pending"
    CURRENT = "current"
    PREVIOUS = "previous"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    MOVES: ClassVar[Moves] = {
        State.PENDING: frozenset({State.CURRENT, State.UNUSED}),
        State.CURRENT: frozenset({State.PREVIOUS}),
    }
    id: CredentialId
    account: AccountId
    version: int
    sealed: bytes
    """The vault's envelope: opens only there, only for this id, account and version."""
    made_at: datetime
    state: State


def deposit(new: Credential) -> Change[Credential]:
    """A custodian stores a secret that is already set on the target."""
    return Change(new, (Fact("credential.stored", new.id, {"account": new.account, "version": new.version}),))


def retire(current: Credential) -> Change[Credential]:
    """Current becomes previous, before another becomes current in the same transaction."""
    fact = Fact("credential.previous", current.id, {"account": current.account, "version": current.version})
    return Change(replace(current, state=State.PREVIOUS), (fact,))
