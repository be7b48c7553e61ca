"""Our exported tiles judged by a verifier that we did not write: `aics-tlog`, in a process of its own."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from breakglass.audit.export import export_tiles
from tests.audit.kit import LOG_KEY, make_log
from tests.audit.test_export import leaves_of

pytestmark = pytest.mark.server
JUDGES = Path(sys.prefix) / "judges"
SIZE = 600
JUDGE = """
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
from aics_tlog.cli import main
def judge(words):
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return main(words)
    except SystemExit as end:
        return end.code
print(json.dumps([judge(words) for words in json.load(sys.stdin)]))
"""


def judged(questions: Sequence[Sequence[str]]) -> list[int]:
    """Their exit code for each of these command lines."""
    line = [sys.executable, "-I", "-c", JUDGE, str(JUDGES)]
    done = subprocess.run(line, input=json.dumps(questions), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    codes: list[int] = json.loads(done.stdout)
    return codes


def head(folder: Path) -> list[str]:
    return ["verify-checkpoint", "--tiles", str(folder), "--log-key", LOG_KEY.vkey]


def entry(folder: Path, index: int, leaf: Path, *words: str) -> list[str]:
    key = ["--tiles", str(folder), "--log-key", LOG_KEY.vkey]
    return ["verify-inclusion", *key, "--index", str(index), "--leaf", str(leaf), *words]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """A log of 600 entries as tiles, and its leaves as files."""
    folder = tmp_path_factory.mktemp("tiles")
    pin = make_log(folder / "log.db", SIZE)
    export_tiles(f"sqlite:///{folder / 'log.db'}", folder / "out", pin=pin)
    leaves = []
    for index, leaf in enumerate(leaves_of(folder / "log.db")):
        leaves.append(folder / f"leaf{index}")
        leaves[-1].write_bytes(leaf)
    return folder / "out", leaves


def test_it_verifies_our_checkpoint_and_entries(exported: tuple[Path, list[Path]]) -> None:
    folder, leaves = exported
    some = [0, 1, 255, 256, 511, 512, SIZE - 2, SIZE - 1]
    assert judged([head(folder), *(entry(folder, index, leaves[index]) for index in some)]) == [0] * (1 + len(some))


def test_it_refuses_another_entry_another_place_and_another_key(exported: tuple[Path, list[Path]]) -> None:
    folder, leaves = exported
    other = [
        word.replace(LOG_KEY.vkey, "log.example.org+b1db5813+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4")
        for word in head(folder)
    ]
    wrong = [entry(folder, 5, leaves[6]), entry(folder, 6, leaves[5]), entry(folder, SIZE, leaves[-1]), other]
    assert 0 not in judged(wrong)


def test_it_refuses_changed_tiles(exported: tuple[Path, list[Path]], tmp_path: Path) -> None:
    """A bit in each file on the way to an entry; a tile that is missing, swapped, cut, or has a byte too many."""
    folder, leaves = exported
    zero, one, last = Path("tile/0/000"), Path("tile/0/001"), Path("tile/0/002.p/88")
    questions = []

    def attack(name: str, index: int) -> Path:
        copy = tmp_path / name
        shutil.copytree(folder, copy)
        questions.append(entry(copy, index, leaves[index]))
        return copy

    for number, place in enumerate((zero, last, Path("tile/1/000.p/2"), Path("checkpoint"))):
        path = attack(f"bit{number}", 590 if place == last else 3) / place
        data = bytearray(path.read_bytes())
        data[40] ^= 1
        path.write_bytes(data)
    swapped = attack("swapped", 3)
    (swapped / zero).write_bytes((folder / one).read_bytes())
    (attack("missing", 3) / zero).unlink()
    cut = attack("cut", 590) / last
    cut.write_bytes(cut.read_bytes()[:-32])
    long = attack("long", 590) / last
    long.write_bytes(long.read_bytes() + b"\0")
    codes = judged(questions)
    assert len(codes) == 8
    assert 0 not in codes, codes
