"""The password in between: it follows from the new one, so that whoever dies between the two changes has lost nothing.

    old ──change──▶ between ──change──▶ new          between = HMAC-SHA-256 of a fixed text, keyed with the new password

It says nothing of the new one to who sees it, and nobody makes it without the new one.
"""

import hmac
from base64 import urlsafe_b64encode

from breakglass.model.secret import Secret

_LABEL = b"breakglass active directory password in between 1"
_KINDS = "aA1-"
"""A domain asks for three kinds of characters of four; this ends with all of them."""


def between(new: Secret) -> Secret:
    """Text of 47 ASCII characters."""
    made = hmac.digest(new.reveal(), _LABEL, "sha256")
    return Secret(bytearray(urlsafe_b64encode(made).rstrip(b"=") + _KINDS.encode()))
