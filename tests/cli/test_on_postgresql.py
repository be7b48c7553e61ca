"""`breakglass init --database postgresql://…` as an operator runs it, with the password in a file and nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml

from breakglass import config
from breakglass.cli.exits import Exit
from breakglass.config import Home
from breakglass.demo.estate import PEOPLE
from breakglass.model.secret import Secret
from tests.deployment import Deployment
from tests.servers.postgres import Postgres
from tests.servers.sshd import Account, Sshd

pytestmark = pytest.mark.server
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


class Operator:
    """Runs `breakglass` in a shell of their own; `environment` is what they exported."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, Home(folder / "home")
        self.environment: dict[str, str] = {}
        nowhere = Sshd(port=9, host_key_line=HOST_KEY, log=folder)
        nobody = Account(name="nobody", uid=65534, home=folder, password=Secret(b"never-used-4711"))
        self.people = Deployment(folder, nowhere, nobody).people
        (folder / "people").mkdir()
        for person in self.people.values():
            person.make_key()
        estate = Deployment(folder, nowhere, nobody).estate()
        (folder / "estate.yaml").write_text(yaml.safe_dump(estate))

    def runs(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "breakglass", "--home", str(self.home.path), *words]
        return subprocess.run(
            command, env={**os.environ, **self.environment}, check=False, capture_output=True, text=True, timeout=60
        )

    def begins(self, *words: str) -> "subprocess.CompletedProcess[str]":
        estate = ["--estate", str(self.folder / "estate.yaml"), "--origin", "log.example.org"]
        keys = ["--key-file", str(self.folder / "seal.key"), "--shares-to", str(self.folder / "shares")]
        return self.runs("--json", "init", *estate, *keys, *words)

    def custodians_sign(self, began: "subprocess.CompletedProcess[str]") -> None:
        for login, path in json.loads(began.stdout)["to_sign"].items():
            key = str(self.people[login].key)
            subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", key, path], check=True)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def plain(url: str) -> str:
    """The same address without where its password is."""
    return url.partition("?")[0]


@pytest.mark.parametrize("by", ["passfile in the address", "PGPASSFILE"])
def test_founded_on_postgresql(operator: Operator, postgres: Postgres, by: str) -> None:
    with postgres.database() as url:  # an empty one: `init` makes the tables
        if by == "PGPASSFILE":
            operator.environment = {"PGPASSFILE": str(postgres.passwords)}
        address = plain(url) if by == "PGPASSFILE" else url
        began = operator.begins("--database", address)
        assert began.returncode == 0, began.stderr
        operator.custodians_sign(began)
        founded = operator.runs("--json", "init")  # the address is remembered from the beginning
        assert founded.returncode == 0, founded.stderr
        assert config.read(operator.home).database == address
        assert not operator.home.database.exists()
        with psycopg.connect(url) as conn:
            assert conn.execute("SELECT kind FROM entry").fetchall() == [("roster.adopted",)]
        verified = operator.runs("audit", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert len(PEOPLE) == 6
        password = postgres.passwords.read_text().strip().rpartition(":")[2]
        for path in operator.home.path.rglob("*"):
            assert not path.is_file() or password.encode() not in path.read_bytes(), path


def test_no_password_in_the_environment(operator: Operator, postgres: Postgres) -> None:
    """It would be inherited by every program that the node starts, the vault's process among them."""
    with postgres.database() as url:
        operator.environment = {"PGPASSWORD": "s3cret-4711"}
        began = operator.begins("--database", url)
        assert began.returncode == 0, began.stderr
        operator.custodians_sign(began)
        refused = operator.runs("init")
        assert refused.returncode == Exit.REFUSED, refused
        assert "PGPASSWORD" in refused.stderr
        assert "passfile" in refused.stderr
        assert "s3cret" not in refused.stderr + refused.stdout
        operator.environment = {}
        founded = operator.runs("init")
        assert founded.returncode == 0, founded.stderr


def test_a_server_that_does_not_answer(operator: Operator) -> None:
    began = operator.begins("--database", "postgresql://breakglass@127.0.0.1:1/breakglass")
    assert began.returncode == 0, began.stderr
    operator.custodians_sign(began)
    failed = operator.runs("init")
    assert failed.returncode == Exit.UNAVAILABLE, failed
    assert "can't be opened" in failed.stderr
    assert "Look at the database server" in failed.stderr
    assert "Traceback" not in failed.stderr
