"""Where the log's checkpoints went, and when: what nobody at this server can take back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from breakglass.storage import anchors
from breakglass.storage.work import Read
from breakglass.views import shapes

LATE = timedelta(minutes=5)
"""On top of its own time: before that, nobody needs to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAnchor:
    """A place that the settings name."""

    kind: str
    """Of its rows in `anchor`."""
    name: str
    every: timedelta


def listed(look: Read, places: Sequence[ExpectedAnchor]) -> tuple[shapes.Anchor, ...]:
    found = []
    for one in places:
        last = anchors.newest(look, one.kind)
        found.append(
            shapes.Anchor(
                name=one.name,
                every_seconds=round(one.every.total_seconds()),
                size=last.size if last else 0,
                at=last.at if last else None,
                late=last is None or last.at + one.every + LATE < look.now,
            )
        )
    return tuple(found)
