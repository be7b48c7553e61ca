"""Private values in the log: each is there and fits its commitment, or was erased by people who may.

    entry 12  from# ─▶ opening: fits                                        ┐
    entry 40  from# ─▶ none: erased ◀─ entry.erased 97 ◀─ erasure.signed 95 (auditor), 96 (custodian)

Two people sign, an auditor and a custodian; neither of them did what the entry tells. What stands in a statement that
somebody signed stays: a reason that was approved can't be erased.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select

from breakglass.audit.event import Event, parse
from breakglass.codec import private
from breakglass.codec.private import ERASED, NOT_SHOWN, Opening, Unknown
from breakglass.errors import BadSignature, Tampered
from breakglass.model.people import Role
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust import erasure
from breakglass.trust.statement import Signed, Statement

SIGNED, GONE, DONE = "erasure.signed", "entry.erased", "erasure.done"
_CALL = "Keep the log as it is, and call the auditors."


@dataclass(slots=True)
class _Private:
    kind: str
    about: str
    by: str
    names: tuple[str, ...]
    missing: bool
    erased: bool = False


@dataclass(slots=True)
class _Wanted:
    """What people have signed for one erasure."""

    roles: dict[str, Collection[Role]] = field(default_factory=dict)
    entries: dict[str, frozenset[int]] = field(default_factory=dict)


class Erasures:
    def __init__(self) -> None:
        self._private: dict[int, _Private] = {}
        self._wanted: dict[str, _Wanted] = {}
        self.not_shown = 0
        """Values that nobody gave this verifier."""

    @property
    def erased(self) -> int:
        """Entries whose private values were erased."""
        return sum(one.erased for one in self._private.values())

    def opened(self, index: int, event: Event, openings: Mapping[str, Opening] | None) -> Event:
        """The event with its private values; `openings` is None where they are not kept. Raises `Tampered` for one that
        does not fit, `Malformed`."""
        names = private.hidden(event.data)
        if not names and not openings:
            return event
        unknown: Unknown = NOT_SHOWN if openings is None else ERASED
        if openings is None:
            self.not_shown += len(names)
        elif names:
            missing = not openings.keys() >= set(names)
            if missing and openings:
                raise Tampered("Some of its private values are gone, and some are not.", what_to_do=_CALL)
            self._private[index] = _Private(event.kind, event.about, event.by, names, missing)
        return event._replace(data=private.restore(event.data, openings or {}, unknown))

    def signed(self, about: str, said: Statement, roles: Collection[Role]) -> None:
        """Somebody's word, whose signature holds, for an erasure. Raises `BadSignature`."""
        if not erasure.SIGNS & set(roles):
            raise BadSignature(f"{said.person} may not have anything erased.", what_to_do=_CALL)
        entries = erasure.read_entries(said.facts["entries"])
        for index in entries:
            if (found := self._private.get(index)) is not None and found.by == said.person:
                raise BadSignature(f"{said.person} had their own entry {index} erased.", what_to_do=_CALL)
        wanted = self._wanted.setdefault(about, _Wanted())
        wanted.roles[said.person], wanted.entries[said.person] = roles, frozenset(entries)

    def take(self, event: Event, approved: Collection[str]) -> None:
        """An entry that says that another one's values were erased. `approved`: requests that people approved. Raises
        `Tampered`."""
        if event.kind != GONE:
            return
        index = event.number("entry")
        found = self._private.get(index)
        if found is None and self.not_shown:
            return  # nobody can tell here which entry it was
        if found is None or found.about != event.about or " ".join(sorted(found.names)) != event.text("fields"):
            raise Tampered(f"Entry {index} has no such private values.", what_to_do=_CALL)
        if found.kind == "request.made" and found.about in approved:
            raise Tampered("Its reason stands in what people signed: it can't be erased.", what_to_do=_CALL)
        wanted = self._wanted.get(event.text("erasure"), _Wanted())
        signers = {person: wanted.roles[person] for person, those in wanted.entries.items() if index in those}
        if not erasure.enough(signers):
            raise Tampered("It was not signed by an auditor and a custodian.", what_to_do=_CALL)
        if found.erased or not found.missing:
            raise Tampered(f"The values of entry {index} are still there, or were erased before.", what_to_do=_CALL)
        found.erased = True

    def unexplained(self) -> Iterator[tuple[int, str]]:
        """When the log is over: values that are gone, and that nobody erased."""
        for index, one in self._private.items():
            if one.missing and not one.erased:
                yield index, f"Its {', '.join(one.names)} is gone, and the log does not say that it was erased."


def words(look: Read, about: str) -> list[Signed]:
    """What people have signed for this erasure, oldest first."""
    e = books.entry.c
    query = select(e.leaf).where(e.about == about, e.kind == SIGNED).order_by(e.idx)
    found = [parse(leaf) for leaf in look.conn.execute(query).scalars()]
    return [Signed(one.text("statement"), one.text("signature")) for one in found]


def must_be_whole(erasures: Erasures) -> None:
    """Raises `Tampered` for the first value that is gone without a word."""
    for index, words in erasures.unexplained():
        raise Tampered(f"Entry {index}: {words}", what_to_do=_CALL)
