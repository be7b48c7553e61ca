"""The published vectors: made by the script, judged by our code as they say, and by stock ssh-keygen as they say."""

import importlib.util
import json
import subprocess
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from breakglass.codec import sshsig, sshwire
from breakglass.errors import Malformed, Refused, Tampered
from breakglass.identity import sign_in
from breakglass.trust import chain as chains
from breakglass.trust.chain import Version
from breakglass.trust.grant import open_token
from breakglass.trust.roster import parse as parse_roster
from breakglass.trust.signature import check_signature
from breakglass.trust.statement import FIELDS, TITLE, Kind, Signed, parse

TOP = Path(__file__).resolve().parents[2]
FOLDER = TOP / "docs" / "formats" / "vectors"
PAGE = (TOP / "docs" / "formats" / "statement.md").read_text()


def load(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())


STATEMENTS, ROSTERS, GRANTS, SIGN_INS = map(load, ("statements.json", "roster.json", "grant.json", "sign-in.json"))
PASSKEYS = load("passkeys.json")
ROSTER = parse_roster(ROSTERS["chains"][0]["versions"][0]["document"].encode())


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
    assert holds(lambda: check_signature(Signed(vector["text"], vector["signature"]), ROSTER)) == vector["verdict"]


@pytest.mark.parametrize("vector", STATEMENTS["vectors"], ids=ids(STATEMENTS["vectors"]))
def test_statements_with_stock_ssh_keygen(tmp_path: Path, vector: dict[str, Any]) -> None:
    assert ssh_keygen(tmp_path, vector, STATEMENTS["namespace"], STATEMENTS["keys"]) == vector["ssh_keygen"]


def test_there_is_a_good_statement_of_every_kind() -> None:
    good = [parse(one["text"]).kind for one in STATEMENTS["vectors"] if one["verdict"] == "good"]
    assert sorted(good) == sorted(Kind)
    assert sum(one["verdict"] == "bad" for one in STATEMENTS["vectors"]) > 15


# -- passkeys ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("vector", PASSKEYS["vectors"], ids=ids(PASSKEYS["vectors"]))
def test_passkeys(vector: dict[str, Any]) -> None:
    roster = parse_roster(PASSKEYS["roster"].encode())
    assert holds(lambda: check_signature(Signed(vector["text"], vector["signature"]), roster)) == vector["verdict"]


def test_there_is_a_passkey_of_every_kind_and_each_lie() -> None:
    good = [one["name"].split()[-1] for one in PASSKEYS["vectors"] if one["verdict"] == "good"]
    assert set(good) == {one["kind"] for one in PASSKEYS["keys"].values()} == {"ES256", "EdDSA", "RS256"}
    assert sum(one["verdict"] == "bad" for one in PASSKEYS["vectors"]) > 12


def strings(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found


@pytest.mark.parametrize(
    "vector", [one for one in PASSKEYS["vectors"] if one["verdict"] == "good"], ids=lambda v: v["name"]
)
def test_passkeys_as_the_page_tells_it(vector: dict[str, Any]) -> None:
    """By hand, with none of our readers: what docs/formats/statement.md says is enough."""
    begin, *body, end = vector["signature"].splitlines()
    assert (begin, end) == ("-----BEGIN WEBAUTHN ASSERTION-----", "-----END WEBAUTHN ASSERTION-----")
    block = b64decode("".join(body))
    assert block[:12] == b"WEBAUTHN\x00\x00\x00\x01"
    credential, data, client, signature = strings(block[12:])
    facts = dict(line.split(": ", 1) for line in vector["text"].splitlines()[1:])
    [entry] = [
        key for key in json.loads(PASSKEYS["roster"])["people"][facts["person"]]["keys"] if key.get("kind") == "passkey"
    ]
    cose = urlsafe_b64decode(entry["public"] + "==")
    assert facts["key"] == "SHA256:" + b64encode(sha256(cose).digest()).decode().rstrip("=")
    assert credential == urlsafe_b64decode(entry["credential"] + "==")
    said = json.loads(client)
    assert (said["type"], said["origin"]) == ("webauthn.get", entry["origins"][0])
    assert urlsafe_b64decode(said["challenge"] + "==") == sha256(vector["text"].encode()).digest()
    assert (data[:32], data[32] & 5, len(data)) == (sha256(entry["rp"].encode()).digest(), 5, 37)
    signed = data + sha256(client).digest()
    if cose[0] == 0xA5:
        point = b"\x04" + cose[10:42] + cose[45:77]
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).verify(
            signature, signed, ec.ECDSA(SHA256())
        )
    elif cose[2] == 1:
        ed25519.Ed25519PublicKey.from_public_bytes(cose[-32:]).verify(signature, signed)
    else:
        numbers = rsa.RSAPublicNumbers(65537, int.from_bytes(cose[-261:-5], "big"))
        numbers.public_key().verify(signature, signed, padding.PKCS1v15(), SHA256())


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
    made = sshwire.canonical_line((tmp_path / "key.pub").read_text())
    bo = ROSTER.people["usr_bo"]
    key = replace(bo.keys[0], public=made, fingerprint=shown.stdout.split()[1])
    roster = replace(ROSTER, people={**ROSTER.people, "usr_bo": replace(bo, keys=(key,))})
    assert check_signature(Signed(text, (tmp_path / "text.sig").read_text()), roster).key == key.fingerprint


def test_the_page_tells_every_kind_and_every_line() -> None:
    assert TITLE in PAGE
    kinds = PAGE.split("Then come the lines of its kind", 1)[1].splitlines()
    for kind, names in FIELDS.items():
        [line] = [one for one in kinds if one.startswith(f"| `{kind}` |")]
        assert [part.strip("`") for part in line.split("|")[3].split()] == list(names), kind
