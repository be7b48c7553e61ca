"""Making a further node's folder from a copy of another one's, and what does not make one."""

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from breakglass import config
from breakglass.app.joining import FILES, join
from breakglass.cli.database import PasswordInArguments, chosen
from breakglass.cli.main import app
from breakglass.config import Home, Settings
from breakglass.errors import BreakglassError, Malformed, NotFound, Tampered, WrongState
from breakglass.model.secret import Secret
from breakglass.vault.core import Vault
from breakglass.vault.making import make

PIN, URL = "ab" * 32, "postgresql://breakglass@db.example.test/breakglass"


@pytest.fixture
def first(tmp_path: Path) -> tuple[Home, tuple[str, ...]]:
    home = Home(tmp_path / "one")
    home.make()
    made = make(home.vault, "dep_x", "log.example.test", k=2, n=3)
    settings = Settings(
        deployment="dep_x", origin="log.example.test", roster_pin=PIN, database=URL, alerts=("json://a",)
    )
    config.write(home, settings)
    return home, made.shares


def test_it_is_a_node_of_the_same_deployment(first: tuple[Home, tuple[str, ...]], tmp_path: Path) -> None:
    home, shares = first
    two = Home(tmp_path / "two")
    made = join(two, home, node="node2", roster_hash=PIN, settings={"ssh_port": 2223})
    assert config.read(two) == made
    assert (made.node, made.ssh_port, made.database, made.alerts) == ("node2", 2223, URL, ("json://a",))
    assert sorted(one.name for one in two.vault.iterdir()) == sorted(FILES)
    for file in (two.settings, *two.vault.iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(two.vault.stat().st_mode) == 0o700
    vault = Vault(two.vault)
    for share in shares[:2]:
        vault.unseal_share(Secret(share.encode()))
    assert not vault.status().sealed
    with pytest.raises(WrongState):
        join(two, home, node="node3", roster_hash=PIN, settings={})


def test_nothing_in_the_copy_is_secret_in_clear(first: tuple[Home, tuple[str, ...]]) -> None:
    """The shares open it, and no share stands in it."""
    home, shares = first
    copied = b"".join((home.vault / name).read_bytes() for name in FILES) + home.settings.read_bytes()
    for share in shares:
        groups = [part for part in share.split("-") if len(part) > 6]
        assert share.encode() not in copied
        assert not [part for part in groups if part.encode() in copied]


def without(name: str):
    return lambda home: (home.vault / name).unlink()


def setting(old: str, new: str):
    return lambda home: home.settings.write_text(home.settings.read_text().replace(old, new))


WRONG = {
    "another roster's hash": (lambda _: None, {"roster_hash": "cd" * 32}, Tampered),
    "the first one's name": (lambda _: None, {"node": "node1"}, Malformed),
    "no name": (lambda _: None, {"node": ""}, Malformed),
    "an embedded database": (setting(URL, ""), {}, Malformed),
    "another deployment's settings": (setting("dep_x", "dep_y"), {}, Tampered),
    "no settings": (lambda home: home.settings.unlink(), {}, NotFound),
    **{f"no {name}": (without(name), {}, NotFound) for name in FILES},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_makes_no_node(wrong: str, first: tuple[Home, tuple[str, ...]], tmp_path: Path) -> None:
    home, _ = first
    spoil, changed, error = WRONG[wrong]
    spoil(home)
    two = Home(tmp_path / "two")
    given: dict[str, Any] = {"node": "node2", "roster_hash": PIN, "settings": {}, **changed}
    with pytest.raises(error) as caught:
        join(two, home, **given)
    assert isinstance(caught.value, BreakglassError)
    assert caught.value.what_to_do
    assert not two.settings.exists()
    assert not two.vault.exists()


def test_the_command(first: tuple[Home, tuple[str, ...]], tmp_path: Path) -> None:
    copy = tmp_path / "copied"
    shutil.copytree(first[0].path, copy)
    words = ["--home", str(tmp_path / "two"), "--json", "join", "--from", str(copy), "--node", "node2"]
    ran = CliRunner().invoke(app, [*words, "--roster-hash", PIN])
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["node"] == "node2"
    assert config.read(Home(tmp_path / "two")).node == "node2"


def test_the_database_is_kept_from_the_foundings_beginning(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert chosen(home, "") == ""
    assert chosen(home, URL) == URL
    assert chosen(home, "") == URL
    assert stat.S_IMODE((home.founding / "database").stat().st_mode) == 0o600


@pytest.mark.parametrize("url", ["postgresql://a:secret@h/d", "postgresql://a@h/d?password=secret"])
def test_a_password_among_a_commands_arguments_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(PasswordInArguments) as caught:
        chosen(Home(tmp_path), url)
    assert "secret" not in caught.value.message + caught.value.what_to_do
    assert not (tmp_path / "founding").exists()


def test_what_is_no_database_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        chosen(Home(tmp_path), "mysql://a@h/d")
    assert not (tmp_path / "founding").exists()
