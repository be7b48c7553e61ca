"""The recordings that a review is signed over, as its statement names them (docs/formats/statement.md)."""

from collections.abc import Iterable
from hashlib import sha256

LISTED = 50


def line_of(heads: Iterable[str], lost: Iterable[str] = ()) -> str:
    """Every recording's head in order, then those whose file was lost when the review was signed, each as `lost:HEAD`;
    beyond what a line of the statement takes, their number and the hash of that line."""
    named = [*sorted(heads), *(f"lost:{head}" for head in sorted(lost))]
    line = " ".join(named)
    if len(named) <= LISTED:
        return line or "none"
    return f"{len(named)} recordings {sha256(line.encode()).hexdigest()}"
