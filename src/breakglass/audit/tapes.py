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

STREAMS = ("screen", "keys")
_CALL = "Keep all copies, and call the auditors."


def check(folder: Path, followed: Follow, findings: Findings) -> tuple[int, int]:
    """How many recordings were checked, and how many of them are lost as the log itself says."""
    lost = set()
    for id, row in followed.rows["recording"].items():
        heads = heads_of(followed, id)
        for stream in STREAMS:
            path = folder / f"{id}.{stream}"
            try:
                _one(path, row, stream, heads if stream == "screen" else ())
            except (Tampered, OSError) as error:
                if row["lost"]:
                    lost.add(id)
                    continue
                words = error.message if isinstance(error, Tampered) else f"It can't be read: {error.strerror}."
                findings.add("recording", f"recording {path.name}", words)
    return len(followed.rows["recording"]), len(lost)


def check_file(path: Path, followed: Follow) -> str:
    """One file, of the recording of whichever session it says it is of; returns `recording.stream`. Raises `Tampered`
    when the log names no such recording, or another one; `OSError`."""
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            raise Tampered("The file is empty.", what_to_do=_CALL)
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    header = read_header(data)
    for id, row in followed.rows["recording"].items():
        if row["session"] == header.session and header.stream in STREAMS:
            container(data, row, header.stream, heads_of(followed, id) if header.stream == "screen" else ())
            return f"{id}.{header.stream}"
    raise Tampered(f"It is of the session {header.session[:60]}, which is not in this evidence.", what_to_do=_CALL)


def heads_of(followed: Follow, id: str) -> list[Head]:
    return [Head(seq=n, hash=bytes.fromhex(hex), bytes=size, ended=False) for n, hex, size in named(followed, id)]


def named(followed: Follow, id: str) -> list[tuple[int, str, int]]:
    """The heads that name a chunk; one that is not hexadecimal was never a head."""
    named = [one for one in followed.heads.get(id, ()) if one[0]]
    return [(n, hex if len(hex) == 64 and set(hex) <= set("0123456789abcdef") else "", size) for n, hex, size in named]


def _one(path: Path, row: dict[str, Any], stream: str, heads: Sequence[Head]) -> None:
    if not path.exists() or not path.stat().st_size:
        # A session that could not be opened may end before its recording begins; and a power cut before the first sync
        # leaves an empty file: then no secret was released yet.
        if heads or row["state"] == State.COMPLETE:
            what = "empty" if path.exists() else "missing"
            raise Tampered(f"The log names it, and its file is {what}.", what_to_do=_CALL)
        return
    with path.open("rb") as file:
        # Not closed by hand: an error's traceback may still hold a view of it.
        container(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), row, stream, heads)


def container(data: memoryview, row: dict[str, Any], stream: str, heads: Sequence[Head]) -> None:
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
