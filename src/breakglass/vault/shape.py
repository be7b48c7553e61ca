"""Values on their way between node and vault: JSON for what may be read, raw blobs for bytes and secrets.

    open_grant(grant: str, …, evidence: Evidence)  ⇄  {"grant": "grt_…", …, "evidence": {"leaf": 0, …}}, [blob 0 …]

Nothing on the wire says what type it is: the types that the call declares decide, so what does not fit them exactly is
refused, and no value can be taken for another. Bytes and secrets stand in the JSON as the number of their blob.
"""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, NewType, get_args, get_origin, get_type_hints

from breakglass.errors import Malformed
from breakglass.model.secret import Secret

Blob = bytes | bytearray | memoryview
_PLAIN = frozenset({str, int, bool, types.NoneType})
Decoder = Callable[[Any, Sequence[Blob]], Any]


def encode(value: Any, blobs: list[Blob | Secret]) -> Any:
    """The JSON part; bytes and secrets are appended to `blobs`. `TypeError` for a type that no call has."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is bytes or kind is Secret:
        blobs.append(value)
        return len(blobs) - 1
    if kind is tuple or kind is list:
        return [encode(one, blobs) for one in value]
    if kind is dict:
        return {name: encode(one, blobs) for name, one in value.items()}
    if isinstance(value, StrEnum):
        return value.value
    if kind is datetime:
        return value.isoformat()
    if is_dataclass(value):
        return {field.name: encode(getattr(value, field.name), blobs) for field in fields(value)}
    raise TypeError(type(value).__name__)


@cache
def decoder(kind: Any) -> Decoder:
    """What reads a value of this type. It raises `Malformed` for any other. `TypeError` for a type that no call has."""
    origin, inside = get_origin(kind), get_args(kind)
    if isinstance(kind, NewType):
        return decoder(kind.__supertype__)
    if origin in (typing.Union, types.UnionType):
        (real,) = (one for one in inside if one is not types.NoneType)
        read = decoder(real)
        return lambda value, blobs: None if value is None else read(value, blobs)
    if origin in (Sequence, tuple):
        read_one = decoder(inside[0])
        return lambda value, blobs: tuple(read_one(one, blobs) for one in _exactly(value, list))
    if kind in (str, int, bool, types.NoneType):
        return lambda value, _: _exactly(value, kind)
    if kind is bytes:
        return lambda value, blobs: bytes(_blob(value, blobs))
    if kind is Secret:
        return lambda value, blobs: Secret(bytearray(_blob(value, blobs)))
    if kind is datetime:
        return lambda value, _: _instant(_exactly(value, str))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return lambda value, _: _member(kind, value)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    raise TypeError(f"no call has a {kind}")


def arguments(function: Callable[..., Any]) -> Decoder:
    """What reads the arguments of this method by name, all of them and no others."""
    readers = {name: decoder(kind) for name, kind in get_type_hints(function).items() if name != "return"}
    return lambda value, blobs: _members(value, readers, blobs)


@cache
def result(function: Callable[..., Any]) -> Decoder:
    return decoder(get_type_hints(function)["return"])


def _dataclass(kind: type) -> Decoder:
    readers = {name: decoder(one) for name, one in get_type_hints(kind).items()}
    return lambda value, blobs: kind(**_members(value, readers, blobs))


def _members(value: Any, readers: Mapping[str, Decoder], blobs: Sequence[Blob]) -> dict[str, Any]:
    if type(value) is not dict or value.keys() != readers.keys():
        raise _malformed()
    return {name: read(value[name], blobs) for name, read in readers.items()}


def _exactly(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _malformed()
    return value


def _blob(value: Any, blobs: Sequence[Blob]) -> Blob:
    if type(value) is not int or not 0 <= value < len(blobs):
        raise _malformed()
    return blobs[value]


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _malformed() from None
    if at.tzinfo is None:
        raise _malformed()
    return at


def _member(kind: type[StrEnum], value: Any) -> StrEnum:
    try:
        return kind(_exactly(value, str))
    except ValueError:
        raise _malformed() from None


def _malformed() -> Malformed:
    return Malformed(
        "The vault was called with arguments that do not fit the call.",
        what_to_do="Node and vault must be of the same version: restart both.",
    )
