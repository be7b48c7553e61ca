"""The published vectors: made by the script, judged by our code as they say, and by stock ssh-keygen as they say."""

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from breakglass.codec import sshsig
from breakglass.errors import Malformed, Refused, Tampered
from breakglass.identity import sign_in
from breakglass.trust import chain as chains
from breakglass.trust.chain import Version
from breakglass.trust.grant import open_token
from breakglass.trust.signature import check_signature
from breakglass.trust.statement import FIELDS, TITLE, Kind, Signed, parse

TOP = Path(__file__).resolve().parents[2]
FOLDER = TOP / "docs" / "formats" / "vectors"
PAGE = (TOP / "docs" / "formats" / "statement.md").read_text()


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


STATEMENTS, ROSTERS, GRANTS, SIGN_INS = map(load, ("statements.json", "roster.json", "grant.json", "sign-in.json"))


def ids(vectors: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in vectors]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vectors", TOP / "tools" / "vectors.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def holds(check: Callable[[], object]) -> str:
    try:
        check()
    except (Refused, Tampered):
        return "bad"
    return "good"


def ssh_keygen(folder: Path, vector: dict[str, Any], namespace: str, keys: dict[str, Any]) -> str:
    """What the stock program says of a text and its signature, as docs/formats/statement.md tells people to ask it."""
    signer = vector["signer"]
    options = f'namespaces="{namespace}"'
    (folder / "allowed_signers").write_text(f"{signer} {options} {keys[signer]['public']}\n")
    (folder / "text.sig").write_text(vector["signature"])
    command = ["ssh-keygen", "-Y", "verify", "-f", "allowed_signers", "-I", signer, "-n", namespace, "-s", "text.sig"]
    done = subprocess.run(
        command, cwd=folder, input=vector["text"].encode(), capture_output=True, timeout=20, check=False
    )
    return "good" if done.returncode == 0 else "bad"


def test_the_script_makes_these_files() -> None:
    for name, content in script().everything().items():
        assert (FOLDER / name).read_text() == content, name


@pytest.mark.parametrize("vector", STATEMENTS["vectors"], ids=ids(STATEMENTS["vectors"]))
def test_statements(vector: dict[str, Any]) -> None:
    assert holds(lambda: check_signature(Signed(vector["text"], vector["signature"]))) == vector["verdict"]


@pytest.mark.parametrize("vector", STATEMENTS["vectors"], ids=ids(STATEMENTS["vectors"]))
def test_statements_with_stock_ssh_keygen(tmp_path: Path, vector: dict[str, Any]) -> None:
    assert ssh_keygen(tmp_path, vector, STATEMENTS["namespace"], STATEMENTS["keys"]) == vector["ssh_keygen"]


def test_there_is_a_good_statement_of_every_kind() -> None:
    good = [parse(one["text"]).kind for one in STATEMENTS["vectors"] if one["verdict"] == "good"]
    assert sorted(good) == sorted(Kind)
    assert sum(one["verdict"] == "bad" for one in STATEMENTS["vectors"]) > 15


@pytest.mark.parametrize("chain", ROSTERS["chains"], ids=ids(ROSTERS["chains"]))
def test_rosters(tmp_path: Path, chain: dict[str, Any]) -> None:
    versions = []
    for one in chain["versions"]:
        signed = tuple(Signed(each["text"], each["signature"]) for each in one["statements"])
        versions.append(Version(one["document"].encode(), signed))
        for each in one["statements"]:
            assert ssh_keygen(tmp_path, each, STATEMENTS["namespace"], ROSTERS["keys"]) == "good"
    assert holds(lambda: chains.extend(None, ROSTERS["pin"], versions)) == chain["verdict"]


@pytest.mark.parametrize("vector", GRANTS["vectors"], ids=ids(GRANTS["vectors"]))
def test_grants(vector: dict[str, Any]) -> None:
    assert holds(lambda: open_token(vector["note"], GRANTS["vkey"])) == vector["verdict"]


@pytest.mark.parametrize("vector", SIGN_INS["vectors"], ids=ids(SIGN_INS["vectors"]))
def test_sign_ins(tmp_path: Path, vector: dict[str, Any]) -> None:
    namespace = SIGN_INS["namespace"]
    assert namespace == sign_in.NAMESPACE
    verified = holds(lambda: sshsig.verify(vector["signature"], vector["text"].encode(), namespace=namespace))
    assert verified == ssh_keygen(tmp_path, vector, namespace, SIGN_INS["keys"]) == vector["verdict"]
    with pytest.raises(Malformed):
        parse(vector["text"])  # it is no decision, whoever signed it


def test_what_ssh_keygen_signs_is_what_we_accept(tmp_path: Path) -> None:
    """The other way round: the stock program signs the page's way, with a key that it made."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], cwd=tmp_path, check=True, timeout=20)
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", "key.pub"], cwd=tmp_path, check=True, timeout=20, capture_output=True, text=True
    )
    good = STATEMENTS["vectors"][0]
    old = parse(good["text"]).key
    text = good["text"].replace(old, shown.stdout.split()[1])
    (tmp_path / "text").write_text(text)
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", "key", "text"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=20, stderr=subprocess.DEVNULL)
    assert check_signature(Signed(text, (tmp_path / "text.sig").read_text())).key == shown.stdout.split()[1]


def test_the_page_tells_every_kind_and_every_line() -> None:
    assert TITLE in PAGE
    kinds = PAGE.split("Then come the lines of its kind", 1)[1].splitlines()
    for kind, names in FIELDS.items():
        [line] = [one for one in kinds if one.startswith(f"| `{kind}` |")]
        assert [part.strip("`") for part in line.split("|")[3].split()] == list(names), kind
