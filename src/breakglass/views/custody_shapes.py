"""Custody items as people see them (`shapes` says what a shape is), and as lines for a terminal."""

from dataclasses import dataclass
from datetime import datetime

from breakglass.views.shapes import Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    id: str
    name: str
    opens: str
    place: str
    account: str
    """The account that it belongs to; empty for none."""
    out_hours: int
    inspect_days: int
    state: str
    """`new` (nobody looked at it yet), `in`, `unseen` (not looked at in time), `out`, `overdue`, or `finding` (its seal
    was not the recorded one, or it was not there)."""
    seal: str
    holder: Who | None
    since: datetime | None
    until: datetime | None
    request: str
    looked_at: datetime | None
    inspect_by: datetime | None
    finding: str
    listed: bool
    """Whether the estate still has it: what was out when it left is brought back all the same."""
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    items: tuple[Item, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that two people did with it, and signed."""

    number: int
    act: str
    at: datetime | None
    by: tuple[Who, ...]
    seal: str
    recorded: str
    off: bool
    request: str
    sentence: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    item: Item
    turns: tuple[Turn, ...]
    """Newest first."""
    waits: str
    """What waits for the second person: `check-out`, `return`, `inspection`; empty for nothing."""
    waits_for: str
    waits_holder: str
    """Id of who takes it, or had it."""
    signed_by: tuple[Who, ...]


def lines(c: Custody) -> list[str]:
    told = [c.sentence]
    for one in c.items:
        told += [f"{one.id}  {one.name}, {one.place}", f"  {one.sentence}", *_found(one)]
    return told


def item_lines(p: ItemPage) -> list[str]:
    one = p.item
    told = [f"{one.id}  {one.name}", f"Opens: {one.opens}", f"Place: {one.place}", one.sentence, *_found(one)]
    if p.waits:
        by = ", ".join(who.name for who in p.signed_by)
        told.append(f"Waits: {p.waits_for} {by} signed; another signs: breakglass custody sign {one.id}")
    for turn in p.turns:
        at = f"{turn.at:%Y-%m-%d %H:%M}" if turn.at else ""
        off = f"  NOT AS LEFT: {turn.recorded} was recorded" if turn.off else ""
        told.append(f"{turn.number:>4}  {at}  {turn.sentence} {turn.words}".rstrip() + off)
        told.append(f"      signed by {', '.join(who.name for who in turn.by)}")
    return told


def _found(one: Item) -> list[str]:
    return [f"  NOT AS IT WAS LEFT. {one.finding}"] if one.finding else []
