"""What people leave behind on a target: a look before, a look after, and what is new or gone between them.

    look ─▶ kept as digests (nobody reads a whole crontab here) ─▶ later look ─▶ `+ cron root: …`   `- 1 key`

What is new is for the review, in its own words. What is gone is only counted by kind: its words were never kept.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from breakglass.model.change import Change, Fact
from breakglass.model.target import AccountId

MOST = 4000
"""Traces of one look; more than that is told as one of its own."""
LONGEST = 200
LINES_MAX = 200
_DIGEST = 24


@dataclass(frozen=True, slots=True, order=True)
class Trace:
    kind: str
    """`key` `cron` `sudo` `user` `group` `role` `port` `unit`: one short word."""
    what: str
    """In words, on one line: which, where, whose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The newest look at an account's target while nobody used the account."""

    id: AccountId
    taken_at: datetime
    traces: str
    """As `kept` makes it."""


def looked(look: Look) -> Change[Look]:
    data: dict[str, str | int | bool] = {"account": look.id, "traces": digest(look.traces)}
    return Change(look, (Fact("target.looked", look.id, data),))


def digest(kept: str) -> str:
    """Of a look as it is kept: SHA-256, in hexadecimal."""
    return sha256(kept.encode()).hexdigest()


def kept(traces: Sequence[Trace]) -> str:
    """A look as it is kept: one line a trace, its kind and a digest. Never empty, also where nothing was found."""
    return "\n".join(["look 1", *sorted({_line(one) for one in traces[:MOST]})])


def difference(before: str, now: Sequence[Trace]) -> tuple[str, ...]:
    """What is new since `before` (made by `kept`), then what is gone; empty when nothing is."""
    old, new = set(before.split("\n")[1:]), {_line(one): one for one in now[:MOST]}
    added = sorted(one for line, one in new.items() if line not in old)
    gone = Counter(line.partition(" ")[0] for line in old - new.keys())
    told = [f"+ {one.kind} {one.what[:LONGEST]}" for one in added]
    told += [f"- {count} {kind}" for kind, count in sorted(gone.items())]
    if len(told) > LINES_MAX:
        told = [*told[: LINES_MAX - 1], f"and {len(told) - LINES_MAX + 1} more"]
    return tuple(told)


def _line(one: Trace) -> str:
    return f"{one.kind} {sha256(f'{one.kind} {one.what}'.encode()).hexdigest()[:_DIGEST]}"
