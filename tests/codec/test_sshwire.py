"""SSH's wire format: what stock ssh-keygen writes is read, and nothing but the one canonical form."""

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec.sshwire import (
    SK_ECDSA,
    SK_ED25519,
    Reader,
    canonical_line,
    ed25519_blob,
    fingerprint,
    key_blob,
    line,
    mpint,
    open_key,
    parse_line,
    string,
    uint32,
)
from breakglass.errors import Malformed

KINDS = (("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048"), ("rsa", "3072"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


def keygen(*arguments: str) -> str:
    command = ["ssh-keygen", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.stdout


def ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


BLOB = ed25519_blob(ed25519().public_key())
LINE = f"ssh-ed25519 {b64encode(BLOB).decode()}"


@pytest.mark.parametrize(("kind", "bits"), KINDS)
def test_keys_of_ssh_keygen_have_its_fingerprints(folder: Path, kind: str, bits: str) -> None:
    file = folder / f"{kind}{bits}"
    keygen("-q", "-t", kind, "-b", bits, "-N", "", "-C", "Ann Example on her laptop", "-f", str(file))
    text = file.with_suffix(".pub").read_text()

    key = parse_line(text)

    assert key.comment == "Ann Example on her laptop"
    assert f"{canonical_line(text)} {key.comment}\n" == text
    assert line(key.blob) == canonical_line(text) == canonical_line(line(key.blob))
    assert keygen("-l", "-f", str(file)).split()[1] == fingerprint(key.blob)


def test_keys_on_security_keys_have_ssh_keygens_fingerprints(folder: Path) -> None:
    point = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    blobs = {
        SK_ED25519: string(bytes(range(32))) + string(b"ssh:"),
        SK_ECDSA: string(b"nistp256") + string(point) + string(b"ssh:work"),
    }
    for kind, rest in blobs.items():
        blob = string(kind.encode()) + rest
        file = folder / f"{kind}.pub"
        file.write_text(f"{line(blob)}\n")
        assert open_key(blob).application in {b"ssh:", b"ssh:work"}
        assert keygen("-l", "-f", str(file)).split()[1] == fingerprint(blob)


def test_a_line_may_have_no_comment_and_other_line_ends() -> None:
    for text in (LINE, f"{LINE}\n", f"{LINE}\r\n", f" {LINE} a b  c\n", LINE.replace(" ", "\t")):
        assert canonical_line(text) == LINE
    assert parse_line(f"{LINE} a b  c\n").comment == "a b  c"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "\n" + LINE,
        f"{LINE}\n{LINE}\n",
        f"{LINE} one\rtwo",
        f'from="10.0.0.1" {LINE}',
        LINE.replace("ssh-ed25519", "ssh-rsa"),
        LINE + "A",
        LINE[:-1],
        LINE + "====",
        LINE.replace(" ", "\u00a0"),
        f"{LINE} {'x' * 8000}",
        f"ssh-ed25519 {b64encode(BLOB + b'0').decode()}",
        f"ssh-dss {b64encode(string(b'ssh-dss') + string(b'1')).decode()}",
        f"ssh-ed25519-cert-v01@openssh.com {b64encode(string(b'ssh-ed25519-cert-v01@openssh.com')).decode()}",
    ],
)
def test_lines_that_are_not_one_supported_key_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        key_blob(text)


def test_an_rsa_key_that_is_too_short_is_refused(folder: Path) -> None:
    file = folder / "short"
    keygen("-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", str(file))
    with pytest.raises(Malformed, match="1024 bits"):
        parse_line(file.with_suffix(".pub").read_text())


POINT = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
P256 = string(b"ecdsa-sha2-nistp256")
MODULUS = (1 << 2047) | 1


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        uint32(11) + b"ssh-ed2551",
        uint32(0xFFFFFFFF) + b"ssh-ed25519",
        string(b"ssh-ed25519") + string(bytes(31)),
        string(b"ssh-ed25519") + string(bytes(33)),
        P256 + string(b"nistp384") + string(POINT),
        P256 + string(b"nistp256") + string(POINT[:-1] + bytes([POINT[-1] ^ 1])),
        P256 + string(b"nistp256") + string(b"\x02" + POINT[1:33]),
        P256 + string(b"nistp256") + string(b""),
        string(b"ssh-rsa") + mpint(65537) + mpint(MODULUS >> 1),
        string(b"ssh-rsa") + mpint(65537) + mpint(1 << 16384 | 1),
        string(b"ssh-rsa") + mpint(1 << 64 | 1) + mpint(MODULUS),
        string(b"ssh-rsa") + mpint(2) + mpint(MODULUS),
        string(b"ssh-rsa") + mpint(1) + mpint(MODULUS),
        string(b"ssh-rsa") + string(b"\0\1\0\1") + mpint(MODULUS),
        string(b"ssh-rsa") + mpint(65537) + string(MODULUS.to_bytes(256, "big")),
        string(SK_ED25519.encode()) + string(bytes(32)),
        string(SK_ED25519.encode()) + string(bytes(32)) + string(b"https://example.com"),
        string(SK_ED25519.encode()) + string(bytes(32)) + string(b"ssh:\xff"),
        string(SK_ECDSA.encode()) + string(b"nistp256") + string(POINT) + string(b"ssh:") + b"\0",
        string(b"ssh-\xff"),
    ],
)
def test_key_blobs_with_a_wrong_part_are_refused(blob: bytes) -> None:
    with pytest.raises(Malformed):
        open_key(blob)


@given(st.integers(min_value=0, max_value=1 << 600))
def test_mpints_come_back(value: int) -> None:
    read = Reader(mpint(value), "number")
    assert read.mpint() == value
    read.done()


def test_mpints_are_the_rfcs() -> None:
    """The examples of RFC 4251, section 5; its negative ones are refused."""
    assert mpint(0).hex() == "00000000"
    assert mpint(0x9A378F9B2E332A7).hex() == "0000000809a378f9b2e332a7"
    assert mpint(0x80).hex() == "000000020080"
    for data in ("00000002edcc", "00000005ff21524111", "0000000100", "000000020001"):
        with pytest.raises(Malformed):
            Reader(bytes.fromhex(data), "number").mpint()
    with pytest.raises(ValueError, match="negative"):
        mpint(-1)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_key_or_malformed(blob: bytes) -> None:
    for data in (blob, BLOB[:20] + blob, P256 + blob, string(b"ssh-rsa") + blob):
        try:
            open_key(data)
        except Malformed:
            continue
        assert data[:51] == BLOB[:20] + blob


@given(st.text(max_size=200))
def test_any_text_is_a_line_or_malformed(text: str) -> None:
    for tried in (text, f"ssh-ed25519 {text}"):
        with pytest.raises(Malformed):
            parse_line(tried)
    comment = text.replace("\n", "").replace("\r", "")
    assert canonical_line(f"{LINE} {comment}") == LINE
