"""What is installed is whole: a wheel brings templates, style sheets, built scripts, and the licences of those."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_wheel_brings_what_pages_need(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=TOP, check=True, capture_output=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    web = TOP / "src" / "breakglass" / "web"
    for folder in ("templates", "static", "static/built"):
        files = [path for path in (web / folder).iterdir() if path.is_file()]
        assert files
        assert {str(path.relative_to(TOP / "src")) for path in files} <= held
    assert not any("node_modules" in name for name in held)
