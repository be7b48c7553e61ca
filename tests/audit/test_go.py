"""Our exported tiles judged by Go's checksum-database packages, from Debian: `note.Open`, every record by
`tlog.CheckRecord`, an older head by `tlog.CheckTree`. They know nothing of us; `judge/main.go` maps the paths.
"""

import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from breakglass.audit.export import export_tiles
from breakglass.trust.tree import Frontier, leaf_hash
from tests.audit.kit import LOG_KEY, make_log
from tests.audit.test_export import leaves_of

pytestmark = pytest.mark.server
GO = "/usr/bin/go"  # Debian's, which comes with golang-golang-x-mod-dev
SIZES = (1, 2, 255, 256, 257, 600)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GOCACHE": str(folder / "cache"), "GOFLAGS": "",
        "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOTOOLCHAIN": "local", "GOPROXY": "off",
    }  # fmt: skip
    source = Path(__file__).parent / "judge" / "main.go"
    command = [GO, "build", "-o", str(folder / "judge"), str(source)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "judge"


def judged(judge: Path, folder: Path, *older: str, vkey: str = LOG_KEY.vkey) -> str:
    """`N records`, or what is wrong."""
    command = [str(judge), vkey, str(folder), *older]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode == 0 else f"refused: {done.stderr.strip()}"


def exported(folder: Path, size: int) -> Path:
    pin = make_log(folder / f"{size}.db", size)
    export_tiles(f"sqlite:///{folder / f'{size}.db'}", folder / f"out{size}", pin=pin)
    return folder / f"out{size}"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("tiles"), SIZES[-1])


@pytest.mark.parametrize("size", SIZES[:-1])
def test_it_takes_logs_of_all_shapes(judge: Path, tmp_path: Path, size: int) -> None:
    assert judged(judge, exported(tmp_path, size)) == f"{size} records"


def root(folder: Path, size: int) -> str:
    tree = Frontier()
    for leaf in leaves_of(folder)[:size]:
        tree.add(leaf_hash(leaf))
    return b64encode(tree.root()).decode()


def test_it_finds_that_a_log_has_grown_from_an_older_head(judge: Path, large: Path) -> None:
    database = large.with_name("600.db")
    for size in (1, 256, 300, 600):
        assert judged(judge, large, str(size), root(database, size)) == "600 records"
    assert "does not begin with the 300 entries" in judged(judge, large, "300", root(database, 299))


def test_it_refuses_another_key_and_another_checkpoint(judge: Path, large: Path, tmp_path: Path) -> None:
    other = "log.example.org+b1db5813+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    assert judged(judge, large, vkey=other).startswith("refused:")
    for old, new in ((b"\n600\n", b"\n599\n"), (b"log.example.org\n", b"log.example.com\n")):
        copy = tmp_path / str(len(new))
        shutil.copytree(large, copy)
        signed = (copy / "checkpoint").read_bytes()
        assert old in signed
        (copy / "checkpoint").write_bytes(signed.replace(old, new, 1))
        assert judged(judge, copy).startswith("refused:")


def test_it_refuses_every_changed_file(judge: Path, large: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(large, copy)
    files = [one for one in sorted(copy.rglob("*")) if one.is_file()]
    assert len(files) >= 8
    for file in files:
        data = file.read_bytes()
        place = len(data) // 2
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert judged(judge, copy).startswith("refused:"), file
        file.write_bytes(data)
    assert judged(judge, copy) == "600 records"
