"""Erasing private values that stand beside the log: who must sign for it, and which entries a statement names.

    auditor signs ─┐
                   ├─▶ the values are gone; the log keeps the commitments, and says who had them erased
    custodian signs┘

Auditors guard the evidence, custodians the keys: neither can make anything disappear without the other.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise

from breakglass.errors import Malformed
from breakglass.model.people import Role

SIGNS = frozenset({Role.AUDITOR, Role.CUSTODIAN})
ENTRIES_MAX = 300
"""In one statement: its line must be readable."""
_ENTRIES = re.compile(r"(?:0|[1-9][0-9]{0,9})(?: [1-9][0-9]{0,9})*")


def entries_line(entries: Sequence[int]) -> str:
    """Indexes of entries, each once, rising. Raises `Malformed` for none, or too many."""
    if not entries or len(entries) > ENTRIES_MAX:
        raise Malformed(f"An erasure names 1 to {ENTRIES_MAX} entries.", what_to_do="Erase some after the others.")
    return " ".join(map(str, sorted(set(entries))))


def read_entries(line: str) -> tuple[int, ...]:
    """Raises `Malformed` for what `entries_line` would not write."""
    found = tuple(map(int, line.split(" "))) if _ENTRIES.fullmatch(line) else ()
    if not found or len(found) > ENTRIES_MAX or any(a >= b for a, b in pairwise(found)):
        raise Malformed("The entries are not rising numbers.", what_to_do="Take the text unchanged.")
    return found


def enough(signers: Mapping[str, Collection[Role]]) -> bool:
    """Whether an auditor and another person, a custodian, are among them."""
    auditors = {person for person, roles in signers.items() if Role.AUDITOR in roles}
    custodians = {person for person, roles in signers.items() if Role.CUSTODIAN in roles}
    return bool(auditors and custodians) and len(auditors | custodians) > 1
