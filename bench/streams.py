"""Bytes through stock ssh: how fast they come and go once the connection stands. Blocks: for a thread."""

import fcntl
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

WITHIN = 90.0
"""Seconds that any one measurement may take; then its client is killed and the measurement fails."""
_PIPE = 1 << 20
_MEGA = 1e6


@contextmanager
def client(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A client with pipes; gone afterwards, and after `WITHIN` seconds at the latest."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    late = threading.Timer(WITHIN, process.kill)
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        if process.poll() is None:
            process.terminate()
        process.wait(10)


def down(ssh: Sequence[str], size: int) -> float:
    """MB/s of `size` bytes from the target, from the first to the last."""
    with client([*ssh, f"echo; head -c {size} /dev/zero"]) as process, Path(os.devnull).open("wb") as nowhere:
        pipe = _file(process.stdout)
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
        _mark(pipe)
        began, left = time.perf_counter(), size
        while moved := os.splice(pipe, nowhere.fileno(), _PIPE):
            left -= moved
        took = time.perf_counter() - began
    assert left == 0, f"{left} of {size} bytes did not come"
    return size / took / _MEGA


def up(ssh: Sequence[str], size: int) -> float:
    """MB/s of `size` bytes to the target, until it says that it has the last."""
    with client([*ssh, "echo; cat >/dev/null; echo"]) as process:
        into, out = _file(process.stdin), _file(process.stdout)
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, _PIPE)
        _mark(out)
        zeros, began, left = memoryview(bytes(1 << 18)), time.perf_counter(), size
        while left:
            left -= os.write(into, zeros[:left])
        assert process.stdin is not None
        process.stdin.close()
        _mark(out)
        return size / (time.perf_counter() - began) / _MEGA


class Echo:
    """A raw terminal on the target that gives every byte back."""

    COMMAND = "stty raw -echo; echo ready; exec cat"

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._in, self._out = _file(process.stdin), _file(process.stdout)
        seen = b""
        while b"ready\n" not in seen.replace(b"\r", b""):
            seen += _read(self._out)

    def trip(self) -> float:
        """Milliseconds until one byte is back."""
        began = time.perf_counter()
        os.write(self._in, b"x")
        back = _read(self._out)
        took = (time.perf_counter() - began) * 1000
        assert back == b"x"
        return took


def _file(pipe: object) -> int:
    number: int = pipe.fileno()  # type: ignore[attr-defined]
    return number


def _mark(pipe: int) -> None:
    found = os.read(pipe, 1)
    assert found == b"\n", f"the connection failed (got {found!r})"


def _read(pipe: int) -> bytes:
    ready, _, _ = select.select([pipe], [], [], 20)
    data = os.read(pipe, 4096) if ready else b""
    assert data, "the terminal is gone or does not answer"
    return data
