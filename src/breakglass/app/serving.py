"""`breakglass serve`: one node in the foreground, until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import signal
from pathlib import Path

import uvloop

from breakglass import config
from breakglass.app.node import Node
from breakglass.config import Home
from breakglass.vault.making import key_file_of

LOOKUPS = 64
"""Threads in which the loop looks up names. It has four otherwise: a handful of services outside whose names nobody
answers would hold up the lookup of a target that stands in the hosts file."""


def run(home: Home) -> None:
    settings = config.read(home)
    if not settings.demo:
        refuse_key_in_data(home, settings)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("asyncssh", "alembic", "uvicorn", "httpx", "urllib3", "apprise"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    os.environ.setdefault("UV_THREADPOOL_SIZE", str(LOOKUPS))
    uvloop.run(_serve(home, settings))


def refuse_key_in_data(home: Home, settings: config.Settings) -> None:
    """Raises `KeyInData` when what opens the vault here, key file or PIN, was moved into the data folder."""
    if settings.vault_socket:  # then it is the vault's business, which looks itself
        return
    if where := settings.key_file or key_file_of(home.vault):
        config.keep_outside(home, Path(where), f"The vault's key file {where}")
    if settings.pkcs11_pin_file:
        config.keep_outside(home, Path(settings.pkcs11_pin_file), "The PIN file of the vault's hardware module")


async def _serve(home: Home, settings: config.Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with Node(home, settings) as node:
        assert node.door is not None  # noqa: S101 (a started node has both)
        assert node.api is not None  # noqa: S101
        logging.getLogger("breakglass").info(
            "ready: ssh on %s port %d, API and pages on %s port %d",
            settings.ssh_host, node.door.port, settings.api_host, node.api.port,
        )  # fmt: skip
        await stop.wait()
    # All of it is down and on disk. A name that no server answers still holds up a thread, for as long as the resolver
    # has patience, and an orderly end of the interpreter would wait for it: nobody restarts a node to sit through that.
    logging.shutdown()
    os._exit(0)
