"""The proof of one entry as a file of its own (C2SP tlog-proof), which other people's tools verify.

c2sp.org/tlog-proof@v1
index 17
base64 of each hash of the inclusion proof, a line each
⏎
the checkpoint, a signed note
"""

import re
from base64 import b64encode
from dataclasses import dataclass

from breakglass.codec import note
from breakglass.codec.sshwire import malformed, strict_base64

TITLE = "c2sp.org/tlog-proof@v1"
PROOF_MAX = 63
"""Hashes: as many as a tree of 2⁶³ leaves asks for."""
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,17})")
_WHAT = "proof"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlogProof:
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""
    """For whoever uses it; nothing vouches for it."""


def write(proof: TlogProof) -> bytes:
    extra = [f"extra {b64encode(proof.extra).decode()}"] if proof.extra else []
    lines = [TITLE, *extra, f"index {proof.index}", *(b64encode(one).decode() for one in proof.hashes), ""]
    return "".join(f"{line}\n" for line in lines).encode() + proof.checkpoint


def read(data: bytes) -> TlogProof:
    """Raises `Malformed` unless `data` is exactly what `write` gives; says nothing of whether it holds."""
    try:
        head, blank, checkpoint = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise malformed(_WHAT, "is not UTF-8") from None
    title, *lines = head.split("\n")
    extra = (
        strict_base64(lines.pop(0).removeprefix("extra "), _WHAT) if lines and lines[0].startswith("extra ") else b""
    )
    shape = _INDEX.fullmatch(lines[0]) if lines else None
    if title != TITLE or not blank or shape is None or len(lines) > 1 + PROOF_MAX:
        raise malformed(_WHAT, f"does not begin with `{TITLE}` and an index")
    hashes = tuple(strict_base64(one, _WHAT) for one in lines[1:])
    if any(len(one) != 32 for one in hashes):
        raise malformed(_WHAT, "holds a hash that is not 32 bytes long")
    found = TlogProof(index=int(shape[1]), hashes=hashes, checkpoint=checkpoint.encode(), extra=extra)
    note.parse(found.checkpoint)
    if write(found) != data:
        raise malformed(_WHAT, "is not in its one form")
    return found
