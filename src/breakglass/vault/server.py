"""The vault's door: a Unix socket that only our own user may open, or the node's, and that knows the calls of `CALLS`.

accept ─▶ one of these? ─▶ a thread: question ▶ call ▶ answer, until the node closes
"""

import logging
import os
import socket
import stat
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from breakglass import faults
from breakglass.errors import BreakglassError, Malformed, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import shape
from breakglass.vault.core import Vault
from breakglass.vault.line import Behind
from breakglass.vault.shape import Blob
from breakglass.vault.wire import Broken, Channel, error_header

CALLS = (
    "status", "unseal_share", "seal", "load_roster", "sign", "catch_up", "confirm", "open_grant", "unknown_grants",
    "adopt_grants", "void_grant", "mint", "store", "check", "release_session", "release_rotation", "release_help",
    "release_replay", "confirm_clock", "rotate_kek", "rewrap", "retire_kek", "override", "begin_rekey", "finish_rekey",
    "prove_share", "retire_credential", "next_log", "make_kit", "check_slots", "begin_slot", "finish_slot",
)  # fmt: skip
CONNECTIONS = 64
TIMEOUT = 30.0
SOCKET_PATH_MAX = 107
_log = logging.getLogger(__name__)


class Server:
    def __init__(self, vault: Vault, path: Path, *, users: Collection[int] = ()) -> None:
        """`users` may connect, by default only who runs this process. With others the socket is our group's, too."""
        self._vault, self._path, self._users = vault, path, frozenset(users or {os.geteuid()})
        self._umask = 0o117 if self._users - {os.geteuid()} else 0o177
        self._readers = {name: shape.arguments(getattr(Vault, name)) for name in CALLS}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._stopped = False
        self._listener: socket.socket | None = None

    def start(self) -> None:
        """Listen, and serve in threads. Raises `WrongState` for a path that can't be used, `OSError`."""
        if len(os.fsencode(self._path)) > SOCKET_PATH_MAX:
            raise WrongState(
                f"The socket's path has over {SOCKET_PATH_MAX} bytes: {self._path}", what_to_do="Choose a shorter home."
            )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise WrongState(f"{self._path} is not a socket.", what_to_do="Move it away, or mind --listen.")
            # Whoever holds the folder's lock is the only vault: an old socket is nobody's.
            self._path.unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(self._umask)
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        listener.listen(CONNECTIONS)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), name="accept", daemon=True).start()

    def stop(self) -> None:
        """Close the door and every connection. A call that is running finishes; its answer is lost."""
        with self._lock:
            self._stopped = True
            listener, self._listener = self._listener, None
            open_now = list(self._open)
        if listener is not None:
            with suppress(OSError):
                self._path.unlink()
            # Closing alone does not wake a thread that waits in accept(2) or recv(2).
            for one in (listener, *open_now):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                if self._stopped:
                    return
                threading.Event().wait(0.1)  # out of descriptors: those who are there go on
                continue
            with self._lock:
                welcome = len(self._open) < CONNECTIONS and not self._stopped
                if welcome:
                    self._open.add(connection)
            if welcome:
                threading.Thread(target=self._serve, args=(connection,), name="call", daemon=True).start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        channel = Channel(connection, TIMEOUT)
        try:
            if channel.peer() not in self._users:
                _log.warning("a process of user %d was turned away", channel.peer())
                return
            while (frame := channel.receive(idle=True)) is not None:
                blobs: list[Blob | Secret] = []
                header = self._answer(*frame, blobs)
                channel.forget()
                try:
                    channel.send(header, blobs)
                finally:
                    _wipe(blobs)
        except Broken:
            pass
        except Exception as error:
            _report(error)
        finally:
            with self._lock:
                self._open.discard(connection)
            channel.close()

    def _answer(self, question: Any, asked: list[memoryview], blobs: list[Blob | Secret]) -> dict[str, Any]:
        try:
            name = question.get("call") if isinstance(question, dict) else ""
            reader = self._readers.get(name) if isinstance(name, str) else None
            if reader is None or not isinstance(name, str):
                raise Malformed("The vault has no such call.", what_to_do="Node and vault must be of the same version.")
            given = reader(question.get("args"), asked)
            try:
                with faults.inside("call", name):
                    faults.reach("began")
                    answer = shape.encode(getattr(self._vault, name)(**given), blobs)
                    faults.reach("ended")
                return {"ok": answer}
            finally:
                _wipe(given.values())
        except Behind as behind:
            return {"behind": behind.mark}
        except BreakglassError as error:
            return error_header(error)
        except Exception as error:
            _report(error)
            return error_header(
                Unavailable(
                    "The vault failed inside.", what_to_do="Try again; if it stays so, look at the vault's log."
                )
            )


def _wipe(values: Any) -> None:
    for one in values:
        if isinstance(one, Secret):
            one.wipe()


def _report(error: BaseException) -> None:
    """Where it failed, but neither the error's text nor any value: they might hold a secret."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    _log.error("%s at %s", type(error).__name__, place)


def quiet_hooks() -> None:
    """What nobody caught is reported in the same way, from every thread."""
    threading.excepthook = lambda found: _report(found.exc_value or found.exc_type())
    sys.excepthook = lambda _kind, error, _trace: _report(error)
