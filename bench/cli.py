"""How long a person waits for `breakglass --help`; against a Python that starts and does nothing."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bench.measure import OURS, Row, Wanted, in_turn, rows

SUITE = "cli"
LAPS = 11


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    if not wanted("cli.help"):
        return
    sides = {
        OURS: lambda: _run(("-m", "breakglass", "--help")),
        "python -c pass": lambda: _run(("-c", "pass")),
    }
    for side in sides.values():
        await side()  # once for the bytecode
    for row in rows("cli.help", "ms", await in_turn(LAPS, sides)):
        yield row


async def _run(arguments: Sequence[str]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    code = await asyncio.wait_for(process.wait(), 30)
    took = (time.perf_counter() - began) * 1000
    assert code == 0, f"{arguments} ended with {code}"
    return took
