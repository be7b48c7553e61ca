"""Which cryptography the gateway speaks, on both its sides: no SHA-1, no CBC, no compression.

The lists are in order of preference. Only what this installation has is offered: ML-KEM, for instance, needs a recent
cryptographic library. A *client's* order decides in SSH (RFC 4253, 7.1), and most OpenSSH clients put
chacha20-poly1305 first, slower here; so the door offers people AES-GCM only, which every OpenSSH since 6.2 has.
Sources: RFC 4253, RFC 5647, RFC 8332, RFC 9142; strict key exchange is on by itself against peers that know it.
"""

from collections.abc import Iterable

from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_public_key_algs


def _available(wanted: Iterable[str], known: Iterable[bytes]) -> tuple[str, ...]:
    here = {name.decode() for name in known}
    return tuple(name for name in wanted if name in here)


KEY_EXCHANGES = _available(
    (
        "mlkem768x25519-sha256",
        "sntrup761x25519-sha512",
        "sntrup761x25519-sha512@openssh.com",
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group18-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group14-sha256",
    ),
    get_kex_algs(),
)
DOOR_CIPHERS = _available(("aes128-gcm@openssh.com", "aes256-gcm@openssh.com"), get_encryption_algs())
TARGET_CIPHERS = _available(
    (*DOOR_CIPHERS, "chacha20-poly1305@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"), get_encryption_algs()
)
MACS = _available(
    ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"), get_mac_algs()
)
SIGNATURES = _available(
    (
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    ),
    get_public_key_algs(),
)
HOST_SIGNATURES = tuple(name for name in SIGNATURES if not name.startswith("sk-"))
COMPRESSIONS = ("none",)
