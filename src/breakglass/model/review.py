"""A review: an auditor who neither asked nor approved looks at what was done, and signs. Until then the account rests.

open ──▶ signed
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from breakglass.errors import Forbidden, WrongState
from breakglass.model.change import Change, Fact, Moves
from breakglass.model.ids import GrantId, RequestId, ReviewId, UserId
from breakglass.model.target import AccountId

DUE_AFTER = timedelta(days=3)
SUMMARY_MAX = 2000


class State(StrEnum):
    OPEN = "open"
    SIGNED = "signed"


class Classification(StrEnum):
    EMERGENCY = "emergency"
    DRILL = "drill"
    MISUSE = "misuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    MOVES: ClassVar[Moves] = {State.OPEN: frozenset({State.SIGNED})}
    id: ReviewId
    grant: GrantId
    request: RequestId
    account: AccountId
    opened_at: datetime
    due_at: datetime
    by: UserId | None = None
    classification: Classification | None = None
    summary: str = ""
    statement: str = ""
    signature: str = ""
    signed_at: datetime | None = None
    state: State = State.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the checklist: what must be true, whether it is, and what to do when it is not."""

    name: str
    done: bool
    what_to_do: str


def open_for(review: Review) -> Change[Review]:
    data = {"grant": review.grant, "request": review.request, "account": review.account}
    return Change(review, (Fact("review.opened", review.id, data),))


def checklist(*, sessions_ended: bool, rotated: bool, replayed: bool, ticket: bool) -> tuple[Item, ...]:
    """What is checked by itself; the auditor's judgement (purpose, unusual acts, documentation) is the statement."""
    return (
        Item(name="Every session has ended", done=sessions_ended, what_to_do="Wait for it, or kill it."),
        Item(
            name="The password was changed and proven",
            done=rotated,
            what_to_do="Look at `breakglass rotate list`: the target must answer.",
        ),
        Item(
            name="You replayed every recording",
            done=replayed,
            what_to_do="Replay each one: `breakglass recording export`.",
        ),
        Item(
            name="The ticket tells the story",
            done=ticket,
            what_to_do="It is written by itself in a moment; look again.",
        ),
    )


def sign(
    review: Review,
    *,
    by: UserId,
    involved: Iterable[UserId],
    items: Iterable[Item],
    classification: Classification,
    summary: str,
    statement: str,
    signature: str,
    now: datetime,
) -> Change[Review]:
    """Raises `Forbidden` for whoever asked or approved, `WrongState` while an item is open or after it was signed."""
    if review.state is not State.OPEN:
        raise WrongState("This review is signed.", what_to_do="Nothing.", about=review.id)
    if by in set(involved):
        raise Forbidden(
            "You asked for or approved this access.", what_to_do="Another auditor must review it.", about=review.id
        )
    for item in items:
        if not item.done:
            raise WrongState(f"Still open: {item.name}.", what_to_do=item.what_to_do, about=review.id)
    value = replace(
        review,
        state=State.SIGNED,
        by=by,
        classification=classification,
        summary=summary,
        statement=statement,
        signature=signature,
        signed_at=now,
    )
    fact = Fact(
        "review.signed",
        review.id,
        {"request": review.request, "account": review.account, "statement": statement, "signature": signature},
    )
    return Change(value, (fact,))
