"""Which log this is, and whether custodians want to go on with the next one, as people see it."""

from dataclasses import dataclass

from breakglass.audit import next_logs
from breakglass.storage.work import Read
from breakglass.trust import next_log
from breakglass.views import say
from breakglass.views.book import Book
from breakglass.views.shapes import Who


@dataclass(frozen=True, slots=True, kw_only=True)
class NextLog:
    origin: str
    """Of the log that this one is."""
    vkey: str
    """The key of its checkpoints, for witnesses and other people's tools."""
    alarm: str
    """What the vault finds wrong with it; empty while all is well."""
    wanted: str
    """The origin of the log that somebody wants to go on with; empty where nobody does."""
    because: str
    former: int
    """Entries of this log, as far as the vault or a kept checkpoint knows; 0 where nobody wants to go on."""
    signed_by: tuple[Who, ...]
    needed: int
    sentence: str

    @property
    def is_due(self) -> bool:
        """Enough custodians signed, and no vault has taken it yet."""
        return bool(self.wanted) and len(self.signed_by) >= self.needed


def shown(look: Read, book: Book, alarm: str) -> NextLog:
    roster = book.roster
    key = next_log.key_of(roster, next_logs.number(look))
    wanted = next_logs.wanted(look)
    origin = wanted.text("origin") if wanted else ""
    because = wanted.text("because") if wanted else ""
    former = int(wanted.text("former").partition(" ")[0]) if wanted else 0
    said = [one for one in next_logs.words(look, origin) if one.statement.facts["because"] == because]
    signed_by, needed = book.people(one.statement.person for one in said), next_log.needs(roster, look.now)
    return NextLog(
        origin=key.origin,
        vkey=key.vkey,
        alarm=alarm,
        wanted=origin,
        because=because,
        former=former,
        signed_by=signed_by,
        needed=needed,
        sentence=_sentence(key.origin, origin, because, signed_by, needed, alarm),
    )


def lines(n: NextLog) -> list[str]:
    told = [n.sentence, f"Key of {n.origin}: {n.vkey}"]
    if n.wanted:
        told.append(f"The log before has {n.former} entries, as far as is known.")
    if n.wanted or n.alarm:
        told.append("Custodians sign for it: breakglass audit next-log")
    return told


def _sentence(present: str, wanted: str, because: str, signed_by: tuple[Who, ...], needed: int, alarm: str) -> str:
    if wanted:
        by = f"{say.names(signed_by)} signed" if signed_by else "Nobody signed yet"
        return f"Somebody wants to go on with the log {wanted}: {because} {by}; {needed} custodians must."
    if alarm:
        return f"STOP: {alarm} If its end is lost, two custodians go on with a new log."
    return f"The log is {present}."
