"""Time as the vault believes it: never before an instant that it has seen, and frozen when the clock jumps back.

    now = max(wall clock, latest instant seen)          wall < latest - 60 s  ▶  frozen

Whoever turns the clock back would lengthen every grant. So grants and releases stop until the wall clock has caught up,
or custodians have confirmed the present instant by their signatures. `latest` is kept with the vault's state. The log
has an instant of its own, that of its last entry: what follows there is in breakglass.flow.clock.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from breakglass.codec import instant
from breakglass.errors import Unavailable

LEEWAY = timedelta(seconds=60)
"""How far a clock may be set back without notice: time services correct that much."""


class ClockWentBack(Unavailable):
    """The wall clock stands more than a minute before an instant that the vault has seen."""

    code = "clock_went_back"


def went_back(wall: datetime, latest: datetime) -> ClockWentBack:
    """The words for it, wherever it is noticed."""
    return ClockWentBack(
        f"The clock says {instant.write(wall)}, but the vault has seen {instant.write(latest)}: "
        "no access is granted and no secret released until this is settled.",
        what_to_do="Set the server's clock right. If the later instant was the wrong one, two custodians "
        "confirm the present time: `breakglass clock confirm`, or `ssh gate clock`.",
    )


class Wall(Protocol):
    def now(self) -> datetime:
        """The wall clock's aware UTC."""
        ...


class SystemWall:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Instants:
    """What the vault has seen of time; `latest` only grows, but for `confirm`."""

    def __init__(self, wall: Wall, latest: datetime) -> None:
        self._wall, self.latest = wall, latest

    def now(self) -> datetime:
        """Raises `ClockWentBack` while frozen."""
        wall = self._wall.now()
        if wall < self.latest - LEEWAY:
            raise went_back(wall, self.latest)
        self.latest = max(self.latest, wall)
        return self.latest

    def observe(self) -> bool:
        """Look at the wall clock without acting on it; False while frozen."""
        try:
            self.now()
        except ClockWentBack:
            return False
        return True

    def wall(self) -> datetime:
        return self._wall.now()
