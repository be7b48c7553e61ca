"""Witnesses as processes of their own, as their keepers run them: made, told of a log, served on loopback, killed."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

COMMAND = [sys.executable, "-m", "breakglass", "witness"]


class Running:
    """`with Running(folder, name) as witness:`; it can be killed and started again, on the same port."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = self._command("init", str(folder), "--name", name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def know(self, vkey: str) -> None:
        self._command("know", str(self.folder), vkey)

    def start(self) -> None:
        self._process = subprocess.Popen([*COMMAND, "serve", str(self.folder), "--port", str(self.port)])
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self._process.poll() is None, "the witness ended"
            time.sleep(0.05)  # a port that opens in another process rings no bell
        raise AssertionError("the witness did not start")

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def hang(self) -> None:
        """It takes connections and answers nothing any more, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _signal(self, what: int) -> None:
        if self._process is not None:
            self._process.send_signal(what)

    @staticmethod
    def _command(*words: str) -> str:
        done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()
