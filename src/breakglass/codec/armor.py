"""Armour: bytes as lines of base64 between two marks, so that a signature can be pasted, printed and sent as text.

    -----BEGIN SSH SIGNATURE-----          -----BEGIN WEBAUTHN ASSERTION-----
    base64, in lines of 70                 …
    -----END SSH SIGNATURE-----            -----END WEBAUTHN ASSERTION-----

Line ends may all be CRLF, as web forms send them, the last one may be missing, as shells cut it off, and lines may be
broken elsewhere. Nothing stands before, between or behind.
"""

import re
from base64 import b64encode

from breakglass.codec.sshwire import malformed, strict_base64

_COLUMNS = 70  # as ssh-keygen writes
_LINES = re.compile(r"[A-Za-z0-9+/=]{1,76}(?:\n[A-Za-z0-9+/=]{1,76})*")


def write(label: str, data: bytes) -> str:
    text = b64encode(data).decode()
    lines = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"]) + "\n"


def begins(label: str, armored: str) -> bool:
    """Whether this claims to be armour with that label."""
    return armored.startswith(f"-----BEGIN {label}-----")


def read(label: str, armored: str, what: str, *, longest: int) -> bytes:
    """Raises `Malformed`, naming `what`, for anything else and for more than `longest` characters."""
    if len(armored) > longest:
        raise malformed(what, f"is longer than {longest} characters")
    if armored.count("\r\n") == armored.count("\n"):
        armored = armored.replace("\r\n", "\n")
    begin, end = f"-----BEGIN {label}-----\n", f"\n-----END {label}-----"
    body = armored.removesuffix("\n").removeprefix(begin).removesuffix(end)
    if begin + body + end != armored.removesuffix("\n") or not _LINES.fullmatch(body):
        raise malformed(what, f"is not framed by `{begin.strip()}` and `{end.strip()}`")
    return strict_base64(body.replace("\n", ""), what)
