"""Secrets that the vault makes, and what it takes as a deposited one."""

import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.model.target import PasswordRules

LONGEST = 16 * 1024
_PEM = b"-----BEGIN "


def fresh(rules: PasswordRules) -> Secret:
    """A random password, each character drawn evenly from the alphabet by the operating system's generator."""
    password = bytearray(rules.length)
    for place in range(rules.length):
        password[place] = ord(secrets.choice(rules.alphabet))
    return Secret(password)


def fresh_key() -> Secret:
    """A new Ed25519 key in OpenSSH's form (openssh-key-v1), without passphrase or comment."""
    key = Ed25519PrivateKey.generate()
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def must_be_usable(secret: Secret) -> None:
    """Raises `Malformed` for what no target takes. A private key in PEM form may have lines; a password may not."""
    value = secret.reveal()
    if not value:
        raise Malformed("The secret is empty.", what_to_do="Enter the password that is set on the target.")
    if len(value) > LONGEST:
        raise Malformed(f"The secret has {len(value)} bytes.", what_to_do=f"It may have {LONGEST}.")
    if value.startswith(_PEM):
        if b"\x00" in value:
            raise Malformed(
                "The private key holds a zero byte.", what_to_do="Give the key's text as ssh-keygen wrote it."
            )
        return
    if any(byte < 0x20 or byte == 0x7F for byte in value):
        raise Malformed(
            "The password holds a line end or another control character.",
            what_to_do="Enter it without the line end; leave out what can't be typed.",
        )
    try:
        value.decode()
    except UnicodeDecodeError:
        # No `from`: the error would show the bytes.
        raise Malformed("The password is not UTF-8 text.", what_to_do="Enter it as text in UTF-8.") from None
