"""Custody, judged from the log: what was done with each item was signed by two people who may, and could be done then.

custody.signed (holder) ─▶ custody.signed (custodian) ─▶ custody.taken, with both statements ─▶ custody.returned …

A bundle holds single turns of an item; there each is judged by its own statements, and a return by its check-out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from breakglass.audit.custody import ACTS
from breakglass.audit.event import Event
from breakglass.errors import BadSignature, Tampered
from breakglass.model import custody as model
from breakglass.model.custody import NO_SEAL, Act, Custody, Item, Turn
from breakglass.model.people import Role
from breakglass.trust import custody
from breakglass.trust.statement import Statement

_CALL = "Keep the log as it is, and call the auditors."


class Held:
    """`whole`: every turn of each item is here."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._items: dict[str, Custody] = {}

    def done(
        self, event: Event, said: Sequence[Statement], roles: Mapping[str, frozenset[Role]], item: Item | None
    ) -> None:
        """An entry that says what was done with an item. `said`: its statements, each of which holds, by somebody whose
        word counts; `roles`: of these people. Raises `BadSignature`, `Tampered`."""
        if not said or item is None or any(one.facts != said[0].facts or one.kind is not said[0].kind for one in said):
            raise BadSignature("Its people did not sign the same.", what_to_do=_CALL)
        turn, at = custody.turn_of(said[0]), datetime.fromisoformat(event.at)
        if turn.act is not ACTS[event.kind] or _told(event) != told(turn):
            raise BadSignature("It tells something else than its people signed.", what_to_do=_CALL)
        if len(roles) != len(said) or not model.enough(turn.act, roles, turn.holder):
            raise BadSignature("It was not signed by two people, of whom one is a custodian.", what_to_do=_CALL)
        if turn.until is not None and not at < turn.until <= at + item.out_for:
            raise BadSignature("It is out for longer than the estate lets it.", what_to_do=_CALL)
        before = self._before(event.about, turn)
        if problem := before.problem(turn):
            raise Tampered(f"It could not be done then. {problem}", what_to_do=_CALL)
        if event.data.get("request", "") != (turn.request or (before.out.request if before.out else "")):
            raise BadSignature("It names another request than its people signed.", what_to_do=_CALL)
        self._items[event.about] = before.after(replace(turn, at=at))

    def _before(self, item: str, turn: Turn) -> Custody:
        known = self._items.get(item, Custody())
        if self._whole or turn.act is Act.RETURN:
            return known
        return Custody(number=turn.number - 1, seal=turn.recorded)


def told(turn: Turn) -> dict[str, str | int]:
    """What the entry of a turn tells beside its statements, request and account."""
    found: dict[str, str | int] = {"number": turn.number, "seal": turn.seal}
    if turn.act is not Act.RETURN and turn.recorded != NO_SEAL:
        found["recorded"] = turn.recorded
    if turn.holder:
        found["holder"] = turn.holder
    if turn.until:
        found["until"] = turn.until.isoformat()
    return found


def _told(event: Event) -> dict[str, str | int | bool]:
    names = ("number", "seal", "recorded", "holder", "until")
    return {name: event.data[name] for name in names if name in event.data}
