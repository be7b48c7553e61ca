"""Custodians' word that releases go on without the witnesses for a while: who must give it, and for how long at most.

    witnesses don't answer ─▶ custodian 1 signs `until` ─▶ custodian 2 signs the same ─▶ releases go on, until then

Whoever cuts the witnesses off must not gain by it: it takes two people, ends by itself, and stands in the log, which is
offered to the witnesses all the while.
"""

from datetime import datetime, timedelta

from breakglass.trust import clock
from breakglass.trust.roster import Roster

LONGEST = timedelta(hours=24)
SHORTEST = timedelta(minutes=5)


def subject(deployment: str) -> str:
    """The subject of statements and entries about the witnesses."""
    return f"{deployment}/witnesses"


def holds(until: datetime, now: datetime) -> bool:
    """Whether one that ends then holds now. An end that is further away than the longest was signed in a time that
    never was: the clock stood wrong, and custodians have set it right since (trust.clock)."""
    return now < until <= now + LONGEST


def needs(roster: Roster, now: datetime) -> int:
    """How many custodians must sign it: two, or the only one that there is."""
    return clock.needs(roster, now)
