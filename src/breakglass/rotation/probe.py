"""What to probe when it is not known which stored secret works: the likeliest first, and below the target's limit."""

from collections.abc import Collection, Sequence

from breakglass.model.credential import Credential
from breakglass.model.rotation import Rotation, State

RESERVE = 1
"""A login that is kept for what a custodian stores next."""


def plan(
    stored: Sequence[Credential], left: int, held: Rotation, refused: Collection[str] = ()
) -> list[Sequence[Credential]]:
    """What is probed in this turn, in parts that are released one after the other; `stored` has the likeliest first,
    `refused` are those that the target refused a moment ago.

    What a custodian stored since the last login goes first, then the candidate and the current one, then as many of the
    older ones as `left` allows, others in each turn. Where it allows few, all take turns.
    """
    first = news(stored, held)[:left]
    rest = [one for one in stored if one not in first and one.id not in refused]
    left -= len(first)
    likely = [one for one in stored[:2] if one in rest]
    older = [one for one in rest if one not in likely]
    room = left - len(likely) - RESERVE
    if held.state is State.RECONCILE and older and room < 1:
        parts = [first, _window(rest, left, held.tries)]
    elif left < len(likely):
        parts = [first, _window(likely, left, held.tries)]
    else:
        parts = [first, likely, _window(older, room, held.tries)]
    return [part for part in parts if part]


def news(stored: Sequence[Credential], held: Rotation) -> list[Credential]:
    """What a custodian stored since the last login that the target may have refused."""
    return [one for one in stored[1:] if held.guessed_at is not None and one.made_at > held.guessed_at]


def _window(some: Sequence[Credential], room: int, turn: int) -> Sequence[Credential]:
    room = max(0, min(room, len(some)))
    start = turn * room % len(some) if some else 0
    return [*some[start:], *some[:start]][:room]
