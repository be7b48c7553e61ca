"""Verification of the log in a process of its own: it may take a while, and it must not trust this one's memory."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

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
    await asyncio.to_thread(_keep, home, found)
    return found


def last_verification(home: Home) -> tuple[datetime, dict[str, object]] | None:
    """When the node verified its log last, and what it found; None for never, or when that can't be read."""
    try:
        kept = json.loads(_kept(home).read_text())
        result: dict[str, object] = kept["result"]
        return datetime.fromisoformat(kept["at"]), result
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(home: Home, found: dict[str, object]) -> None:
    kept = _kept(home)
    fresh = kept.with_name(f"{kept.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"at": datetime.now(UTC).isoformat(), "result": found}, file)
    fresh.replace(kept)


def _kept(home: Home) -> Path:
    return home.path / "verified.json"
