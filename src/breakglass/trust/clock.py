"""Custodians' word about the present instant, after a clock stood wrong: who must give it, and how near it must be.

clock went back ─▶ custodian 1 signs `now` ─▶ custodian 2 signs `now` ─▶ time goes on from there

People confirm what the server's clock says; they do not replace it.
"""

from datetime import datetime, timedelta

from breakglass.model.people import Role
from breakglass.trust.roster import Roster

CUSTODIANS = 2
APART = timedelta(minutes=10)
"""How far a statement's `now` may be from the clock that it confirms."""


def subject(deployment: str) -> str:
    """The subject of a statement that confirms the time, and of the log's entries about it."""
    return f"{deployment}/clock"


def needs(roster: Roster, now: datetime) -> int:
    """How many custodians must confirm it: two, or the only one that there is."""
    custodians = [one for one in roster.people.values() if Role.CUSTODIAN in one.roles and one.active(now)]
    return min(CUSTODIANS, len(custodians))
