"""A leaf, read back by somebody who does not trust it (docs/formats/log.md): its shape is exact."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from json import JSONDecoder
from typing import Any, NamedTuple, NoReturn

from breakglass.errors import Malformed

MEMBERS = ("v", "kind", "at", "by", "about", "data")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", re.ASCII)
_SCALARS = frozenset({str, int, bool})


class Event(NamedTuple):
    """One entry. A named tuple, because a verifier makes millions."""

    kind: str
    at: str
    """As the leaf has it; all have one form, so that texts compare as instants do."""
    by: str
    about: str
    data: Mapping[str, str | int | bool]

    def text(self, name: str) -> str:
        """A member of `data` that must be text. Raises `Malformed`."""
        if not isinstance(value := self.data.get(name), str):
            raise Malformed(f"A {self.kind} does not say its {name}.", what_to_do="Call the auditors.")
        return value

    def number(self, name: str) -> int:
        value = self.data.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Malformed(f"A {self.kind} does not say its {name}.", what_to_do="Call the auditors.")
        return value


def parse(leaf: bytes) -> Event:
    """Raises `Malformed` for anything that is not one event: another member, another order, a member that stands twice,
    a value in `data` that is neither text, whole number nor boolean, an instant in another form."""
    try:
        text = leaf.decode()
        event, end = _DECODER.raw_decode(text)  # unlike `decode`, it lets no space stand before or after
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise _malformed("is not JSON as it must be") from None
    if not isinstance(event, dict) or tuple(event) != MEMBERS or end != len(text):
        raise _malformed(f"does not have the members {', '.join(MEMBERS)}, in this order and no others")
    version, kind, at, by, about, data = event.values()
    if version != 1 or type(version) is not int:
        raise _malformed("is of a version that is not known")
    if type(kind) is not str or type(at) is not str or type(by) is not str or type(about) is not str:
        raise _malformed("has a member that must be text and is not")
    if type(data) is not dict or not _SCALARS.issuperset(map(type, data.values())):
        raise _malformed("has data that is not flat")
    if not _AT.fullmatch(at):
        raise _malformed("has an instant in another form")
    if "\\u" in text:
        _must_be_whole(text, (kind, by, about, *data, *data.values()))
    return Event(kind, at, by, about, data)


def micros(at: str) -> int:
    """Microseconds since 1970 of an event's instant. Raises `Malformed` for the 30th of February and its like."""
    try:
        return in_micros(datetime.fromisoformat(at))
    except ValueError:
        raise _malformed("has an instant that there is not") from None


def in_micros(at: datetime) -> int:
    return (at - EPOCH) // _MICROSECOND


def _must_be_whole(text: str, values: tuple[Any, ...]) -> None:
    """An escape may make half a character, which no text can hold."""
    try:
        for value in values:
            str(value).encode()
    except UnicodeEncodeError:
        raise _malformed("holds half a character") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _refuse(text: str) -> NoReturn:
    raise ValueError(text)


def _malformed(problem: str) -> Malformed:
    return Malformed(f"It {problem}.", what_to_do="Keep the log as it is, and call the auditors.")


_DECODER: JSONDecoder = json.JSONDecoder(object_pairs_hook=_once, parse_float=_refuse, parse_constant=_refuse)
