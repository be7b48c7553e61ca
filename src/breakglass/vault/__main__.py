"""The vault's process: `python -m breakglass.vault --home DIR`.

    harden ▸ lock the folder ▸ open by a local slot, if there is one ▸ listen ▸ one line "ready" ▸ wait for SIGTERM
                                                                  └ meanwhile: ask a hardware module, 5 s at most

Custodians need not wait for a module that hangs. The process holds the keys and has no database and no network. It
stops when the process that started it stops; or it is a service of its own (`--alone`), whose socket the node's user
may open (`--node-user`).
"""

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from breakglass import config
from breakglass.errors import BreakglassError
from breakglass.vault.core import Vault
from breakglass.vault.files import FolderLock
from breakglass.vault.harden import die_with_parent, harden
from breakglass.vault.server import Server, quiet_hooks
from breakglass.vault.token import Token
from breakglass.vault.users import number_of

TICK = 0.5
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_log = logging.getLogger("breakglass.vault")


def main() -> int:
    parent = os.getppid()
    # Before any thread starts, so that every thread leaves them to `sigwait`.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    parser = argparse.ArgumentParser(prog="python -m breakglass.vault", description="Hold the keys of one deployment.")
    parser.add_argument("--home", type=Path, required=True, help="the deployment's folder: the vault is in DIR/vault")
    parser.add_argument("--listen", type=Path, help="the Unix socket; DIR/run/vault.sock")
    parser.add_argument("--key-file", type=Path, help="where the file slot's key lies, if it was moved")
    parser.add_argument("--pkcs11-module", type=Path, help="the hardware module's library, for the pkcs11 slot")
    parser.add_argument("--pkcs11-pin-file", type=Path, help="where its PIN lies, mode 0600")
    parser.add_argument("--node-user", help="the user of the node, if another than ours: it may open the socket")
    parser.add_argument("--alone", action="store_true", help="go on when the process that started this one ends")
    given = parser.parse_args()
    if given.pkcs11_module is not None and given.pkcs11_pin_file is None:
        parser.error("--pkcs11-module needs --pkcs11-pin-file")
    token = Token(given.pkcs11_module, given.pkcs11_pin_file) if given.pkcs11_module else None
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s vault %(levelname)s %(message)s")
    quiet_hooks()
    try:
        users = {os.geteuid(), number_of(given.node_user)} if given.node_user else set()
        whose = None if given.alone else parent
        return serve(given.home, given.listen, given.key_file, token, users=users, parent=whose)
    except BreakglassError as error:
        sys.stderr.write(f"{error.message}\n{error.what_to_do}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"The vault can't start: {error.strerror} {error.filename or ''}\n")
        return 1


def serve(
    home: Path,
    listen: Path | None,
    key_file: Path | None,
    token: Token | None,
    *,
    users: Collection[int],
    parent: int | None,
) -> int:
    """Serve until SIGTERM. `users` may come, without any only ours; `parent` is whose end is ours too."""
    locked = harden()
    if parent is not None:
        die_with_parent(parent)
    folder = home.absolute() / "vault"
    lock = FolderLock(folder)
    vault = Vault(folder, key_file=key_file, token=token, memory_locked=locked)
    if users:  # otherwise the node that starts us has looked
        refuse_keys_in(home, vault.key_file, token)
    vault.try_local_slots()
    path = (listen or home / "run" / "vault.sock").absolute()
    server = Server(vault, path, users=users)
    server.start()
    threading.Thread(target=vault.try_slow_slots, name="slow slots", daemon=True).start()
    stopping = threading.Event()
    ticking = threading.Thread(target=_tick, args=(vault, stopping), name="tick", daemon=True)
    ticking.start()
    ready = {"ready": True, "socket": str(path), "pid": os.getpid(), "sealed": vault.status().sealed}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    tell_manager("READY=1")
    signal.sigwait(ENDING)
    server.stop()
    stopping.set()
    vault.seal()
    lock.release()
    return 0


def refuse_keys_in(home: Path, key_file: Path | None, token: Token | None) -> None:
    """Raises `KeyInData` when key file or PIN lie beside the vault, and so in its backups."""
    for path, what in ((key_file, "key file"), (token.pin_file if token else None, "PIN file")):
        if path is not None:
            config.keep_outside(config.Home(home.absolute()), path, f"The vault's {what} {path}")


def tell_manager(state: str) -> None:
    """sd_notify(3), where systemd started us (`Type=notify`)."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def _tick(vault: Vault, stopping: threading.Event) -> None:
    while not stopping.wait(TICK):
        try:
            vault.tick()
        except Exception as error:
            # Nothing may end the thread that writes the mark.
            _log.error("a tick failed: %s", type(error).__name__)


if __name__ == "__main__":
    sys.exit(main())
