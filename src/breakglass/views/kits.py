"""Emergency kits as people see them: which there are, whether the newest one serves, and what waits to be signed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from breakglass.audit import kits
from breakglass.storage.work import Read
from breakglass.trust import kit
from breakglass.views import say
from breakglass.views.book import Book
from breakglass.views.shapes import Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    number: int
    at: datetime
    due_at: datetime
    accounts: str
    """As statements name them: `acc_db1-root:5`."""
    copies: int
    canaries: tuple[str, ...]
    """The login in each copy that nobody may use."""
    share_set: str
    used: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kits:
    accounts: tuple[str, ...]
    """What the estate wants in a kit."""
    kits: tuple[Kit, ...]
    """Newest first."""
    stale: str
    """Why the newest one does not serve; empty while it does."""
    wanted: int
    """The kit that waits to be made; 0 for none."""
    copies: int
    signed_by: tuple[Who, ...]
    needed: int
    refused: str
    """Why the vault did not make the last one that was wanted; empty where it did."""
    sentence: str


def shown(look: Read, book: Book, stale: Callable[[Read], str]) -> Kits:
    """`stale` judges the newest one (breakglass.flow.kit)."""
    roster, waits = book.roster, kits.wanted(look)
    number = waits.number("number") if waits else 0
    signed_by = book.people(one.statement.person for one in kits.words(look, str(number))) if waits else ()
    needed, why = kit.needs(roster, look.now), stale(look)
    found = tuple(map(_kit, reversed(kits.issued(look))))
    return Kits(
        accounts=tuple(kit.chosen(roster)),
        kits=found,
        stale=why,
        wanted=number,
        copies=waits.number("copies") if waits else 0,
        signed_by=signed_by,
        needed=needed,
        refused=kits.refusal(look),
        sentence=_sentence(roster_wants=bool(kit.chosen(roster)), found=found, why=why),
    )


def lines(k: Kits) -> list[str]:
    told = [k.sentence]
    for one in k.kits:
        used = f"  USED: {one.used}" if one.used else ""
        told.append(
            f"kit {one.number}  {one.at:%Y-%m-%d}, due {one.due_at:%Y-%m-%d}  {one.copies} copies  {one.accounts}{used}"
        )
        told.append(
            f"  nobody logs in as {', '.join(one.canaries)}: an alarm in your SIEM; opened by shares {one.share_set}"
        )
    if k.wanted:
        by = say.names(k.signed_by) or "nobody"
        told.append(f"Kit {k.wanted} waits: {by} signed; {k.needed} custodians must: breakglass kit issue")
    if k.refused:
        told.append(f"The vault did not make the last one. {k.refused} Begin anew: breakglass kit issue --copies 2")
    return told


def _kit(one: kits.Issued) -> Kit:
    return Kit(
        number=one.number,
        at=one.at,
        due_at=one.at + kit.LASTS,
        accounts=kit.accounts_line(dict(one.versions)),
        copies=len(one.copies),
        canaries=tuple(one.canaries.values()),
        share_set=one.share_set,
        used=one.used,
    )


def _sentence(*, roster_wants: bool, found: tuple[Kit, ...], why: str) -> str:
    if not roster_wants:
        return "The estate wants no emergency kit: choose accounts with `kit: true`."
    if why:
        return f"THE EMERGENCY KIT IS STALE. {why}"
    return f"Emergency kit {found[0].number} serves, until {found[0].due_at:%Y-%m-%d}."
