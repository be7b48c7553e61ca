"""What changes between two versions of the roster, in one line that people sign: who and what is added, removed,
altered.
"""

from collections.abc import Mapping
from typing import Any

from breakglass.trust.roster import Roster

LONGEST = 1500


def difference(before: Roster, after: Roster) -> str:
    """For example `person usr_bo altered; target tgt_db2 added`; `nothing` when only the version moves."""
    parts = []
    for name in ("people", "domains", "targets", "accounts", "conditions", "policies", "custody"):
        parts += _changed(name, getattr(before, name), getattr(after, name))
    if before.changes != after.changes:
        parts.append("who may change the roster altered")
    if before.keys != after.keys:
        parts.append("the vault's keys altered")
    if before.groups != after.groups:
        parts.append("groups altered")
    if before.witnesses != after.witnesses:
        parts.append("witnesses of the log altered")
    line = "; ".join(parts) or "nothing"
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… ({len(parts)} changes)"


def _changed(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = [f"{name} {id} removed" for id in sorted(before.keys() - after.keys())]
    found += [f"{name} {id} added" for id in sorted(after.keys() - before.keys())]
    return found + [f"{name} {id} altered" for id in sorted(before.keys() & after.keys()) if before[id] != after[id]]
