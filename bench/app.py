"""How long until the doors are open; against an sshd, from its start until it takes connections.

A node starts two processes, opens the database, the vault and the log, verifies the chain of rosters, and listens.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.founded import Founded, Place, nobody, nowhere
from bench.measure import OURS, Row, Wanted, in_turn, rows
from tests.servers.sshd import running_sshd

SUITE = "app"
LAPS = 3


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    if not wanted("app.ready"):
        return
    founded = Founded(folder / "node", nowhere(folder / "target"), {"admin": Place(account=nobody())})
    await founded.found()
    sides = {OURS: lambda: _node(founded), "sshd": lambda: _sshd(folder / "sshd")}
    for row in rows("app.ready", "ms", await in_turn(LAPS, sides)):
        yield row


async def _node(founded: Founded) -> float:
    began = time.perf_counter()
    await founded.start()
    where = founded.where()
    with socket.create_connection((where["ssh_host"], where["ssh_port"]), 5):
        pass
    took = (time.perf_counter() - began) * 1000
    await founded.stop()
    return took


async def _sshd(folder: Path) -> float:
    began = time.perf_counter()
    async with running_sshd(folder):
        took = (time.perf_counter() - began) * 1000
    await asyncio.sleep(0)
    return took
