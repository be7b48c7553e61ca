"""A recording's key opens with the private key and for its own recording only; other people's HPKE opens it too."""

import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.vault.box import random_key
from breakglass.vault.recording_key import WRAPPED_BYTES, generate, recording_info, unwrap, wrap

PRIVATE, PUBLIC = generate()
INFO = recording_info("ses_1", "screen")
KEY = random_key()
BLOB = wrap(PUBLIC, KEY, INFO)


def test_there_and_back():
    assert unwrap(PRIVATE, BLOB, INFO).reveal() == KEY.reveal()
    assert len(BLOB) == WRAPPED_BYTES
    assert wrap(PUBLIC, KEY, INFO) != BLOB


@pytest.mark.parametrize("info", [recording_info("ses_2", "screen"), recording_info("ses_1", "keys"), b""])
def test_another_session_or_stream_does_not_open(info: bytes):
    with pytest.raises(Tampered):
        unwrap(PRIVATE, BLOB, info)


def test_another_key_pair_does_not_open():
    with pytest.raises(Tampered):
        unwrap(generate()[0], BLOB, INFO)


def test_every_flipped_bit_and_every_other_length_is_refused():
    for place in range(len(BLOB) * 8):
        if place // 8 == 32 and place % 8 == 7:
            continue  # the top bit of an X25519 point is ignored (RFC 7748, 5): see the next test
        bad = bytearray(BLOB)
        bad[place // 8] ^= 1 << place % 8
        with pytest.raises(Tampered):
            unwrap(PRIVATE, bytes(bad), INFO)
    for bad_length in (*range(len(BLOB)), len(BLOB) + 1):
        with pytest.raises(Tampered):
            unwrap(PRIVATE, (BLOB + b"\x00")[:bad_length], INFO)


def test_the_ignored_bit_of_the_point_is_bound_by_the_key_schedule():
    bad = bytearray(BLOB)
    bad[32] ^= 0x80
    with pytest.raises(Tampered):
        unwrap(PRIVATE, bytes(bad), INFO)


def test_a_point_of_small_order_is_refused():
    with pytest.raises(Tampered):
        unwrap(PRIVATE, BLOB[:1] + bytes(32) + BLOB[33:], INFO)


def test_only_whole_keys_are_wrapped():
    with pytest.raises(ValueError, match="32 bytes"):
        wrap(PUBLIC, Secret(bytes(16)), INFO)


# RFC 9180, written out a second time from the RFC alone: base mode, X25519, HKDF-SHA256, AES-256-GCM.


def extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + material, "sha256")


def expand(suite: bytes, secret: bytes, label: bytes, info: bytes, size: int) -> bytes:
    whole = size.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, whole + b"\x01", "sha256")[:size]


def opened_by_the_rfc(private: bytes, blob: bytes, info: bytes) -> bytes:
    enc, sealed = blob[1:33], blob[33:]
    mine = X25519PrivateKey.from_private_bytes(private)
    shared = mine.exchange(X25519PublicKey.from_public_bytes(enc))
    kem = b"KEM" + (0x20).to_bytes(2, "big")
    context = enc + mine.public_key().public_bytes_raw()
    secret = expand(kem, extract(kem, b"", b"eae_prk", shared), b"shared_secret", context, 32)
    suite = b"HPKE" + bytes([0, 0x20, 0, 1, 0, 2])
    schedule = b"\x00" + extract(suite, b"", b"psk_id_hash", b"") + extract(suite, b"", b"info_hash", info)
    secret = extract(suite, secret, b"secret", b"")
    key, nonce = expand(suite, secret, b"key", schedule, 32), expand(suite, secret, b"base_nonce", schedule, 12)
    return AESGCM(key).decrypt(nonce, sealed, b"")


def test_an_independent_hpke_opens_it():
    assert opened_by_the_rfc(PRIVATE.reveal(), BLOB, INFO) == KEY.reveal()
