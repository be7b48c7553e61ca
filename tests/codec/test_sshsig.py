"""SSHSIG against stock ssh-keygen, both ways; and nothing else passes."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import sshsig
from breakglass.codec.sshwire import (
    SK_ECDSA,
    SK_ED25519,
    canonical_line,
    fingerprint,
    key_blob,
    line,
    mpint,
    parse_line,
    string,
    uint32,
)
from breakglass.errors import BadSignature, Malformed, Refused

NAMESPACE = "breakglass"
MESSAGE = "breakglass-statement-v1\nkind: approve\nreason: Ölpumpe 3 steht\n".encode()
KINDS = (("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048"), ("rsa", "4096"))


def keygen(*arguments: str, given: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *arguments], check=check, capture_output=True, timeout=60, input=given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signatures")


def stock_verifies(folder: Path, blob: bytes, armored: str, message: bytes) -> bool:
    allowed, signature = folder / "allowed_signers", folder / "signature"
    allowed.write_text(f'ann namespaces="{NAMESPACE}" {line(blob)}\n')
    signature.write_text(armored)
    arguments = ("-Y", "verify", "-f", str(allowed), "-I", "ann", "-n", NAMESPACE, "-s", str(signature))
    return keygen(*arguments, given=message, check=False).returncode == 0


# -- with stock ssh-keygen --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "bits"), KINDS)
@pytest.mark.parametrize("hashed", ["sha256", "sha512"])
def test_signatures_of_ssh_keygen_verify(folder: Path, kind: str, bits: str, hashed: str) -> None:
    file = folder / f"{kind}{bits}"
    if not file.exists():
        keygen("-q", "-t", kind, "-b", bits, "-N", "", "-f", str(file))
    blob = key_blob(file.with_suffix(".pub").read_text())
    options = ("-Y", "sign", "-q", "-O", f"hashalg={hashed}", "-n", NAMESPACE, "-f", str(file))
    armored = keygen(*options, given=MESSAGE).stdout.decode()

    verified = sshsig.verify(armored, MESSAGE, namespace=NAMESPACE)

    assert verified == sshsig.Verified(
        key_blob=blob, fingerprint=fingerprint(blob), key_type=parse_line(line(blob)).type, sk_flags=None
    )
    assert not verified.user_present
    assert sshsig.parse(armored).hash_algorithm == hashed
    assert sshsig.armor(sshsig.parse(armored)) == armored
    with pytest.raises(BadSignature, match="does not fit"):
        sshsig.verify(armored, MESSAGE + b"\n", namespace=NAMESPACE)
    with pytest.raises(BadSignature, match="made for"):
        sshsig.verify(armored, MESSAGE, namespace="file")


def test_our_signature_is_the_one_of_ssh_keygen_and_verifies_there(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    file = folder / "ours"
    file.touch(0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    armored = sshsig.sign_ed25519(key, MESSAGE, NAMESPACE)

    stock = keygen("-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(file), given=MESSAGE).stdout.decode()

    assert armored == stock
    blob = sshsig.verify(armored, MESSAGE, namespace=NAMESPACE).key_blob
    assert canonical_line(key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()) == line(blob)
    assert stock_verifies(folder, blob, armored, MESSAGE)
    assert not stock_verifies(folder, blob, armored, MESSAGE + b" ")


# -- security keys, played here; stock ssh-keygen judges them too -----------------------------------------------------
def sk_ed25519(flags: int, *, application: bytes = b"ssh:", signed_flags: int | None = None) -> str:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    blob = string(SK_ED25519.encode()) + string(key.public_key().public_bytes_raw()) + string(application)
    return _sk(SK_ED25519, blob, flags, application, key.sign, signed_flags)


def sk_ecdsa(flags: int, *, application: bytes = b"ssh:", signed_flags: int | None = None) -> str:
    key = sk_point()
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    blob = string(SK_ECDSA.encode()) + string(b"nistp256") + string(point) + string(application)

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ECDSA(SHA256())))
        return mpint(r) + mpint(s)

    return _sk(SK_ECDSA, blob, flags, application, sign, signed_flags)


@lru_cache
def sk_point() -> EllipticCurvePrivateKey:
    return generate_private_key(SECP256R1())


def _sk(
    kind: str,
    blob: bytes,
    flags: int,
    application: bytes,
    sign: Callable[[bytes], bytes],
    signed_flags: int | None,
) -> str:
    """Written out from PROTOCOL.u2f, and not with the functions under test."""
    inner = b"SSHSIG" + b"".join(map(string, (NAMESPACE.encode(), b"", b"sha256", sha256(MESSAGE).digest())))
    seen = bytes([flags if signed_flags is None else signed_flags]) + uint32(7)
    signature = sign(sha256(application).digest() + seen + sha256(inner).digest())
    return sshsig.armor(
        sshsig.SshSig(
            key_blob=blob,
            namespace=NAMESPACE,
            reserved=b"",
            hash_algorithm="sha256",
            signature_algorithm=kind,
            signature=signature,
            sk_flags=flags,
            sk_counter=7,
        )
    )


SECURITY_KEYS = pytest.mark.parametrize("make", [sk_ed25519, sk_ecdsa])


@SECURITY_KEYS
def test_a_touched_security_key_verifies_here_and_there(folder: Path, make: Callable[..., str]) -> None:
    for flags, checked in ((0x01, False), (0x05, True)):
        armored = make(flags)
        verified = sshsig.verify(armored, MESSAGE, namespace=NAMESPACE)
        assert (verified.sk_flags, verified.user_present, verified.user_verified) == (flags, True, checked)
        assert sshsig.parse(armored).sk_counter == 7
        assert stock_verifies(folder, verified.key_blob, armored, MESSAGE)


@SECURITY_KEYS
def test_an_untouched_security_key_is_refused(make: Callable[..., str]) -> None:
    for flags in (0x00, 0x04):
        with pytest.raises(BadSignature, match="without being touched"):
            sshsig.verify(make(flags), MESSAGE, namespace=NAMESPACE)


@SECURITY_KEYS
def test_flags_application_and_counter_are_signed(make: Callable[..., str]) -> None:
    armored = make(0x01, signed_flags=0x00)
    with pytest.raises(BadSignature, match="does not fit"):
        sshsig.verify(armored, MESSAGE, namespace=NAMESPACE)
    sig = sshsig.parse(make(0x01))
    moved = sig.key_blob.replace(string(b"ssh:"), string(b"ssh:other"))
    for other in (replace(sig, sk_counter=8), replace(sig, sk_flags=0x05), replace(sig, key_blob=moved)):
        with pytest.raises(BadSignature, match="does not fit"):
            sshsig.verify(sshsig.armor(other), MESSAGE, namespace=NAMESPACE)


# -- one changed byte -------------------------------------------------------------------------------------------------
@lru_cache
def samples() -> tuple[str, ...]:
    """One signature of each kind that can be made without a process; RSA and ECDSA as ssh-keygen would."""
    made = [sshsig.sign_ed25519(Ed25519PrivateKey.from_private_bytes(bytes(32)), MESSAGE, NAMESPACE)]
    key = generate_rsa(65537, 2048)
    numbers = key.public_key().public_numbers()
    blob = string(b"ssh-rsa") + mpint(numbers.e) + mpint(numbers.n)
    signature = key.sign(sshsig.signed_bytes(MESSAGE, namespace=NAMESPACE), PKCS1v15(), SHA512())
    sig = replace(sshsig.parse(made[0]), key_blob=blob, signature_algorithm="rsa-sha2-512", signature=signature)
    made.append(sshsig.armor(sig))
    return (*made, sk_ed25519(0x01), sk_ecdsa(0x05))


def test_the_samples_verify() -> None:
    for armored in samples():
        sshsig.verify(armored, MESSAGE, namespace=NAMESPACE)


@given(st.data())
def test_one_changed_character_anywhere_is_refused(data: st.DataObject) -> None:
    armored = data.draw(st.sampled_from(samples()))
    at = data.draw(st.integers(0, len(armored) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != armored[at]))
    with pytest.raises(Refused):
        sshsig.verify(armored[:at] + other + armored[at + 1 :], MESSAGE, namespace=NAMESPACE)


@given(st.data())
def test_one_changed_byte_of_the_message_is_refused(data: st.DataObject) -> None:
    armored = data.draw(st.sampled_from(samples()))
    at, other = data.draw(st.integers(0, len(MESSAGE) - 1)), data.draw(st.integers(1, 255))
    message = MESSAGE[:at] + bytes([MESSAGE[at] ^ other]) + MESSAGE[at + 1 :]
    with pytest.raises(BadSignature):
        sshsig.verify(armored, message, namespace=NAMESPACE)


@given(st.data())
def test_cut_or_lengthened_signatures_are_refused(data: st.DataObject) -> None:
    armored = data.draw(st.sampled_from(samples()))
    at = data.draw(st.integers(0, len(armored) - 2))  # the very last line feed may be missing
    more = data.draw(st.text("AQ= ", min_size=1, max_size=5))  # where lines break is free
    for bad in (armored[:at], armored[:at] + more + armored[at:], armored + more):
        with pytest.raises(Refused):
            sshsig.verify(bad, MESSAGE, namespace=NAMESPACE)


@given(st.text(max_size=300))
def test_any_text_is_malformed(text: str) -> None:
    for tried in (text, f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"):
        with pytest.raises(Malformed):
            sshsig.parse(tried)


def test_line_ends_of_web_forms_and_shells_do_no_harm() -> None:
    for armored in samples():
        for same in (armored.replace("\n", "\r\n"), armored.removesuffix("\n")):
            assert sshsig.parse(same) == sshsig.parse(armored)
        with pytest.raises(Malformed):
            sshsig.parse(armored.replace("\n", "\r\n", 1))


# -- strict reading ---------------------------------------------------------------------------------------------------
def test_what_does_not_belong_into_the_blob_is_refused() -> None:
    sig = sshsig.parse(samples()[0])
    rsa = sshsig.parse(samples()[1])
    ecdsa = sshsig.parse(samples()[3])
    bad = [
        replace(sig, namespace=""),
        replace(sig, hash_algorithm="sha1"),
        replace(sig, hash_algorithm="SHA512"),
        replace(sig, signature_algorithm="ssh-ed448"),
        replace(sig, sk_flags=1, sk_counter=1),
        replace(rsa, signature_algorithm="ssh-rsa"),
        replace(rsa, signature_algorithm="rsa-sha2-256@ssh.com"),
        replace(ecdsa, sk_flags=None, sk_counter=None),
        replace(ecdsa, signature_algorithm="webauthn-sk-ecdsa-sha2-nistp256@openssh.com"),
        replace(ecdsa, signature=ecdsa.signature + b"\0"),
        replace(ecdsa, signature=b""),
        replace(sig, reserved=bytes(20_000)),
    ]
    for one in bad:
        with pytest.raises(Malformed):
            sshsig.verify(sshsig.armor(one), MESSAGE, namespace=one.namespace or NAMESPACE)


def test_signatures_of_another_length_are_refused() -> None:
    for armored in samples()[:3]:
        sig = sshsig.parse(armored)
        for signature in (sig.signature[:-1], sig.signature + b"\0", b"\0" + sig.signature, b""):
            with pytest.raises(BadSignature, match="does not fit"):
                sshsig.verify(sshsig.armor(replace(sig, signature=signature)), MESSAGE, namespace=NAMESPACE)


def test_rsa_with_sha1_is_refused_whatever_it_is_called() -> None:
    key = generate_rsa(65537, 2048)
    numbers = key.public_key().public_numbers()
    blob = string(b"ssh-rsa") + mpint(numbers.e) + mpint(numbers.n)
    signature = key.sign(sshsig.signed_bytes(MESSAGE, namespace=NAMESPACE), PKCS1v15(), SHA1())  # noqa: S303 - what must be refused
    for name in ("ssh-rsa", "rsa-sha2-256", "rsa-sha2-512"):
        sig = replace(sshsig.parse(samples()[0]), key_blob=blob, signature_algorithm=name, signature=signature)
        with pytest.raises(Refused):
            sshsig.verify(sshsig.armor(sig), MESSAGE, namespace=NAMESPACE)


def test_the_reserved_field_is_ignored_but_signed(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    sig = sshsig.parse(sshsig.sign_ed25519(key, MESSAGE, NAMESPACE))
    signature = key.sign(sshsig.signed_bytes(MESSAGE, namespace=NAMESPACE, reserved=b"later"))
    armored = sshsig.armor(replace(sig, reserved=b"later", signature=signature))
    assert sshsig.verify(armored, MESSAGE, namespace=NAMESPACE).key_blob == sig.key_blob
    with pytest.raises(BadSignature):
        sshsig.verify(sshsig.armor(replace(sig, reserved=b"later")), MESSAGE, namespace=NAMESPACE)


def test_another_persons_key_in_the_blob_is_refused() -> None:
    ann, bo = (sshsig.sign_ed25519(Ed25519PrivateKey.generate(), MESSAGE, NAMESPACE) for _ in range(2))
    mixed = replace(sshsig.parse(ann), key_blob=sshsig.parse(bo).key_blob)
    with pytest.raises(BadSignature):
        sshsig.verify(sshsig.armor(mixed), MESSAGE, namespace=NAMESPACE)


def test_the_specifications_example_lacks_a_field_and_is_refused() -> None:
    """PROTOCOL.sshsig, section 1: its text has no hash_algorithm, which section 2 asks for."""
    example = (
        "-----BEGIN SSH SIGNATURE-----\n"
        "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgJKxoLBJBivUPNTUJUSslQTt2hD\n"
        "jozKvHarKeN8uYFqgAAAADZm9vAAAAAAAAAFMAAAALc3NoLWVkMjU1MTkAAABAKNC4IEbt\n"
        "Tq0Fb56xhtuE1/lK9H9RZJfON4o6hE9R4ZGFX98gy0+fFJ/1d2/RxnZky0Y7GojwrZkrHT\n"
        "FgCqVWAQ==\n"
        "-----END SSH SIGNATURE-----\n"
    )
    with pytest.raises(Malformed):
        sshsig.parse(example)


def test_a_key_file_of_ssh_keygen_signs_here(folder: Path) -> None:
    file = folder / "demo"
    keygen("-q", "-t", "ed25519", "-N", "", "-f", str(file))
    key = load_ssh_private_key(file.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    armored = sshsig.sign_ed25519(key, MESSAGE, NAMESPACE)
    blob = key_blob(file.with_suffix(".pub").read_text())
    assert sshsig.verify(armored, MESSAGE, namespace=NAMESPACE).key_blob == blob
    assert stock_verifies(folder, blob, armored, MESSAGE)
