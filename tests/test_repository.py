"""What holds for every file of this repository, whoever changes it."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-dev.lock")
LONGEST = 400  # lines; a longer file hides a second room
ALONE = TOP / "src/breakglass/standalone"  # people take each of these files along by itself

# Put together from halves, so that this file does not hold what it looks for.
ADDRESSES = re.compile(
    "|".join(
        re.escape(head + tail)
        for head, tail in (
            ("pyp", "i.org"),
            ("pythonhos", "ted.org"),
            ("registry.npm", "js"),
            ("npmjs", ".org/"),
            ("deb.deb", "ian.org"),
            ("/wo", "rk/"),
            ("/ro", "ot/"),
            ("/fa", "rm/"),
            ("/.py", "env/"),
        )
    ).encode()
)


def kept_files() -> list[Path]:
    """Every file that is committed or would be; in an unpacked archive, every file that no tool made."""
    if (TOP / ".git").exists():
        # The option is for a clone that somebody else owns, as in a container.
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, cwd=TOP, check=True, capture_output=True, timeout=30).stdout
        names = [os.fsdecode(name) for name in listed.split(b"\0") if name]
        return [TOP / name for name in names if (TOP / name).is_file()]
    made = {".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    return [path for path in TOP.rglob("*") if path.is_file() and not made & set(path.relative_to(TOP).parts)]


def addresses_in(content: bytes) -> list[bytes]:
    """The lines of a text that name a registry's host or a path of one machine."""
    return [] if b"\0" in content else [line for line in content.splitlines() if ADDRESSES.search(line)]


def requirements_of(lock: str) -> Iterator[tuple[str, str]]:
    """Yields (name, whole text with its hashes) of each requirement in the text of a lock."""
    bare = "\n".join(line for line in lock.splitlines() if not line.lstrip().startswith("#"))
    for requirement in bare.replace("\\\n", " ").splitlines():
        if requirement.strip():
            yield re.split(r"[\s\[=<>;@]", requirement.strip(), maxsplit=1)[0].lower(), requirement


def faults_of(requirement: str) -> list[str]:
    """What keeps a line of a lock from being exact and free of addresses."""
    faults = []
    if "://" in requirement or "file:" in requirement or " @ " in requirement:
        faults.append("names an address")
    if requirement.lstrip().startswith("-"):
        faults.append("is an option, not a requirement")
    elif not re.search(r"^[\w.\[\]-]+==[\w.!+]+\s", requirement):
        faults.append("is not pinned to one version")
    if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", requirement):
        faults.append("has no hash")
    return faults


def project() -> dict[str, dict[str, object]]:
    with (TOP / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)


def declared(*, with_extras: bool) -> set[str]:
    """Names of the packages that pyproject.toml says Breakglass needs."""
    table = project()["project"]
    groups = [table["dependencies"]]
    extras = table["optional-dependencies"]
    assert isinstance(extras, dict)
    if with_extras:
        groups += extras.values()
    return {re.split(r"[\[<>=;\s]", line, maxsplit=1)[0].lower() for group in groups for line in group}  # type: ignore[attr-defined]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    files = kept_files()
    assert TOP / "Makefile" in files
    found = [f"{path.relative_to(TOP)}: {line[:120]!r}" for path in files for line in addresses_in(path.read_bytes())]
    assert found == []


def test_that_search_finds_what_it_looks_for() -> None:
    host, path = "files.pythonhos" + "ted.org", "/wo" + "rk/main"
    assert addresses_in(f"fine\nsee {host}/x\ncd {path}\n".encode()) == [
        f"see {host}/x".encode(),
        f"cd {path}".encode(),
    ]
    assert addresses_in(b"src/workshop, networks, roots") == []


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_exact_and_name_no_address(name: str) -> None:
    text = (TOP / name).read_text()
    assert "://" not in text
    requirements = list(requirements_of(text))
    assert requirements
    assert {name: faults for name, line in requirements if (faults := faults_of(line))} == {}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("rich==15.0.0", "has no hash"),
        ("rich>=15 --hash=sha256:" + "0" * 64, "is not pinned to one version"),
        ("rich @ https://example.org/rich.whl --hash=sha256:" + "0" * 64, "names an address"),
        ("--index-url somewhere", "is an option, not a requirement"),
    ],
)
def test_a_bad_line_of_a_lock_is_found(line: str, fault: str) -> None:
    assert fault in faults_of(line)


def test_locks_hold_what_the_project_declares() -> None:
    run = dict(requirements_of((TOP / "requirements.lock").read_text()))
    everything = dict(requirements_of((TOP / "requirements-dev.lock").read_text()))
    assert declared(with_extras=False) - run.keys() == set()
    assert declared(with_extras=True) - everything.keys() == set()
    pins = {name: line.split()[0] for name, line in everything.items()}
    assert {name: line.split()[0] for name, line in run.items()}.items() <= pins.items()


def test_every_import_is_declared() -> None:
    """A package that only comes along with another one may go away with it."""
    distribution = {"yaml": "pyyaml", "starlette": "fastapi", "pydantic": "fastapi", "click": "typer"}
    distribution |= {"markupsafe": "jinja2", "rfc3161_client": "rfc3161-client", "pkcs11": "python-pkcs11"}
    allowed = declared(with_extras=True) | set(sys.stdlib_module_names) | {"breakglass"}
    for path in (TOP / "src").rglob("*.py"):
        tree = ast.parse(path.read_text(), str(path))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        tops = {name.split(".")[0] for name in names}
        # Plugin authors run the suites in `testing` under their own pytest.
        if "testing" in path.relative_to(TOP / "src").parts:
            tops -= {"pytest", "hypothesis"}
        assert {top for top in tops if distribution.get(top, top) not in allowed} == set(), path.relative_to(TOP)


def test_no_source_file_is_too_long() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (TOP / "src").rglob("*.py") if path.parent != ALONE}
    assert lengths
    assert {str(path.relative_to(TOP)): n for path, n in lengths.items() if n > LONGEST} == {}


def test_the_entrances_are_there() -> None:
    makefile = (TOP / "Makefile").read_text()
    for target in ("setup", "demo", "test", "check", "bench", "test-nightly", "lock", "clean", "help"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    assert os.access(TOP / ".ci" / "run", os.X_OK)
