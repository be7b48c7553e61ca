"""Private values of the log: a leaf holds a commitment to each, and the value itself stands beside the log.

    leaf        "data": {"grant": "grt_…", "from#": "<base64 of 32 bytes>"}
    beside it   opening: salt, value      SHA-256("breakglass-private-v1" | 0 | salt | name | 0 | value) = the 32 bytes

A commitment with its opening is as good as the value: nobody finds another one that fits. Without the salt it says
nothing, not even about an address that can be guessed. So an opening can be erased later, and every hash, proof and
signature of the log stays as it was (docs/formats/log.md).
"""

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from breakglass.codec.sshwire import strict_base64
from breakglass.errors import Malformed, Tampered

MARK: Final = "#"
"""What a member's name ends in when it holds a commitment. No fact has such a name."""
SALT: Final = 16
"""Bytes."""
_TITLE = b"breakglass-private-v1\0"
_CALL = "Keep the log as it is, and call the auditors."

_EVERYWHERE = frozenset({"device", "from", "login", "reason"})
_ONLY_IN: Mapping[str, frozenset[str]] = {
    "grant.closed": frozenset({"why"}),
    "grant.revoked": frozenset({"why"}),
    "session.end_wanted": frozenset({"why"}),
    "session.ended": frozenset({"why"}),
}
"""Where `why` may be what a person typed; elsewhere the machine says it."""


class Unknown(str):
    """Stands where a value is not known: erased, or not shown to this reader. It equals its words and nothing else
    tells that it was no value, so look with `isinstance`."""

    __slots__ = ()


ERASED: Final = Unknown("(erased)")
NOT_SHOWN: Final = Unknown("(not shown)")


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment."""

    salt: bytes
    value: str


def is_private(kind: str, name: str) -> bool:
    """Whether this member of such a fact is a person's: addresses, devices, and what somebody typed freely."""
    return name in _EVERYWHERE or name in _ONLY_IN.get(kind, ())


def commitment(name: str, opening: Opening) -> str:
    """Base64 of 32 bytes."""
    hashed = sha256(_TITLE + opening.salt + name.encode() + b"\0" + opening.value.encode())
    return b64encode(hashed.digest()).decode()


def hide(kind: str, data: Mapping[str, Any], salt: Callable[[], bytes]) -> tuple[dict[str, Any], dict[str, Opening]]:
    """`data` as the leaf has it, and the openings of what it hides. An empty text hides nothing."""
    leaf: dict[str, Any] = {}
    openings: dict[str, Opening] = {}
    for name, value in data.items():
        if isinstance(value, str) and value and is_private(kind, name):
            openings[name] = Opening(salt(), value.encode("utf-8", "replace").decode())
            leaf[name + MARK] = commitment(name, openings[name])
        else:
            leaf[name] = value
    return leaf, openings


def hidden(data: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the values that a leaf's `data` only commits to."""
    return tuple(name.removesuffix(MARK) for name in data if name.endswith(MARK))


def restore(data: Mapping[str, Any], openings: Mapping[str, Opening], missing: Unknown) -> dict[str, Any]:
    """`data` with its values, and `missing` where there is no opening.

    Raises `Tampered` for an opening that opens nothing here, or something else than what the leaf commits to;
    `Malformed` for what is no commitment."""
    if not openings and not any(name.endswith(MARK) for name in data):
        return dict(data)
    found: dict[str, Any] = {}
    for marked, value in data.items():
        name = marked.removesuffix(MARK)
        if name in found or (marked != name and name in data):
            raise Malformed(f"It says its {name} twice.", what_to_do=_CALL)
        if name == marked:
            found[name] = value
            continue
        if not isinstance(value, str) or len(strict_base64(value, "commitment")) != sha256().digest_size:
            raise Malformed(f"Its {name} is no commitment.", what_to_do=_CALL)
        opening = openings.get(name)
        if opening is not None and (len(opening.salt) != SALT or commitment(name, opening) != value):
            raise Tampered(f"Its {name} is not what the log committed to.", what_to_do=_CALL)
        found[name] = missing if opening is None else opening.value
    if strange := sorted(set(openings) - set(hidden(data))):
        raise Tampered(f"The log does not commit to its {strange[0]}.", what_to_do=_CALL)
    return found
