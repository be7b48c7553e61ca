"""`breakglass demo`: a whole deployment on loopback with an embedded host, and a tour through one emergency."""

import asyncio
import json
import logging
import os
import signal
import time
from pathlib import Path
from typing import Any

import uvloop

from breakglass.config import Home
from breakglass.demo.guide import guide
from breakglass.demo.tour import Tour
from breakglass.demo.world import World
from breakglass.errors import WrongState


def default_home() -> Home:
    state = os.environ.get("XDG_STATE_HOME", "")
    return Home((Path(state) if state else Path.home() / ".local" / "state") / "breakglass-demo")


def run(home: Home | None, *, auto: bool, as_json: bool) -> int:
    """0 when the tour saw all it must see (`auto`), or when the person ended the demo; 1 otherwise."""
    home = home or default_home()
    if home.settings.exists() and not (home.path / "demo" / "world.json").exists():
        raise WrongState(
            f"{home.path} is a real deployment, not a demo.",
            what_to_do="Choose another folder: `breakglass demo --home DIR`.",
        )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    for noisy in ("asyncssh", "apprise"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    return uvloop.run(_auto(home, as_json) if auto else _guided(home))


async def _auto(home: Home, as_json: bool) -> int:
    def say(step: dict[str, Any]) -> None:
        mark = "ok  " if step["ok"] else "FAIL"
        print(json.dumps(step) if as_json else f"{mark} {step['step']:<16} {step['detail']}", flush=True)

    began = time.monotonic()
    async with World(home) as world:
        where = f"the node listens, {len(world.people)} people signed in, the host's password was stored and changed"
        say({"step": "start", "ok": True, "seconds": round(time.monotonic() - began, 3), "detail": where})
        return 0 if await Tour(world, say).play() else 1


async def _guided(home: Home) -> int:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with World(home) as world:
        print(guide(world), flush=True)
        await stop.wait()
    return 0
