"""What a verifier starts from: the founding roster, believed because its hash came from outside the data."""

import re

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from breakglass.audit import next_logs
from breakglass.audit.event import parse
from breakglass.audit.said import ADOPTED, version_of
from breakglass.audit.source import Source, reading
from breakglass.errors import Malformed, Tampered
from breakglass.trust import chain as chains
from breakglass.trust import next_log
from breakglass.trust.roster import Roster

_BEGUN = f"SELECT idx FROM entry WHERE kind = '{next_logs.BEGUN}'"  # noqa: S608 (ours)
_PIN = re.compile(r"[0-9a-f]{64}")


def must_be_pin(pin: str) -> None:
    """Raises `Malformed` for what is not the hexadecimal SHA-256 of a roster."""
    if not _PIN.fullmatch(pin):
        raise Malformed(
            "The founding roster's hash has 64 hexadecimal digits.", what_to_do="`breakglass init` showed it."
        )


def founding_roster(db: Source, pin: str) -> Roster:
    """Version 0, from entry 0. Raises `Tampered`, `Malformed`, `NotEntitled` when it is not the pinned one."""
    must_be_pin(pin)
    try:
        leaves = [leaf for (leaf,) in db.rows("SELECT leaf FROM entry WHERE idx = 0")]
    except DBAPIError:
        leaves = []
    event = parse(leaves[0]) if leaves and isinstance(leaves[0], bytes) else None
    if event is None or event.kind != ADOPTED:
        raise Tampered("The log does not begin with a roster.", what_to_do="Call the custodians and the auditors.")
    return chains.found(version_of(event), pin).head


def vkey(source: Engine | str, *, pin: str) -> str:
    """The verifier key (C2SP signed-note) of the present log, from the pinned roster: what other people's tools ask
    for. Which log it is, its entries say."""
    with reading(source) as db:
        begun = sum(1 for _ in db.rows(_BEGUN))
        return next_log.key_of(founding_roster(db, pin), next_log.FIRST + begun).vkey
