"""`breakglass --help` is quick: it loads nothing that only a running command needs."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("asyncssh", "fastapi", "sqlalchemy", "httpx", "cryptography", "uvicorn", "alembic", "yaml", "asyncio")
ASK = """
import sys
sys.argv = ["breakglass", *{words!r}]
from breakglass.cli.main import main
code = main()
print("LOADED", " ".join(name for name in {heavy!r} if name in sys.modules))
raise SystemExit(code)
"""


def loaded(tmp_path: Path, *words: str, heavy: tuple[str, ...] = HEAVY) -> tuple[int, set[str]]:
    code = ASK.format(words=list(words), heavy=heavy)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path
    )
    last = done.stdout.splitlines()[-1]
    assert last.startswith("LOADED"), done
    return done.returncode, set(last.split()[1:])


@pytest.mark.parametrize("words", [("--help",), ("request", "--help"), ("audit", "verify", "--help"), ("--version",)])
def test_help_loads_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert loaded(tmp_path, *words) == (0, set())


def test_plain_help_loads_nothing_of_typer_s_own_extras(tmp_path: Path) -> None:
    assert loaded(tmp_path, "--help", heavy=("pydantic", "rich")) == (0, set())


def test_the_search_finds_what_is_loaded(tmp_path: Path) -> None:
    code, found = loaded(tmp_path, "--server", "http://127.0.0.1:1", "status")
    assert code == 5
    assert "httpx" in found
    assert not found & {"sqlalchemy", "fastapi", "asyncssh", "cryptography"}  # a client needs no server
