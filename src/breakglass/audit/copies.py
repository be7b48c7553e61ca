"""What was sent to places elsewhere, kept word for word beside the log: it must still be what the log stores.

Whoever rewrites the whole database rewrites this, too; it finds who rewrote the log and forgot it, or restored a part.
What proves something is the copy at the place itself: `audit verify --checkpoint`.
"""

from collections.abc import Iterable
from typing import Final

from breakglass.audit.beside import Anchor
from breakglass.audit.report import Findings

KIND: Final = "copy "
"""The anchor's kind of what a place was sent begins so; the place's name follows."""


def kind_of(name: str) -> str:
    return KIND + name


def check(found: Iterable[Anchor], findings: Findings) -> None:
    for one in found:
        if one.kind.startswith(KIND) and one.receipt != one.checkpoint:
            gone = "is gone" if one.checkpoint is None else "is another one"
            words = f"It was sent over {one.size} entries, and the checkpoint that the log stores of them {gone}."
            findings.add("anchor", f"checkpoint for {one.kind.removeprefix(KIND)[:60]}", words, index=one.size)
