"""Base64url without padding: how WebAuthn and the roster write bytes as text (RFC 4648, section 5; WebAuthn, 3).

Reading is strict: no padding, no spare bits, no other character, so that one value has one text.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from breakglass.errors import Malformed

_LETTERS = re.compile(r"[A-Za-z0-9_-]*")


def write(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def read(text: str, what: str) -> bytes:
    """Raises `Malformed`, naming `what`, unless `text` is exactly what `write` gives."""
    if _LETTERS.fullmatch(text) and len(text) % 4 != 1:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if write(data) == text:
            return data
    raise Malformed(f"The {what} is not base64url without padding.", what_to_do="Send it again, whole and unchanged.")
