"""The vault's process, as the node keeps it: started, watched, started again; and its client, as the log's signer.

The vault holds every key and has no database. When it dies it comes back (sealed, unless a local slot opens it), is
given the roster anew, and signs over what the log grew meanwhile.
"""

import asyncio
import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from breakglass.audit.log import Behind
from breakglass.config import Home, Settings
from breakglass.errors import Unavailable
from breakglass.vault.client import VaultClient
from breakglass.vault.line import Behind as VaultBehind
from breakglass.vault.users import number_of

READY_WITHIN = 10.0
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_log = logging.getLogger(__name__)


class VaultProcess:
    """One child process; `keep` runs for the node's life."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home, self.settings = home, settings
        self.child: subprocess.Popen[bytes] | None = None
        self.client = VaultClient(home.vault_socket)

    async def start(self) -> None:
        """Start it and wait until it listens. Raises `Unavailable` with the vault's own last words."""
        # Not in a worker thread: the child is told to die with the *thread* that made it (PR_SET_PDEATHSIG).
        child = self._spawn()
        line = await asyncio.to_thread(_line_within, child.stdout.fileno(), READY_WITHIN) if child.stdout else b""
        try:
            ready = json.loads(line)["ready"]
        except (ValueError, KeyError, TypeError):
            ready = False
        if not ready:
            self.kill()
            raise Unavailable("The vault did not start.", what_to_do="See the server's log for the vault's own words.")

    def _spawn(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "breakglass.vault", "--home", str(self.home.path)]
        if self.settings.key_file:
            command += ["--key-file", self.settings.key_file]
        if self.settings.pkcs11_module:
            command += ["--pkcs11-module", self.settings.pkcs11_module]
            command += ["--pkcs11-pin-file", self.settings.pkcs11_pin_file]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, close_fds=True)
        return self.child

    async def keep(self) -> None:
        """Start it again whenever it ends."""
        fails = 0
        while True:
            await asyncio.sleep(0.1)
            if self.child is not None and self.child.poll() is None:
                fails = 0
                continue
            _log.error("the vault ended (%s); starting it again", self.child.returncode if self.child else "never ran")
            await asyncio.sleep(PAUSES[min(fails, len(PAUSES) - 1)])
            fails += 1
            with contextlib.suppress(Unavailable, OSError):
                await self.start()

    def kill(self) -> None:
        if self.child and self.child.poll() is None:
            self.child.kill()
            _ended_within(self.child, 5)

    def stop(self) -> None:
        """Let it put its state down, then end."""
        self.client.close()
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            if not _ended_within(self.child, 5):
                self.kill()
        if self.child and self.child.stdout:
            self.child.stdout.close()


class VaultService:
    """A vault that somebody else starts, as another user: systemd (`breakglass units`). Seen as a `VaultProcess` is."""

    def __init__(self, settings: Settings) -> None:
        user = number_of(settings.vault_user)
        self.path = Path(settings.vault_socket)
        self.client = VaultClient(self.path, user=user)

    async def start(self) -> None:
        """Wait until it answers. Raises `Unavailable`."""
        end = time.monotonic() + READY_WITHIN
        while True:
            try:
                await asyncio.to_thread(self.client.status)
                return
            except Unavailable:
                if time.monotonic() > end:
                    raise Unavailable(
                        f"No vault answers on {self.path}.",
                        what_to_do="Look at its unit (`systemctl status breakglass-vault`), and whether this user may "
                        "open the socket.",
                    ) from None
            await asyncio.sleep(0.1)

    async def keep(self) -> None:
        """Its own manager does."""

    def stop(self) -> None:
        self.client.close()


def vault_of(home: Home, settings: Settings) -> VaultProcess | VaultService:
    """Raises `NotFound` for a user that this machine does not have."""
    return VaultService(settings) if settings.vault_socket else VaultProcess(home, settings)


class VaultSigner:
    """The log's view of the vault."""

    def __init__(self, client: VaultClient) -> None:
        self._client = client

    def sign(self, base: int, hashes: Sequence[bytes], frontier: bytes) -> bytes:
        try:
            return self._client.sign(base, hashes, frontier)
        except VaultBehind as behind:
            raise Behind(behind.mark) from None

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None:
        self._client.catch_up(size, frontier, proof)

    def confirm(self, checkpoint: bytes) -> bool:
        return self._client.confirm(checkpoint)


def _ended_within(child: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait for its end without looking again and again (pidfd_open(2))."""
    end = os.pidfd_open(child.pid)
    try:
        select.select([end], [], [], seconds)
    finally:
        os.close(end)
    return child.poll() is not None


def _line_within(file: int, seconds: float) -> bytes:
    found = b""
    while not found.endswith(b"\n"):
        ready, _, _ = select.select([file], [], [], seconds)
        if not ready or not (more := os.read(file, 4096)):
            break
        found += more
    return found
