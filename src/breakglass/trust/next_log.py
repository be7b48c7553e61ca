"""The next log: how a deployment goes on whose log has lost its end, without anybody forgetting the log before.

    log 1  example.org      0 ─ … ─ 80 ╌╌ 100    the end was lost; witnesses and people saw it, and nobody resets them
    log 2  example.org/2    0 ─ … ─ 80 ─ 83 ─ …  the same entries, as far as they are there; custodians signed for it

Its checkpoints are signed with the same key under another name (C2SP signed-note: a name and a key are an identity), so
that each log has one line of heads, and the one before is never signed again. Its number says which it is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from breakglass.codec import note
from breakglass.errors import Malformed
from breakglass.trust import clock
from breakglass.trust.roster import Roster

LONGEST = timedelta(days=30)
"""A statement about it holds so long: within that time each node's vault must have been told."""
FIRST = 1


@dataclass(frozen=True, slots=True)
class LogKey:
    """Who signs a log's checkpoints: the origin, which is the key's name, and the key (C2SP signed-note's vkey)."""

    origin: str
    vkey: str


def subject(deployment: str) -> str:
    """The subject of statements and entries about the next log."""
    return f"{deployment}/log"


def needs(roster: Roster, now: datetime) -> int:
    """How many custodians must sign it: two, or the only one that there is."""
    return clock.needs(roster, now)


def origin_of(founded: str, number: int) -> str:
    """Of log `number` of a deployment that was founded with the origin `founded`."""
    return founded if number == FIRST else f"{founded}/{number}"


def number_of(origin: str, founded: str) -> int:
    """The other way. Raises `Malformed` for an origin that is no log of this deployment."""
    name, _, number = origin.rpartition("/")
    if origin == founded:
        return FIRST
    if name != founded or not (number.isascii() and number.isdigit() and len(number) < 9):
        raise _another(origin, founded)
    if int(number) <= FIRST or origin != origin_of(founded, int(number)):
        raise _another(origin, founded)
    return int(number)


def key_of(roster: Roster, number: int) -> LogKey:
    """The key of log `number`, by any version of the roster: all name the key of the first one."""
    origin = origin_of(roster.origin, number)
    public = note.parse_vkey(roster.keys.log).public
    return LogKey(origin, note.VerifierKey(name=origin, public=public).text())


def key_for(roster: Roster, checkpoint: bytes) -> LogKey:
    """The key of the log that this checkpoint says it is of. Raises `Malformed` for another deployment's."""
    said = note.parse_checkpoint(note.parse(checkpoint).text).origin
    return key_of(roster, number_of(said, roster.origin))


def _another(origin: str, founded: str) -> Malformed:
    return Malformed(
        f"It is of the log {origin[:100]}, not of {founded}.", what_to_do="Is it the right file? Call the auditors."
    )
