"""The certificate by which a TLS target is known: `x509 ` and its DER in base64, on one line, as a statement shows it.

It is either the target's own certificate or that of the authority that issued it (RFC 5280, section 4.2.1.9: cA).
"""

from base64 import b64decode, b64encode

from cryptography import x509

from breakglass.codec.sshwire import strict_base64
from breakglass.errors import Malformed

MARK = "x509 "
LONGEST = 3900
"""Characters of base64: with its mark it must fit a statement's line."""


def pin(text: str, path: str) -> str:
    """The pin for a certificate as a roster has it, base64 without line ends. Raises `Malformed`."""
    try:
        x509.load_der_x509_certificate(strict_base64(text, "certificate"))
    except (Malformed, ValueError):
        raise Malformed(
            f"{path} is no certificate.",
            what_to_do="Give its DER in base64 on one line: what PEM has between BEGIN and END, without line ends.",
        ) from None
    return MARK + text


def der(pin: str) -> bytes:
    """Raises `Malformed` for a pin that is no certificate's."""
    if not pin.startswith(MARK):
        raise Malformed("The target's pin is no certificate.", what_to_do="Correct `certificate` in the roster.")
    return b64decode(pin.removeprefix(MARK))


def line(der: bytes) -> str:
    """The pin of a certificate."""
    return MARK + b64encode(der).decode()


def is_authority(der: bytes) -> bool:
    """Whether it may issue others: then the target's own certificate is checked against it, and its name too."""
    try:
        found = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    return bool(found.value.ca)
