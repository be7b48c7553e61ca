"""A policy: how many of whom must agree, for how long at most, what a session may do, how it is recorded.

    quorum: 2 of responders, 1 of security

Distinct people; the requester never counts; a person in two groups counts once (for whichever group needs them).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar

Name = TypeVar("Name", bound=str)
"""However the caller names people: their ids, or plain text that was read."""


class RecordingMode(StrEnum):
    """What happens to a session whose recording can't be written. `strict`: it is cut."""

    STRICT = "strict"


class Permission(StrEnum):
    SHELL = "shell"
    EXEC = "exec"
    SFTP = "sftp"


class Lane(StrEnum):
    DUAL_CONTROL = "dual-control"


@dataclass(frozen=True, slots=True)
class Part:
    """`count` people of `group`: one line of a quorum."""

    group: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} of {self.group}"


Quorum = tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    id: str
    quorum: Quorum
    max_for: timedelta
    decide_for: timedelta
    """How long a request waits for its approvals."""
    permissions: frozenset[Permission]
    recording: RecordingMode = RecordingMode.STRICT
    bulk_cap: int = 16 * 1024 * 1024
    """Bytes of one stream without a terminal that are recorded whole; beyond it: size and SHA-256."""
    ssh_signatures: int = 0
    """How many of the quorum must sign with an SSH key. A passkey signs what a page hands to it, which a page that was
    taken over can make another text than the one it shows; `ssh-keygen` signs the file that its person read."""

    def lacks(self, given: Iterable[Name], by_ssh: Collection[Name], groups: Mapping[Name, Iterable[str]]) -> "Lacking":
        """What is missing when these people agreed, those in `by_ssh` with an SSH key."""
        given = list(given)
        count = sum(one in by_ssh for one in dict.fromkeys(given) if self.counts(groups.get(one, ())))
        return Lacking(tuple(missing(self.quorum, given, groups)), max(0, self.ssh_signatures - count))

    def counts(self, groups: Iterable[str]) -> bool:
        """Whether the word of somebody in these groups counts."""
        return not {part.group for part in self.quorum}.isdisjoint(groups)

    def words(self) -> str:
        """`2 of responders, 1 of security, 1 of them with ssh-keygen`"""
        by_ssh = f", {self.ssh_signatures} of them with ssh-keygen" if self.ssh_signatures else ""
        return in_words(self.quorum) + by_ssh


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a policy still asks for; false when that is nothing."""

    parts: Quorum
    ssh_signatures: int

    def __bool__(self) -> bool:
        return bool(self.parts or self.ssh_signatures)

    def __str__(self) -> str:
        """`1 of responders, 1 of security (1 by ssh-keygen)`, `1 signature by ssh-keygen`"""
        people = in_words(self.parts)
        if not self.ssh_signatures:
            return people
        return f"{people} ({self.ssh_signatures} by ssh-keygen)" if people else f"{self.ssh_signatures} by ssh-keygen"

    @property
    def only_ssh_is_left(self) -> bool:
        """The places that are open are all wanted for SSH signatures: one more passkey would take the last of them."""
        return bool(self.ssh_signatures) and sum(part.count for part in self.parts) <= self.ssh_signatures


def missing(quorum: Quorum, given: Iterable[Name], groups: Mapping[Name, Iterable[str]]) -> Sequence[Part]:
    """What a quorum still lacks when these people agreed; empty when it is met.

    People are matched to places (augmenting paths), so that somebody in two groups fills the one that only they can
    fill.
    """
    places = [(n, part.group) for n, part in enumerate(quorum) for _ in range(part.count)]
    holder: dict[int, Name] = {}

    def seat(person: Name, tried: set[int]) -> bool:
        for place, (_, group) in enumerate(places):
            if place in tried or group not in groups.get(person, ()):
                continue
            tried.add(place)
            if place not in holder or seat(holder[place], tried):
                holder[place] = person
                return True
        return False

    for person in dict.fromkeys(given):
        seat(person, set())
    lacking = [0] * len(quorum)
    for place, (n, _) in enumerate(places):
        lacking[n] += place not in holder
    return [Part(part.group, lack) for part, lack in zip(quorum, lacking, strict=True) if lack]


def in_words(quorum: Iterable[Part]) -> str:
    return ", ".join(str(part) for part in quorum)
