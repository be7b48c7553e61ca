"""The import rules bite: each contract of pyproject.toml is broken once, in a copy, and says so."""

import os
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]

# One forbidden import for each contract: in which package it is planted, and what it says.
PLANTED = {
    "Imports go down only": ("model", "import breakglass.storage"),
    "SQL stays in storage, audit and views": ("flow", "import sqlalchemy"),
    "A step can't wait: no asyncio where nothing may wait": ("identity", "import asyncio"),
    "The model is pure": ("codec", "import os"),
    "Plugins and their contract suites see only plugin_api, model, codec and errors": (
        "plugins",
        "import breakglass.vault",
    ),
    "Nobody imports plugins": ("cli", "import breakglass.plugins"),
    "Only gateway, rotation and app open a secret": ("vigilance", "import breakglass.release"),
    "The vault process has no database": ("vault", "import sqlite3"),
    "The standalone verifier stands alone": ("standalone", "import breakglass.codec"),
}


def lint(folder: Path) -> str:
    """Runs import-linter with our contracts on `folder`/breakglass; returns its report, wide enough for long names."""
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    environment = {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [str(program), "--no-cache", "--config", str(TOP / "pyproject.toml")]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def test_each_contract_finds_a_planted_import(tmp_path: Path) -> None:
    with (TOP / "pyproject.toml").open("rb") as file:
        names = {contract["name"] for contract in tomllib.load(file)["tool"]["importlinter"]["contracts"]}
    assert names == PLANTED.keys()

    package = tmp_path / "breakglass"
    shutil.copytree(TOP / "src" / "breakglass", package, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for folder, statement in PLANTED.values():
        (package / folder / f"planted_{statement.split('.')[-1].split()[-1]}.py").write_text(f"{statement}\n")
    report = " ".join(lint(tmp_path).split())
    for name in names:
        assert f"{name} BROKEN" in report, report
