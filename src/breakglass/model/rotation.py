"""A rotation: one secret is changed on its target and proven there. What is durable before each act makes a crash safe.

    owed ◀▶ staged ◀▶ applying ─▶ applied ─▶ verified ─▶ done
              ▲         │ ▲  ╲       │          ▲
              │         │ │   ╲      ▼          │
              │         │ └── unknown ── (probe: new works)
              └ refused ┘        │
                             reconcile: nothing that is stored works; people are told, a helper resets it

A candidate is stored before it is sent anywhere and is never deleted; a retry sends the *same* candidate. `fence`
counts who works on it: an act under an older fence is refused, so that two nodes never write at once.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from breakglass.errors import WrongState
from breakglass.model import credential as credentials
from breakglass.model.change import Change, Fact, Moves
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId, RotationId
from breakglass.model.proof import NONE, Proof
from breakglass.model.target import AccountId


class Because(StrEnum):
    LOGIN = "login"
    CLOSE = "close"
    DEMAND = "demand"
    DEPOSIT = "deposit"
    SUSPICION = "suspicion"
    """Somebody may know the secret."""
    SCHEDULE = "schedule"
    DEPENDENT = "dependent"
    """An account changed on which this one depends."""
    DORMANT = "dormant"
    """The account should be disabled on its target, and is not proven to be."""


class State(StrEnum):
    OWED = "owed"
    STAGED = "staged"
    APPLYING = "applying"
    APPLIED = "applied"
    UNKNOWN = "unknown"
    VERIFIED = "verified"
    DONE = "done"
    REFUSED = "refused"
    RECONCILE = "reconcile"


_S = State


class TakenOver(WrongState):
    """The fence is an older one: whoever holds it does nothing more on the target."""

    code = "taken_over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    MOVES: ClassVar[Moves] = {
        _S.OWED: frozenset({_S.STAGED}),
        _S.STAGED: frozenset({_S.APPLYING, _S.UNKNOWN, _S.OWED}),
        _S.APPLYING: frozenset({_S.APPLIED, _S.UNKNOWN, _S.REFUSED, _S.STAGED, _S.RECONCILE}),
        _S.APPLIED: frozenset({_S.VERIFIED, _S.UNKNOWN}),
        _S.UNKNOWN: frozenset({_S.APPLYING, _S.VERIFIED, _S.RECONCILE}),
        _S.VERIFIED: frozenset({_S.DONE}),
        _S.REFUSED: frozenset({_S.STAGED}),
        _S.RECONCILE: frozenset({_S.APPLYING, _S.VERIFIED}),
    }
    id: RotationId
    account: AccountId
    because: Because
    grant: str
    """The grant after whose login or close it runs; empty otherwise."""
    owed_at: datetime
    candidate: CredentialId | None = None
    fence: int = 0
    leased_until: datetime | None = None
    holder: str = ""
    """The node that has the lease, or had it last."""
    tries: int = 0
    guesses: int = 0
    """Logins in a row, since the last one that the target accepted, which it refused or may have refused: what a target
    counts towards locking the account. Written before each such login."""
    guessed_at: datetime | None = None
    next_at: datetime
    problem: str = ""
    remains: str = ""
    """What remains on the target after the end, one thing a line: what still runs as the account (`process …`), what is
    new since the last look (`+ key …`) and what is gone (`- 1 key`). Empty when nothing remains."""
    proof: str = ""
    """What was observed, from `verified` on: see `model.proof`. Empty for a change from before proofs were kept."""
    done_at: datetime | None = None
    state: State = State.OWED

    @property
    def begun(self) -> bool:
        """True while it is this rotation's turn on its account, until it is done."""
        return self.state not in (State.OWED, State.DONE)

    @property
    def touched(self) -> bool:
        """True from the first act that may have changed the target: until done, no stored secret is sure to work."""
        return self.state not in (State.OWED, State.STAGED, State.REFUSED, State.DONE)

    def must_hold(self, fence: int) -> None:
        """Raises `TakenOver` when somebody else has taken this rotation over, or finished it."""
        if fence != self.fence or self.state is State.DONE:
            raise TakenOver("Another node works on this rotation.", what_to_do="Nothing.", about=self.id)


def owe(rotation: Rotation) -> Change[Rotation]:
    data: dict[str, str | int | bool] = {
        "account": rotation.account,
        "because": rotation.because.value,
        "grant": rotation.grant,
    }
    return Change(rotation, (Fact("rotation.owed", rotation.id, data),))


def stage(rotation: Rotation, candidate: Credential) -> Change[Rotation]:
    """The candidate is sealed and durable; nothing was sent."""
    value = replace(rotation, state=State.STAGED, candidate=candidate.id, problem="")
    fact = Fact(
        "rotation.staged",
        rotation.id,
        {"account": rotation.account, "credential": candidate.id, "version": candidate.version},
    )
    return Change(value, (fact,), also=(candidate,))


def discard(rotation: Rotation, candidate: Credential, *, problem: str) -> Change[Rotation]:
    """The candidate can't be read back. It was never sent: it is kept as unused, and another one will be made."""
    value = replace(rotation, state=State.OWED, candidate=None, problem=problem)
    data: dict[str, str | int | bool] = {"account": rotation.account, "credential": candidate.id, "problem": problem}
    unused = replace(candidate, state=credentials.State.UNUSED)
    return Change(value, (Fact("rotation.discarded", rotation.id, data),), also=(unused,))


def move(rotation: Rotation, to: State, *, problem: str = "", by: str = "") -> Change[Rotation]:
    """Put down what happened on the target, or what will be tried next. `problem` is words, never a secret; `by` the
    account that acts, where it is another one."""
    data: dict[str, str | int | bool] = {"account": rotation.account, "grant": rotation.grant, "fence": rotation.fence}
    if problem:
        data["problem"] = problem
    if by:
        data["by"] = by
    return Change(replace(rotation, state=to, problem=problem), (Fact(f"rotation.{to}", rotation.id, data),))


def prove(rotation: Rotation, proof: Proof) -> Change[Rotation]:
    """The new secret was accepted, and the old one refused."""
    change, text = move(rotation, State.VERIFIED), proof.text()
    fact = change.facts[0]
    return Change(replace(change.value, proof=text), (Fact(fact.kind, fact.about, {**fact.data, "proof": text}),))


def guess(rotation: Rotation, credential: Credential, *, guesses: int, now: datetime) -> Change[Rotation]:
    """A login comes that the target may refuse. `guesses` counts it already, in case its answer is never seen."""
    data: dict[str, str | int | bool] = {
        "account": rotation.account,
        "credential": credential.id,
        "version": credential.version,
        "guesses": guesses,
    }
    return Change(
        replace(rotation, guesses=guesses, guessed_at=now), (Fact("rotation.login_tried", rotation.id, data),)
    )


def refuse(rotation: Rotation, candidate: Credential, *, until: datetime, problem: str) -> Change[Rotation]:
    """The target refused the candidate definitely: it is kept as unused, and another one is staged at `until`."""
    change = move(rotation, State.REFUSED, problem=problem)
    value = replace(change.value, candidate=None, tries=rotation.tries + 1, next_at=until, leased_until=None)
    return Change(value, change.facts, also=(replace(candidate, state=credentials.State.UNUSED),))


def put_off(
    rotation: Rotation, *, until: datetime, problem: str, code: str, to: State | None = None, tries: int | None = None
) -> Change[Rotation]:
    """It could not go on: try again later with the same candidate. `code` is the error's, `tries` one more by itself.

    In the same state; or, with `to`, in one that is as true: `staged` when it is certain that nothing was sent,
    `reconcile` when a reset certainly changed nothing.
    """
    value = replace(
        rotation,
        state=to or rotation.state,
        tries=rotation.tries + 1 if tries is None else tries,
        next_at=until,
        problem=problem,
        leased_until=None,
    )
    data: dict[str, str | int | bool] = {
        "account": rotation.account,
        "grant": rotation.grant,
        "problem": problem,
        "code": code,
        "state": value.state.value,
        "tries": value.tries,
    }
    return Change(value, (Fact("rotation.put_off", rotation.id, data),))


def give_back(rotation: Rotation, *, until: datetime, why: str) -> Change[Rotation]:
    """Nothing is wrong with it, it only has to wait: for custodians to unseal, for a session that signs in just now."""
    value = replace(rotation, next_at=until, problem=why, leased_until=None)
    return Change(value, (Fact("rotation.waits", rotation.id, {"account": rotation.account, "why": why}),))


def wake(rotation: Rotation, *, now: datetime) -> Change[Rotation]:
    """Something happened that may help it: try again at once."""
    fact = Fact("rotation.woken", rotation.id, {"account": rotation.account})
    return Change(replace(rotation, next_at=min(now, rotation.next_at)), (fact,))


def not_later(rotation: Rotation, *, now: datetime, lease_until: datetime) -> Change[Rotation]:
    """The time was set back to `now`: a lease lasts until `lease_until` at most, and nothing else is waited for."""
    leased = rotation.leased_until and min(rotation.leased_until, lease_until)
    guessed = rotation.guessed_at and min(rotation.guessed_at, now)
    value = replace(rotation, next_at=min(rotation.next_at, now), leased_until=leased, guessed_at=guessed)
    return Change(value, (Fact("rotation.woken", rotation.id, {"account": rotation.account}),))


def freed(rotation: Rotation) -> Change[Rotation]:
    """Its node died and is back."""
    fact = Fact("rotation.freed", rotation.id, {"account": rotation.account, "holder": rotation.holder})
    return Change(replace(rotation, leased_until=None), (fact,))


def finish(
    rotation: Rotation, candidate: Credential, *, remains: str, now: datetime, looked: tuple[str, str] = ("", "")
) -> Change[Rotation]:
    """`looked`: digests of the look of before and of this one, where the two were compared.

    Proven: the candidate becomes the current credential. (The old one was relabelled just before, in the same
    transaction: an account has one current credential at any instant.)"""
    if rotation.state is not State.VERIFIED:
        raise WrongState("This rotation is not proven.", what_to_do="Nothing: it goes on by itself.", about=rotation.id)
    value = replace(rotation, state=State.DONE, done_at=now, remains=remains, problem="", leased_until=None)
    data: dict[str, str | int | bool] = {
        "account": rotation.account,
        "grant": rotation.grant,
        "credential": candidate.id,
        "version": candidate.version,
        "new": "accepted",
        "old": "none" if rotation.proof.endswith(NONE) else "refused",
        "proof": rotation.proof,
        "remains": remains,
    }
    if looked[0]:
        data |= {"looked_before": looked[0], "looked_after": looked[1]}
    fact = Fact("rotation.done", rotation.id, data)
    return Change(value, (fact,), also=(replace(candidate, state=credentials.State.CURRENT),))
