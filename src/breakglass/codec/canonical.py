"""Canonical JSON for documents that people sign: sorted members, one space of indent, UTF-8, a line feed at the end.

Only objects with string names, arrays, strings, integers and booleans; no floats, no null. Reading is strict: only
bytes that writing would give are accepted, so that one document has one hash. (Indented, because it is also read by
people and compared line by line.)
"""

import json
from hashlib import sha256
from typing import Any

from breakglass.errors import Malformed


def write(value: Any) -> bytes:
    """Raises `Malformed` for a value that can't stand in such a document."""
    try:
        _check(value)
        return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except UnicodeEncodeError:
        raise Malformed("A text holds half a character.", what_to_do="Type it anew.") from None
    except (ValueError, RecursionError):
        raise Malformed(
            "The document is nested too deep, or a number is too long.", what_to_do="Simplify it."
        ) from None


def read(data: bytes) -> Any:
    """Raises `Malformed` unless `data` is exactly what `write` gives."""
    try:
        value = json.loads(data.decode())
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Malformed("This is not a JSON document.", what_to_do="Take the document unchanged.") from None
    if write(value) != data:
        raise Malformed("The document is not in its canonical form.", what_to_do="Take the document unchanged.")
    return value


def digest(value: Any) -> str:
    """Hex SHA-256 of the canonical bytes."""
    return sha256(write(value)).hexdigest()


def _check(value: Any) -> None:
    match value:
        case bool() | int() | str():
            return
        case list():
            for one in value:
                _check(one)
        case dict():
            for name, one in value.items():
                if not isinstance(name, str):
                    raise Malformed("A member's name is not text.", what_to_do="Put it in quotes.")
                _check(one)
        case _:
            raise Malformed(
                f"A {type(value).__name__} can't stand in a signed document.",
                what_to_do="Use text, whole numbers or lists.",
            )
