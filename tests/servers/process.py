"""A server's process: begun when its port answers, and ended."""

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path


def until_it_answers(process: "subprocess.Popen[bytes]", host: str, port: int, log: Path, *, within: float) -> None:
    """Raises `RuntimeError`, with the end of its log, when it ended or takes longer than `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        with suppress(OSError), socket.create_connection((host, port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = log.read_text()[-3000:] if log.exists() else "it wrote no log"
            raise RuntimeError(f"{process.args!r} does not start:\n{said}")
        time.sleep(0.05)


def end(process: "subprocess.Popen[bytes] | None", how: int = signal.SIGTERM) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(how)
        process.wait(20)
