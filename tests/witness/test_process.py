"""`breakglass witness` as a process of its own: made, told of a log, served over loopback, killed, started again."""

import time
from pathlib import Path

import httpx
import pytest

from breakglass.codec.cosignature import cosigned, parse_lines, parse_witness_key
from tests.servers.witness import Running
from tests.witness.logs import FORK, LEAVES, VKEY, checkpoint, request

pytestmark = pytest.mark.server


def test_it_remembers_across_a_kill(tmp_path: Path) -> None:
    with (
        Running(tmp_path / "witness", "witness.example.org/w1") as witness,
        httpx.Client(base_url=witness.url, trust_env=False, timeout=10) as http,
    ):
        witness.know(VKEY)
        witness.start()
        answer = http.post("/add-checkpoint", content=request(LEAVES, 0, 9))
        assert answer.status_code == 200
        [found] = cosigned(parse_lines(answer.content, checkpoint(LEAVES[:9])), [parse_witness_key(witness.key)])
        assert abs(found.time - time.time()) < 60
        witness.kill()
        witness.start()
        rolled_back = http.post("/add-checkpoint", content=request(LEAVES, 0, 8))
        assert (rolled_back.status_code, rolled_back.text) == (409, "9\n")
        assert rolled_back.headers["content-type"] == "text/x.tlog.size"
        assert http.post("/add-checkpoint", content=request(FORK, 9, 12)).status_code == 422
        assert http.post("/add-checkpoint", content=request(LEAVES, 9, 12)).status_code == 200
