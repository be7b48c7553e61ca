"""Which of a deployment's logs the entries are of, judged by what custodians signed before: for every verifier.

next_log.signed ─▶ … ─▶ enough say the same: its checkpoints may begin ─▶ next_log.begun: from here on only its own
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from breakglass.audit import next_logs
from breakglass.audit.event import Event
from breakglass.errors import BadSignature
from breakglass.trust import next_log
from breakglass.trust.next_log import LogKey
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Statement

_CALL = "Keep the log as it is, and call the auditors."


@dataclass(frozen=True, slots=True)
class Begun:
    key: LogKey
    index: int
    """The entry that says so."""
    former: int
    """Entries that the log before had, as far as those knew who signed."""

    def in_words(self) -> str:
        return (
            f"Custodians went on with the log {self.key.origin} in entry {self.index}. The one before had "
            f"{self.former} entries, as far as they knew: what of them is not here was lost."
        )


class Continued:
    def __init__(self) -> None:
        self.begun: list[Begun] = []
        self._words: dict[tuple[str, str, str], set[str]] = {}

    @property
    def number(self) -> int:
        return next_log.FIRST + len(self.begun)

    def signed(self, statement: Statement) -> None:
        """One custodian's word, which holds."""
        self._words.setdefault(_same(statement.facts), set()).add(statement.person)

    def may_begin(self, roster: Roster, at: datetime) -> LogKey | None:
        """The next log, once as many custodians as it takes signed the same for it."""
        key = next_log.key_of(roster, self.number + 1)
        needed = next_log.needs(roster, at)
        enough = any(said[0] == key.origin and len(people) >= needed for said, people in self._words.items())
        return key if enough else None

    def begin(self, index: int, event: Event, roster: Roster) -> None:
        """`event` is `next_log.begun`. Raises `BadSignature`, `Malformed` for one that nobody signed for."""
        key, at = next_log.key_of(roster, self.number + 1), datetime.fromisoformat(event.at)
        named = (event.number("number"), event.text("origin"), event.about)
        if named != (self.number + 1, key.origin, next_log.subject(roster.deployment)):
            raise BadSignature("It is not the log that comes next.", what_to_do=_CALL)
        said = [people for facts, people in self._words.items() if facts[:2] == (key.origin, event.text("former"))]
        if max(map(len, said), default=0) < next_log.needs(roster, at):
            raise BadSignature("Not enough custodians went on with this log.", what_to_do=_CALL)
        if kept := event.text("checkpoint"):
            found = next_logs.former_head(roster, self.number, kept.encode())
            if next_logs.head_line(found.size, b64encode(found.root).decode()) != event.text("former"):
                raise BadSignature("Its checkpoint is not the head that it names.", what_to_do=_CALL)
        former = event.text("former").partition(" ")[0]
        if not former.isdigit():
            raise BadSignature("It names no head of the log before.", what_to_do=_CALL)
        self._words.clear()
        self.begun.append(Begun(key, index, int(former)))


def _same(facts: Mapping[str, str]) -> tuple[str, str, str]:
    return facts["origin"], facts["former"], facts["because"]
