"""A server's clock that a test turns while the server runs: Debian's libfaketime, only in the processes that load it.

    clock = TurnedClock(folder)
    await deployment.start(**clock.environment)      the node, and the vault that it starts
    clock.turn("-1h")

Only what time of day it is changes; clocks that measure (CLOCK_MONOTONIC) go on as they do.
"""

from pathlib import Path


class TurnedClock:
    def __init__(self, folder: Path) -> None:
        found = [str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
        if not found:
            raise RuntimeError("this test needs Debian's package faketime")
        self._file = folder / "faketime"
        if not self._file.exists():
            self.turn("+0")
        self.environment = {
            "LD_PRELOAD": found[0],
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def turn(self, by: str) -> None:
        """`-1h`, `+90m`, `+0`: from the real time. Seen within a second."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{by}\n")
        fresh.replace(self._file)
