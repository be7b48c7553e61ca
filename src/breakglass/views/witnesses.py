"""The log's witnesses as people see them: how far each has cosigned, and whether releases wait for them."""

from dataclasses import dataclass
from datetime import datetime

from breakglass.audit import evidence, overrides
from breakglass.audit.cosignatures import kind_of
from breakglass.codec import note
from breakglass.model.people import Actor, Role
from breakglass.storage import anchors
from breakglass.storage.work import Read
from breakglass.trust import override
from breakglass.trust.witnesses import furthest
from breakglass.views import say
from breakglass.views.book import Book
from breakglass.views.shapes import Override, Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    name: str
    url: str
    cosigned: int
    """Entries that it has cosigned; 0 while none."""
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    quorum: int
    """How many must cosign a release before it happens."""
    witnesses: tuple[Witness, ...]
    entries: int
    """Entries under the newest checkpoint."""
    witnessed: int
    """Entries that as many as the quorum, and at least one, have cosigned."""
    without_until: datetime | None
    """Custodians let releases go on without them until then."""
    signed_by: tuple[Who, ...]
    """Custodians whose word to go on without them waits for another one."""
    needed: int
    sentence: str


def shown(look: Read, book: Book) -> Witnesses:
    roster = book.roster
    known, quorum = roster.witnesses.known, roster.witnesses.quorum
    watching = tuple(_one(look, one.key.name, one.url) for one in known)
    entries, witnessed = _entries(look), furthest([one.cosigned for one in watching], quorum)
    without = overrides.holds(look)
    signed_by = _waiting(look, book, without)
    return Witnesses(
        quorum=quorum,
        witnesses=watching,
        entries=entries,
        witnessed=witnessed,
        without_until=without,
        signed_by=signed_by,
        needed=override.needs(roster, look.now),
        sentence=_sentence(look.now, len(known), quorum, entries, witnessed, without),
    )


def notice(look: Read, book: Book, viewer: Actor) -> Override | None:
    """What everybody must know: that releases go on without them, or that somebody wants it."""
    if not book.roster.witnesses.quorum:
        return None
    without = overrides.holds(look)
    if signed_by := _waiting(look, book, without):
        return Override(
            title="Somebody wants releases to go on without the witnesses",
            sentence=f"{say.names(signed_by)} signed for it; another custodian must, too.",
            yours=Role.CUSTODIAN in viewer.roles and viewer.id not in {one.id for one in signed_by},
        )
    if without is None:
        return None
    sentence = f"Custodians signed for it, until {say.at(without, look.now)}."
    return Override(title="Releases go on without the witnesses", sentence=sentence, yours=False)


def _waiting(look: Read, book: Book, without: datetime | None) -> tuple[Who, ...]:
    """Custodians whose word to go on for longer than `without` waits."""
    signed = [one.statement for one in overrides.together(look)]
    later = signed if without is None or (signed and overrides.until(signed[0]) > without) else []
    return book.people(one.person for one in later)


def lines(w: Witnesses) -> list[str]:
    told = [w.sentence]
    told += [
        f"{one.name}  {one.url}  "
        + (f"{one.cosigned} entries, {one.at:%Y-%m-%d %H:%M:%S} UTC" if one.at else "nothing cosigned yet")
        for one in w.witnesses
    ]
    if w.signed_by:
        told.append(
            f"{say.names(w.signed_by)} signed that releases go on without them; {w.needed} custodians must: "
            "breakglass audit override"
        )
    return told


def _one(look: Read, name: str, url: str) -> Witness:
    last = anchors.newest(look, kind_of(name))
    return Witness(name=name, url=url, cosigned=last.size if last else 0, at=last.at if last else None)


def _entries(look: Read) -> int:
    newest = evidence.newest_checkpoint(look)
    return note.parse_checkpoint(note.parse(newest).text).size if newest else 0


def _sentence(now: datetime, known: int, quorum: int, entries: int, witnessed: int, without: datetime | None) -> str:
    if not known:
        return "No witness watches this log: the roster names none."
    seen = f"{max(quorum, 1)} of {known} witnesses have cosigned {witnessed} of {entries} entries."
    if without is not None:
        return f"RELEASES GO ON WITHOUT THE WITNESSES until {say.at(without, now)}: custodians signed for it. {seen}"
    return f"{seen} " + (f"No release happens before {quorum} have." if quorum else "Releases do not wait for them.")
