"""Small words that many sentences need: instants, spans, names. UTC, because nobody's zone is known here."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from breakglass.errors import Malformed
from breakglass.views.shapes import Need, Place, Who

_FOR = re.compile(r"(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m?)?")


def at(instant: datetime, now: datetime) -> str:
    """`21:34 UTC`, with the day when that is not today's."""
    return instant.strftime("%H:%M UTC" if instant.date() == now.date() else "%Y-%m-%d %H:%M UTC")


def span(length: timedelta) -> str:
    """`45 seconds`, `1 minute`, `23 minutes`, `3 hours 5 minutes`, `2 days`; rounded down: nobody counts on more."""
    seconds = max(0, int(length.total_seconds()))
    if seconds < 60:
        return _many(seconds, "second")
    minutes = seconds // 60
    if minutes < 60:
        return _many(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _many(hours, "hour") + (f" {_many(minutes, 'minute')}" if minutes else "")
    return _many(hours // 24, "day")


def until(instant: datetime, now: datetime) -> str:
    """`until 21:34 UTC, 23 minutes from now`."""
    return f"until {at(instant, now)}, {span(instant - now)} from now"


def names(people: Iterable[Who]) -> str:
    return ", ".join(who.name for who in people)


def needs(parts: Iterable[Need]) -> str:
    """`1 of responders (Bo, Dana), 1 of security (Eve)`."""
    return ", ".join(f"{one.count} of {one.group} ({names(one.people) or 'nobody is there'})" for one in parts)


def where(place: Place) -> str:
    """`root on db1`."""
    return f"{place.username or place.name} on {place.target}" if place.target else place.account


def minutes_of(text: str) -> int:
    """`30m`, `2h`, `1h30m` or `30`: minutes. Raises `Malformed`."""
    found = _FOR.fullmatch(text)
    minutes = int(found[1] or 0) * 60 + int(found[2] or 0) if found else 0
    if minutes <= 0:
        raise Malformed(f"{text[:40]!r} is not how long.", what_to_do="Write it like 30m, 2h or 1h30m.")
    return minutes


def _many(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def shares_are(numbers: Iterable[int]) -> str:
    """`share 2 is`, `shares 1 and 3 are`; at least one."""
    one = [str(number) for number in numbers]
    return f"share {one[0]} is" if len(one) == 1 else f"shares {', '.join(one[:-1])} and {one[-1]} are"
