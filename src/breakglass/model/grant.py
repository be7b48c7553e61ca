"""A grant: the right to connect, for one person's key, to one account, until an instant. The vault signs it
(trust.grant).

active ─┬─ ends_at ─▶ expired
        ├─ kill ────▶ revoked
        └─ done ────▶ closed
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from breakglass.errors import WrongState
from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import GrantId, RequestId, UserId
from breakglass.model.target import AccountId


class State(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    MOVES: ClassVar[Moves] = {State.ACTIVE: frozenset({State.EXPIRED, State.REVOKED, State.CLOSED})}
    id: GrantId
    request: RequestId
    to: UserId
    key: str
    account: AccountId
    token: str
    """The vault's signed note; it decides, this row only narrows it."""
    opened_at: datetime
    ends_at: datetime
    state: State = State.ACTIVE

    def must_be_live(self, now: datetime) -> None:
        """Raises `WrongState` unless the grant is active and its end lies ahead: the only test of a grant there is."""
        if self.state is not State.ACTIVE or now >= self.ends_at:
            how = self.state if self.state is not State.ACTIVE else State.EXPIRED
            raise WrongState(f"This grant is {how}.", what_to_do="Make a new request.", about=self.id)


def open_as(grant: Grant) -> Change[Grant]:
    """Put down the grant that the vault signed."""
    fact = Fact(
        "grant.opened", grant.id, {"request": grant.request, "ends_at": grant.ends_at.isoformat(), "token": grant.token}
    )
    return Change(grant, (fact,))


def end(grant: Grant, state: State, *, why: str, now: datetime) -> Change[Grant]:
    """Close, revoke or expire it. Raises `WrongState` when it has ended before, or expires before its time."""
    if grant.state is not State.ACTIVE:
        raise WrongState(f"This grant is {grant.state}.", what_to_do="Nothing: it has ended.", about=grant.id)
    if state is State.EXPIRED and now < grant.ends_at:
        raise WrongState("This grant has time left.", what_to_do="Nothing.", about=grant.id)
    return Change(replace(grant, state=state), (Fact(f"grant.{state}", grant.id, {"why": why}),))
