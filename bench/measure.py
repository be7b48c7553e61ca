"""How everything here is measured: all sides in turn, lap after lap, and the median of the laps' own ratios.

lap 1   ours  ssh -J  ssh          ratio of a lap = ours / theirs of the same lap
lap 2   ssh -J  ssh  ours          ratio of a row = median of those
lap 3   ssh  ours  ssh -J          (a noisy neighbour slows a lap down, not one side of it)
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

OURS = "ours"
DIRECT = "ssh"
Lap = Mapping[str, float]
"""One measurement of each side: `ours`, and each reference by its name."""
Side = Callable[[], Awaitable[float]]
MORE_IS_BETTER = frozenset({"MB/s", "steps/s", "entries/s", "rotations/min", "secrets/s", "releases/s"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    ours: float
    theirs: float
    unit: str
    reference: str
    ratio: float
    runs: int

    @property
    def wish(self) -> str:
        """Which way is good."""
        return "higher" if self.unit in MORE_IS_BETTER else "lower"

    def json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ours": round(self.ours, 4),
            "theirs": round(self.theirs, 4),
            "unit": self.unit,
            "reference": self.reference,
            "ratio": round(self.ratio, 4),
            "runs": self.runs,
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `ONLY` asks for: suites (`ssh`), rows (`ssh.setup`), or everything."""

    names: tuple[str, ...] = ()

    def __call__(self, name: str) -> bool:
        """Whether to measure `name`: it, its suite, or something in it was asked for."""
        return not self.names or any(
            name == one or name.startswith(f"{one}.") or one.startswith(f"{name}.") for one in self.names
        )


async def in_turn(laps: int, sides: Mapping[str, Side]) -> list[Lap]:
    """Measure each side once a lap; each lap begins with another side."""
    names = list(sides)
    done: list[Lap] = []
    for number in range(laps):
        start = number % len(names)
        measured = {name: await sides[name]() for name in names[start:] + names[:start]}
        done.append(measured)
    return done


def rows(name: str, unit: str, laps: Sequence[Lap]) -> list[Row]:
    """One row for each reference; the one against OpenSSH without any gateway is called `<name>.direct`."""
    references = [side for side in laps[0] if side != OURS]
    return [
        Row(
            name=f"{name}.direct" if reference == DIRECT else name,
            ours=median(lap[OURS] for lap in laps),
            theirs=median(lap[reference] for lap in laps),
            unit=unit,
            reference=reference,
            ratio=median(lap[OURS] / lap[reference] for lap in laps),
            runs=len(laps),
        )
        for reference in sorted(references, key=lambda side: (side == DIRECT, side))
    ]
