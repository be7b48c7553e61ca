"""What was observed on the target before a change counts as proven, as the log keeps it: one line for each secret.

    new CREDENTIAL VERSION accepted INSTANT ROTATOR
    old CREDENTIAL VERSION refused INSTANT ROTATOR      or `old none`: nothing was current before

The instant is that of the target's answer to a fresh login, which the rotator made.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from breakglass.errors import Malformed

NONE = "old none"
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One login, and what became of it."""

    credential: str
    version: int
    accepted: bool
    at: datetime
    how: str
    """The rotator that signed in."""

    def words(self) -> str:
        when = self.at.astimezone(UTC).strftime(_INSTANT)
        return f"{self.credential} {self.version} {'accepted' if self.accepted else 'refused'} {when} {self.how}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    new: Seen
    old: Seen | None
    """None where no credential was current before."""

    def text(self) -> str:
        return f"new {self.new.words()}\n{f'old {self.old.words()}' if self.old else NONE}"


def read(text: str) -> Proof:
    """Raises `Malformed` for what is no proof: also where the new one was refused, or the old one accepted."""
    lines = text.split("\n")
    if len(lines) == 2:
        new = _seen(lines[0], "new", accepted=True)
        old = None if lines[1] == NONE else _seen(lines[1], "old", accepted=False)
        if old is None or old.credential != new.credential:
            return Proof(new=new, old=old)
    raise Malformed("This is no proof of a change.", what_to_do="Look at the log: `breakglass audit verify`.")


def _seen(line: str, which: str, *, accepted: bool) -> Seen:
    words = line.split(" ")
    if len(words) == 6 and words[0] == which and words[3] == ("accepted" if accepted else "refused"):
        number = words[2]
        if words[1].startswith("crd_") and number.isascii() and number.isdigit() and number[0] != "0" and words[5]:
            return Seen(credential=words[1], version=int(number), accepted=accepted, at=_at(words[4]), how=words[5])
    raise Malformed("This is no proof of a change.", what_to_do="Look at the log: `breakglass audit verify`.")


def _at(text: str) -> datetime:
    try:
        at = datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        at = None
    if at is None or at.strftime(_INSTANT) != text:  # one instant, one spelling
        raise Malformed("This is no proof of a change.", what_to_do="Look at the log: `breakglass audit verify`.")
    return at
