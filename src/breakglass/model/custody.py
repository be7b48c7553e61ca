"""Custody: things that open something and that no vault can inject, such as a security key in a safe, a sealed
envelope, a smart card. Where each lies, under which seal, and who holds it.

    new ── inspection ──▶ in its place ── check-out ──▶ out ── return, under a new seal ──▶ in its place
                             └── inspection: the recorded seal, or another, a broken one, nothing there: a finding

Two people sign each turn. A finding stands until the item came back under a new seal and two people inspected it since.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from breakglass.errors import Malformed
from breakglass.model.people import Role
from breakglass.model.target import AccountId

ItemId = NewType("ItemId", str)
NO_SEAL, BROKEN, MISSING = "none", "broken", "missing"
"""In lower case, as no seal's number is: none is recorded yet; its seal is broken; it is not in its place."""
PEOPLE = 2
FIRST_WITHIN = timedelta(days=7)
"""So long after an item entered the estate two people must have inspected it."""
_SEAL = re.compile(r"[0-9A-Z][0-9A-Z./-]{0,39}")


class Act(StrEnum):
    CHECK_OUT = "check-out"
    RETURN = "return"
    INSPECTION = "inspection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """As the signed roster has it."""

    id: ItemId
    name: str
    opens: str
    place: str
    account: AccountId | None
    """The account that it belongs to, where it does."""
    out_for: timedelta
    """The longest that it may be out."""
    inspect_every: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that two people did with an item, and signed."""

    act: Act
    number: int
    """1, 2, 3 … of this item."""
    seal: str
    """What they read on it; at a return, the new one."""
    recorded: str = NO_SEAL
    """What it should have been; says nothing at a return."""
    holder: str = ""
    """Who takes it, or had it."""
    until: datetime | None = None
    request: str = ""
    words: str = ""
    """Why, or what else they saw."""
    by: tuple[str, ...] = ()
    at: datetime | None = None
    """When the second of them had signed; None while that is to come."""

    @property
    def off(self) -> bool:
        """Whether the seal is not the one that it should be."""
        if self.act is Act.RETURN:
            return False
        return self.seal in (BROKEN, MISSING) or self.recorded not in (NO_SEAL, self.seal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """Where an item stands, from its turns."""

    number: int = 0
    seal: str = NO_SEAL
    seals: frozenset[str] = frozenset()
    """Every one that it ever had."""
    out: Turn | None = None
    missing: bool = False
    looked_at: datetime | None = None
    """When two people last had its seal before their eyes."""
    finding: Turn | None = None
    resealed: bool = False
    """Since the finding it came back under a new seal."""

    def overdue(self, now: datetime) -> bool:
        return self.out is not None and self.out.until is not None and now >= self.out.until

    def inspect_by(self, item: Item, known_since: datetime) -> datetime | None:
        """When it is due to be looked at; None while it is out. `known_since`: when it entered the estate."""
        if self.out is not None:
            return None
        return self.looked_at + item.inspect_every if self.looked_at else known_since + FIRST_WITHIN

    def after(self, turn: Turn) -> "Custody":
        """Where it stands once this was done; whether it may be done `problem` says."""
        known = turn.seal not in (BROKEN, MISSING)
        then = replace(
            self,
            number=turn.number,
            seal=turn.seal if known else self.seal,
            seals=self.seals | {turn.seal} if known else self.seals,
            out=turn if turn.act is Act.CHECK_OUT else None,
            missing=turn.seal == MISSING,
            looked_at=turn.at,
        )
        if turn.off:
            return replace(then, finding=turn, resealed=False)
        if turn.act is Act.RETURN and self.finding:
            return replace(then, resealed=True)
        if turn.act is Act.INSPECTION and self.resealed:
            return replace(then, finding=None, resealed=False)
        return then

    def problem(self, turn: Turn) -> str:
        """Why this can't be the next turn of the item; empty where it can."""
        if turn.number != self.number + 1:
            return "Something else was done with it meanwhile."
        if (turn.act is Act.RETURN) != (self.out is not None):
            return "It is out." if self.out else "It is not out."
        if self.out is not None:
            if turn.holder != self.out.holder:
                return "Somebody else holds it."
            return "It had this seal before: a return has a new one." if turn.seal in self.seals else ""
        if turn.recorded != self.seal:
            return f"The seal that is recorded for it is {self.seal}."
        return "It is not in its place." if turn.act is Act.CHECK_OUT and self.missing else ""


def custody_of(turns: Iterable[Turn]) -> Custody:
    found = Custody()
    for turn in turns:
        found = found.after(turn)
    return found


def seal(text: str, *, act: Act) -> str:
    """A seal's number as it is recorded: upper case, no spaces. Raises `Malformed`; only an inspection says `missing`,
    and a return none of the words."""
    words = {Act.CHECK_OUT: {BROKEN}, Act.RETURN: frozenset[str](), Act.INSPECTION: {BROKEN, MISSING}}[act]
    if text.strip().lower() in words:
        return text.strip().lower()
    number = "".join(text.split()).upper()
    if not _SEAL.fullmatch(number) or number.lower() in (NO_SEAL, BROKEN, MISSING):
        raise Malformed(
            "This is no seal number.",
            what_to_do="Type it as it stands on the seal: letters, digits, dots, dashes, at most 40."
            + (f" Or: {', '.join(sorted(words))}." if words else ""),
        )
    return number


def counts(act: Act, person: str, roles: frozenset[Role], holder: str) -> bool:
    """Whether this person's signature counts: custodians' always, the holder's when they take or bring it, an auditor's
    at an inspection."""
    if act is Act.INSPECTION:
        return bool(roles & {Role.CUSTODIAN, Role.AUDITOR})
    return Role.CUSTODIAN in roles or (person == holder and Role.REQUESTER in roles)


def enough(act: Act, signers: Mapping[str, frozenset[Role]], holder: str) -> bool:
    """Whether these, each of whom `counts`, are two people of whom one is a custodian. Who takes an item signs for it,
    beside a custodian who is somebody else."""
    custodians = {person for person, roles in signers.items() if Role.CUSTODIAN in roles}
    if act is Act.CHECK_OUT:
        return holder in signers and bool(custodians - {holder})
    return len(signers) >= PEOPLE and bool(custodians)
