"""The standalone verifier against the vectors of docs/formats: a second implementation, judged by the same examples."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from breakglass.codec import sshsig, sshwire
from breakglass.standalone import verify_bundle as standalone
from breakglass.trust.statement import FIELDS

FOLDER = Path(__file__).resolve().parents[2] / "docs/formats/vectors"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return found


STATEMENTS, ROSTERS, GRANTS = map(load, ("statements.json", "roster.json", "grant.json"))
PASSKEYS = load("passkeys.json")
ROSTER = ROSTERS["chains"][0]["versions"][0]["document"]


def holds(check: Callable[[], object]) -> str:
    try:
        check()
    except (standalone.Bad, KeyError, TypeError, AttributeError):  # as its `run` takes them
        return "bad"
    return "good"


def ids(vectors: list[dict[str, Any]]) -> list[str]:
    return [one["name"] for one in vectors]


def signed(vector: dict[str, Any], document: str) -> None:
    roster = standalone.Roster(document.encode())
    standalone.Statement(vector["text"], vector["signature"]).signed_under(roster)


def test_it_knows_the_kinds_that_there_are() -> None:
    assert {kind.value: names for kind, names in FIELDS.items()} == standalone.KINDS


@pytest.mark.parametrize("vector", STATEMENTS["vectors"], ids=ids(STATEMENTS["vectors"]))
def test_statements(vector: dict[str, Any]) -> None:
    assert holds(lambda: signed(vector, ROSTER)) == vector["verdict"]


@pytest.mark.parametrize("vector", PASSKEYS["vectors"], ids=ids(PASSKEYS["vectors"]))
def test_passkeys(vector: dict[str, Any]) -> None:
    assert holds(lambda: signed(vector, PASSKEYS["roster"])) == vector["verdict"]


@pytest.mark.parametrize("chain", ROSTERS["chains"], ids=ids(ROSTERS["chains"]))
def test_rosters(chain: dict[str, Any]) -> None:
    def adopted() -> None:
        rosters: list[Any] = []
        for one in chain["versions"]:
            document = one["document"]
            value = json.loads(document)
            data = {"version": value["version"], "document": document, "statements": len(one["statements"])}
            data["hash"] = sha256(document.encode()).hexdigest()
            for n, each in enumerate(one["statements"]):
                data |= {f"statement-{n}": each["text"], f"signature-{n}": each["signature"]}
            rosters.append(standalone.adopt(rosters, data, ROSTERS["pin"])[0])

    assert holds(adopted) == chain["verdict"]


@pytest.mark.parametrize("vector", GRANTS["vectors"], ids=ids(GRANTS["vectors"]))
def test_grants(vector: dict[str, Any]) -> None:
    def opened() -> None:
        found = standalone.lines(standalone.open_note(vector["note"], GRANTS["vkey"]), "breakglass-grant-v1")
        standalone.need(tuple(name for name, _ in found) == standalone.GRANT, "other lines")

    assert holds(opened) == vector["verdict"]


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-3072"])
def test_what_stock_ssh_keygen_signs(tmp_path: Path, kind: str) -> None:
    name, _, bits = kind.partition("-")
    make = ["ssh-keygen", "-q", "-t", name, *(["-b", bits] if bits else []), "-N", "", "-f", "key"]
    subprocess.run(make, cwd=tmp_path, check=True, timeout=20)
    (tmp_path / "text").write_text("a text\n")
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", "key", "text"]
    subprocess.run(sign, cwd=tmp_path, check=True, timeout=20, stderr=subprocess.DEVNULL)
    blob = standalone.ssh_blob(" ".join((tmp_path / "key.pub").read_text().split()[:2]))
    armored = (tmp_path / "text.sig").read_text()
    standalone.sshsig(armored, b"a text\n", blob)
    for text, key in ((b"a text", blob), (b"a text\n", blob[:-1]), (b"a text\n", blob + b"x")):
        assert holds(lambda text=text, key=key: standalone.sshsig(armored, text, key)) == "bad"  # type: ignore[misc]


@pytest.mark.parametrize("kind", [sshwire.SK_ED25519, sshwire.SK_ECDSA])
@pytest.mark.parametrize("flags", [0, 1, 5])
def test_security_keys_count_when_they_were_touched(kind: str, flags: int) -> None:
    message, application = b"a text\n", b"ssh:"
    data = sshsig.sk_signed_bytes(application, flags, 7, sshsig.signed_bytes(message, namespace="breakglass"))
    if kind == sshwire.SK_ED25519:
        edwards = ed25519.Ed25519PrivateKey.generate()
        parts = [edwards.public_key().public_bytes_raw()]
        signature = edwards.sign(data)
    else:
        elliptic = ec.generate_private_key(ec.SECP256R1())
        parts = [b"nistp256", elliptic.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)]
        r, s = decode_dss_signature(elliptic.sign(data, ec.ECDSA(SHA256())))
        signature = sshwire.mpint(r) + sshwire.mpint(s)
    blob = b"".join(map(sshwire.string, [kind.encode(), *parts, application]))
    made = sshsig.SshSig(
        key_blob=blob,
        namespace="breakglass",
        reserved=b"",
        hash_algorithm="sha512",
        signature_algorithm=kind,
        signature=signature,
        sk_flags=flags,
        sk_counter=7,
    )
    armored = sshsig.armor(made)
    expected = "good" if flags & 1 else "bad"
    assert holds(lambda: standalone.sshsig(armored, message, standalone.ssh_blob(line(kind, blob)))) == expected
    assert holds(lambda: standalone.sshsig(armored, message + b"x", blob)) == "bad"


def line(kind: str, blob: bytes) -> str:
    return f"{kind} {b64encode(blob).decode()}"
