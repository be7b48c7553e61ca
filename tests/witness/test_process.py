"""`breakglass witness` as a process of its own: made, told of a log, served over loopback, killed, started again."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from breakglass.codec import note
from breakglass.codec.cosignature import cosigned, parse_lines, parse_witness_key
from tests.witness.logs import FORK, LEAVES, VKEY, checkpoint, request

pytestmark = pytest.mark.server
COMMAND = [sys.executable, "-m", "breakglass", "witness"]


def run(*words: str) -> str:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=30, check=True).stdout.strip()


@contextmanager
def serving(folder: Path) -> Iterator[httpx.Client]:
    """Ends by SIGKILL, always: that is how machines end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (
        subprocess.Popen([*COMMAND, "serve", str(folder), "--port", str(port)]) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http,
    ):
        try:
            for _ in range(200):
                try:
                    http.get("/")
                    break
                except httpx.ConnectError:
                    assert process.poll() is None
                    time.sleep(0.1)
            yield http
        finally:
            process.kill()


def test_it_remembers_across_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "witness"
    key = parse_witness_key(run("init", str(folder), "--name", "witness.example.org/w1"))
    assert run("know", str(folder), VKEY) == note.parse_vkey(VKEY).name
    with serving(folder) as http:
        answer = http.post("/add-checkpoint", content=request(LEAVES, 0, 9))
        assert answer.status_code == 200
        [found] = cosigned(parse_lines(answer.content, checkpoint(LEAVES[:9])), [key])
        assert abs(found.time - time.time()) < 60
    with serving(folder) as http:
        rolled_back = http.post("/add-checkpoint", content=request(LEAVES, 0, 8))
        assert (rolled_back.status_code, rolled_back.text) == (409, "9\n")
        assert rolled_back.headers["content-type"] == "text/x.tlog.size"
        assert http.post("/add-checkpoint", content=request(FORK, 9, 12)).status_code == 422
        assert http.post("/add-checkpoint", content=request(LEAVES, 9, 12)).status_code == 200
