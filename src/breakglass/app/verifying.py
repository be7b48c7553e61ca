"""Verification of the log in a process of its own: it may take a while, and it must not trust this one's memory."""

import asyncio
import json
import sys

from breakglass.config import Home, Settings
from breakglass.errors import Unavailable

LONGEST = 600.0


async def verify_log(home: Home, settings: Settings) -> dict[str, object]:
    """What `breakglass audit verify --json` prints. Raises `Unavailable` when it takes too long."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "breakglass",
        "--home",
        str(home.path),
        "--json",
        "audit",
        "verify",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(LONGEST):
            out, _ = await process.communicate()
        found: dict[str, object] = json.loads(out)
    except (TimeoutError, ValueError):
        if process.returncode is None:
            process.kill()
        raise Unavailable("The verification did not finish.", what_to_do="Run `breakglass audit verify`.") from None
    return found
