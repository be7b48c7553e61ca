"""Shapes as JSON and back, without a library: the command line reads with it what the API wrote.

Members that a shape does not know are left out, so that an older command line understands a newer server.
"""

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from breakglass.errors import Malformed

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Values that `json.dumps` takes; instants in ISO 8601 with their offset."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): to_json(one) for name, one in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(one) for one in value]
    return value


def from_json(shape: type[T], value: Any) -> T:
    """Raises `Malformed` when the answer does not have this shape."""
    try:
        return _read(shape, value)  # type: ignore[no-any-return]
    except (TypeError, ValueError, KeyError) as wrong:
        raise Malformed(
            f"The server's answer can't be read as {shape.__name__} ({type(wrong).__name__}).",
            what_to_do="Is it a Breakglass server, and of the same version? `breakglass --version` tells yours.",
        ) from None


def _read(kind: Any, value: Any) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        kinds = get_args(kind)
        if value is None and type(None) in kinds:
            return None
        rest = [one for one in kinds if one is not type(None)]
        return _read(rest[0], value) if len(rest) == 1 else value
    if origin is tuple:
        return tuple(_read(get_args(kind)[0], one) for one in value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{name: _read(hint, value[name]) for name, hint in hints.items() if name in value})
    if kind in (str, int, bool) and type(value) is not kind:
        raise TypeError(kind)
    return value


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)
