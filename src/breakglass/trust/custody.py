"""Two people's statements about a custody item: what they say, whose word counts, and whether it fits the item.

    holder signs ────┐
                     ├─▶ one turn of the item: check-out, return, inspection
    custodian signs ─┘

Both sign the same lines. `number` is the item's turn and `recorded` the seal that it should have, so a statement serves
for the moment for which it was drawn up.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from breakglass.codec import instant
from breakglass.errors import BadSignature, Malformed
from breakglass.model import custody
from breakglass.model.custody import NO_SEAL, Act, Item, Turn
from breakglass.model.ids import checked
from breakglass.trust.chain import Chain
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Kind, Statement

NOTHING = "none"
"""A line without a value: no request, nothing else seen."""
KINDS: Mapping[Act, Kind] = {
    Act.CHECK_OUT: Kind.CHECK_OUT,
    Act.RETURN: Kind.RETURN,
    Act.INSPECTION: Kind.INSPECTION,
}
ACTS: Mapping[Kind, Act] = {kind: act for act, kind in KINDS.items()}
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def item_of(chain: Chain, id: str, version: int | None = None) -> Item | None:
    """The item as the newest version up to `version` has it, or last had it: what was taken out before it left the
    estate is brought back all the same."""
    newest = len(chain.rosters) - 1 if version is None else version
    return next((roster.custody[id] for roster in reversed(chain.rosters[: newest + 1]) if id in roster.custody), None)


def known_since(chain: Chain, id: str) -> datetime:
    """When the first version with it was drawn up."""
    return next(roster.issued_at for roster in chain.rosters if id in roster.custody)


def facts(item: Item, turn: Turn) -> dict[str, str]:
    """The lines of a statement about this turn."""
    common = {"number": str(turn.number), "name": item.name, "opens": item.opens, "place": item.place}
    match turn.act:
        case Act.CHECK_OUT:
            return {
                **common,
                "recorded": turn.recorded,
                "seal": turn.seal,
                "holder": turn.holder,
                "until": instant.write(turn.until) if turn.until else NOTHING,
                "request": turn.request or NOTHING,
                "because": turn.words,
            }
        case Act.RETURN:
            return {**common, "holder": turn.holder, "seal": turn.seal, "remark": turn.words or NOTHING}
        case Act.INSPECTION:
            seals = {"recorded": turn.recorded, "seal": turn.seal}
            return {**common, **seals, "remark": turn.words or NOTHING}


def turn_of(statement: Statement) -> Turn:
    """What the statement says was done. Raises `Malformed` for lines that `facts` would not write."""
    act, said = ACTS[statement.kind], statement.facts
    recorded = said.get("recorded", NO_SEAL)
    fits = _NUMBER.fullmatch(said["number"]) and custody.seal(said["seal"], act=act) == said["seal"]
    if not fits or (recorded != NO_SEAL and custody.seal(recorded, act=Act.RETURN) != recorded):
        raise Malformed("Its number or seals are not written as they must be.", what_to_do="Take the text unchanged.")
    request, words = said.get("request", NOTHING), said.get("because", said.get("remark", NOTHING))
    return Turn(
        act=act,
        number=int(said["number"]),
        seal=said["seal"],
        recorded=recorded,
        holder=checked("usr", said["holder"]) if "holder" in said else "",
        until=instant.read(said["until"]) if "until" in said else None,
        request="" if request == NOTHING else checked("req", request),
        words="" if words == NOTHING else words,
    )


def must_count(statement: Statement, roster: Roster, item: Item | None) -> Turn:
    """Its turn, when the item is described as the estate has it and this person's word counts. Raises `BadSignature`,
    `Malformed`."""
    turn, said, person = turn_of(statement), statement.facts, roster.people[statement.person]
    if item is None or (said["name"], said["opens"], said["place"]) != (item.name, item.opens, item.place):
        raise BadSignature(
            "It describes the item otherwise than the estate does.",
            what_to_do="Get a fresh statement and sign that one.",
            about=statement.subject,
        )
    if not custody.counts(turn.act, person.id, person.roles, turn.holder):
        raise BadSignature(
            f"The word of {person.name} does not count for this.",
            what_to_do="A custodian signs, and its holder, another custodian, or an auditor who looks at it.",
            about=statement.subject,
        )
    return turn
