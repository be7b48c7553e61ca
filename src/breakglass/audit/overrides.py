"""What custodians have said about going on without the witnesses: what waits for another one, and what holds now."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from breakglass.audit import words as words_of
from breakglass.audit.words import Word, e, newest
from breakglass.codec import instant
from breakglass.storage.work import Read
from breakglass.trust import override
from breakglass.trust.statement import Statement

SIGNED, REFUSED, BEGUN = "override.signed", "override.refused", "override.begun"


def words(look: Read) -> Sequence[Word]:
    """Signed statements whose time is not over and that the vault did not refuse, oldest first."""
    found = words_of.since(look, SIGNED, (REFUSED,), e.at > look.now - override.LONGEST)
    return [one for one in found if override.holds(until(one.statement), look.now)]


def together(look: Read) -> Sequence[Word]:
    """Those that most custodians signed alike: the vault says whether they are enough."""
    alike: dict[tuple[str, str], list[Word]] = defaultdict(list)
    for one in words(look):
        alike[one.statement.facts["until"], one.statement.facts["because"]].append(one)
    return max(alike.values(), key=len, default=[])


def holds(look: Read) -> datetime | None:
    """Until when releases go on without the witnesses; None where they do not."""
    begun = newest(look, (BEGUN,))
    end = instant.read(begun.text("until")) if begun else None
    return end if end and override.holds(end, look.now) else None


def until(statement: Statement) -> datetime:
    return instant.read(statement.facts["until"])
