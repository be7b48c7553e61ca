"""An erasure of private values as people see it: the text to sign, or what it took away."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    id: str
    text: str = ""
    left: int = 0
    """More of the person's entries that can't be erased, or not yet."""
    erased: int = 0
    """Entries whose private values are gone now; 0 while the other signature is missing."""


def lines(one: Erasure) -> list[str]:
    if one.erased:
        return [f"Private values of {one.erased} entries are erased. The log says so, and by whose word."]
    return [f"Signed. Nothing is erased yet: the other one runs `breakglass audit erase --erasure {one.id}`."]
