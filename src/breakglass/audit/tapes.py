"""Recordings against the heads that the log holds: whole, unchanged, and ended where the log says. No key is asked for.

The log names heads of the `screen` stream; what was typed (`keys`) is its own container, checked by its own chain.
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from breakglass.audit.follow import Follow
from breakglass.audit.report import Findings
from breakglass.codec.recording import Head
from breakglass.codec.recording_reader import Data, check_chain, read_header, scan
from breakglass.errors import Tampered
from breakglass.model.recording import State

_CALL = "Keep all copies, and call the auditors."


def check(folder: Path, followed: Follow, findings: Findings) -> int:
    """How many recordings were checked."""
    for id, row in followed.rows["recording"].items():
        heads = [Head(seq=n, hash=bytes.fromhex(hex), bytes=size, ended=False) for n, hex, size in _named(followed, id)]
        for stream in ("screen", "keys"):
            path = folder / f"{id}.{stream}"
            try:
                _one(path, row, stream, heads if stream == "screen" else ())
            except (Tampered, OSError) as error:
                words = error.message if isinstance(error, Tampered) else f"It can't be read: {error.strerror}."
                findings.add("recording", f"recording {path.name}", words)
    return len(followed.rows["recording"])


def _named(followed: Follow, id: str) -> list[tuple[int, str, int]]:
    """The heads that name a chunk; one that is not hexadecimal was never a head."""
    named = [one for one in followed.heads.get(id, ()) if one[0]]
    return [(n, hex if len(hex) == 64 and set(hex) <= set("0123456789abcdef") else "", size) for n, hex, size in named]


def _one(path: Path, row: dict[str, Any], stream: str, heads: Sequence[Head]) -> None:
    if not path.exists():
        # A session that could not be opened may end before its recording begins.
        if heads or row["state"] == State.COMPLETE:
            raise Tampered("The log names it, and its file is missing.", what_to_do=_CALL)
        return
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            raise Tampered("The file is empty.", what_to_do=_CALL)
        # Not closed by hand: an error's traceback may still hold a view of it.
        _container(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), row, stream, heads)


def _container(data: memoryview, row: dict[str, Any], stream: str, heads: Sequence[Head]) -> None:
    header = read_header(data)
    if (header.session, header.stream) != (row["session"], stream):
        raise Tampered("The file is another session's or stream's.", what_to_do=_CALL)
    whole = row["state"] == State.COMPLETE
    # One that is being written, or that a crash tore, is judged as far as it is good.
    checked: Data = data if whole else data[: scan(data).good.bytes]
    last = check_chain(checked)
    if whole and not last.ended:
        raise Tampered("It stops without an END, and the log says that it is complete.", what_to_do=_CALL)
    through = [
        Head(seq=one.seq, hash=one.hash, bytes=one.bytes, ended=last.ended and one.seq == last.seq) for one in heads
    ]
    check_chain(checked, through)
    if row["state"] != State.OPEN and through and through[-1] != last:
        raise Tampered(f"It goes on after chunk {through[-1].seq}, where the log says that it ended.", what_to_do=_CALL)
