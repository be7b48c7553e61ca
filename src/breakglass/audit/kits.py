"""What the log says of emergency kits: which were issued, what custodians have signed for the next one, what became of
them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from breakglass.audit import event
from breakglass.audit import words as words_of
from breakglass.audit.event import Event
from breakglass.audit.words import Word, newest
from breakglass.model.target import AccountId
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust import kit

WANTED, SIGNED, REFUSED, ISSUED = "kit.wanted", "kit.signed", "kit.refused", "kit.issued"
DUE, STALE, USED, FETCHED = "kit.due", "kit.stale", "kit.used", "kit.fetched"
_e = books.entry.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    number: int
    at: datetime
    versions: Mapping[AccountId, int]
    copies: Mapping[int, str]
    """Copy -> hex SHA-256 of its file."""
    canaries: Mapping[int, str]
    share_set: str
    used: str
    """Why somebody said that it was used; empty while nobody did."""


def issued(look: Read) -> Sequence[Issued]:
    """Oldest first."""
    used = {said.number("number"): said.text("because") for said in _all(look, USED)}
    return [_issued(said, used) for said in _all(look, ISSUED)]


def wanted(look: Read) -> Event | None:
    """The kit that custodians are to sign for; None where none waits."""
    found = newest(look, (WANTED, REFUSED, ISSUED))
    return found if found is not None and found.kind == WANTED else None


def refusal(look: Read) -> str:
    """Why the vault did not make the kit that was wanted last; empty where it did, or where another one is wanted."""
    found = newest(look, (WANTED, REFUSED, ISSUED))
    return found.text("why") if found is not None and found.kind == REFUSED else ""


def words(look: Read, number: str) -> Sequence[Word]:
    """What custodians signed for the kit of this number since it was wanted last, each person's newest; alike ones."""
    found = words_of.since(look, SIGNED, (WANTED, REFUSED))
    return words_of.alike(
        one for one in found if one.statement.facts["number"] == number and look.now < one.statement.not_after
    )


def stale_said(look: Read) -> str:
    """Why the log says that the newest kit is stale; empty where it does not, or another one was issued since."""
    found = newest(look, (STALE, ISSUED))
    return found.text("why") if found is not None and found.kind == STALE else ""


def due_said(look: Read) -> int:
    """The newest kit of which the log says that it is due soon; 0 for none."""
    found = newest(look, (DUE,))
    return found.number("number") if found is not None else 0


def _issued(said: Event, used: Mapping[int, str]) -> Issued:
    copies = range(1, said.number("copies") + 1)
    return Issued(
        number=said.number("number"),
        at=datetime.fromisoformat(said.at),
        versions=kit.read_accounts(said.text("accounts")),
        copies={n: said.text(f"sha256-{n}") for n in copies},
        canaries={n: said.text(f"canary-{n}") for n in copies},
        share_set=said.text("set"),
        used=used.get(said.number("number"), ""),
    )


def _all(look: Read, kind: str) -> list[Event]:
    query = select(_e.leaf).where(_e.kind == kind).order_by(_e.idx)
    return [event.parse(leaf) for leaf in look.conn.execute(query).scalars()]
