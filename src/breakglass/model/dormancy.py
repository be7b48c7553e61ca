"""Whether an account that sleeps between uses is enabled on its target. What stands here is durable before each act.

    (none) ─▶ enabling ─▶ enabled ─▶ disabling ─▶ disabled
                 ▲           ╰───────▶ enabling ◀────┘

`disabled` is proven: the target was asked by another account, and refused the login with the secret that had worked a
moment before. In every other state the account may be enabled: the engine owes a change, at whose end it is disabled.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from breakglass.model.change import Change, Fact, Moves
from breakglass.model.target import AccountId


class State(StrEnum):
    ENABLING = "enabling"
    ENABLED = "enabled"
    DISABLING = "disabling"
    DISABLED = "disabled"


_S = State


@dataclass(frozen=True, slots=True, kw_only=True)
class Dormancy:
    MOVES: ClassVar[Moves] = {
        _S.ENABLING: frozenset({_S.ENABLED, _S.DISABLING}),
        _S.ENABLED: frozenset({_S.ENABLING, _S.DISABLING}),
        _S.DISABLING: frozenset({_S.DISABLED, _S.ENABLING}),
        _S.DISABLED: frozenset({_S.ENABLING}),
    }
    id: AccountId
    state: State
    since: datetime
    """Since when it stands so."""


def move(dormancy: Dormancy, to: State, *, why: str, now: datetime, **proof: str) -> Change[Dormancy]:
    """`why`: the session or rotation for which. `proof`: what was seen on the target."""
    data: dict[str, str | int | bool] = {"account": dormancy.id, "for": why, **proof}
    return Change(replace(dormancy, state=to, since=now), (Fact(f"account.{to}", dormancy.id, data),))


def not_disabled(dormancy: Dormancy, *, why: str, grant: str, problem: str) -> Change[Dormancy]:
    """It should be disabled and is not, or nobody knows: people are told. `problem` is words, never a secret."""
    data: dict[str, str | int | bool] = {"account": dormancy.id, "for": why, "grant": grant, "problem": problem}
    return Change(dormancy, (Fact("account.not_disabled", dormancy.id, data),))
