"""The log as a folder that other people's tools read: C2SP tlog-tiles, for the size of the newest checkpoint.

Each file appears whole or not at all, the checkpoint last: a web server may serve the folder meanwhile. What is there
is never written over: full tiles don't change, and a folder that holds another log is told so.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from breakglass.audit import cosigners
from breakglass.audit.beside import as_bytes
from breakglass.audit.pinned import founding_roster
from breakglass.audit.source import Source, reading
from breakglass.audit.tiles import CHECKPOINT, WIDTH, Tile, bundle, levels, tiles
from breakglass.codec import note
from breakglass.codec.cosignature import parse_lines
from breakglass.errors import BreakglassError, Malformed, Sealed, Tampered
from breakglass.trust import next_log
from breakglass.trust.tree import EMPTY_ROOT, fold, leaf_hash, perfect_subtrees, subtree_root

_CALL = "Run `breakglass audit verify`; call the auditors."


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    origin: str
    vkey: str
    """The key with which other people's tools verify the checkpoint."""
    size: int
    files: int
    written: int
    """Files that were not there before."""


def export_tiles(source: Engine | str, folder: Path, *, pin: str) -> Exported:
    """Write the log; again and again is fine. Raises `Sealed` without a checkpoint, `Tampered` when the entries do not
    fit it or the folder holds another log, `Malformed` when the folder can't be written."""
    with reading(source) as db:
        roster = founding_roster(db, pin)
        signed = _newest(db)
        try:
            key = next_log.key_for(roster, signed)
        except Malformed:
            raise Tampered("The newest checkpoint is another log's.", what_to_do=_CALL) from None
        seen = note.parse_checkpoint(note.verify(signed, [key.vkey]).text)
        try:
            return _export(db, folder, signed, seen, key.vkey)
        except OSError as error:
            raise Malformed(
                f"{folder} can't be written: {error.strerror}.", what_to_do="Name a folder with room, that is yours."
            ) from None


def _export(db: Source, folder: Path, signed: bytes, seen: note.Checkpoint, vkey: str) -> Exported:
    _must_follow(folder / CHECKPOINT, seen, vkey)
    writer = _Writer(folder)
    roots: list[bytes] = []
    edge: list[bytes] = []
    for tile in tiles(0, seen.size):
        leaves = _leaves(db, tile)
        edge = [leaf_hash(leaf) for leaf in leaves]
        writer.put(tile.path, b"".join(edge))
        writer.put(tile.entries_path, bundle(leaves))
        if tile.width == WIDTH:
            roots.append(subtree_root(edge))
            edge = []
    frontier = _perfect(edge)
    for level in levels(seen.size)[1:]:
        above: list[bytes] = []
        for tile in tiles(level, seen.size):
            hashes = roots[tile.index * WIDTH : tile.index * WIDTH + tile.width]
            writer.put(tile.path, b"".join(hashes))
            if tile.width == WIDTH:
                above.append(subtree_root(hashes))
        frontier = _perfect(roots[len(above) * WIDTH :]) + frontier
        roots = above
    if (fold(frontier) if frontier else EMPTY_ROOT) != seen.root:
        raise Tampered(
            "The entries do not fit the newest checkpoint: nothing vouches for this export.", what_to_do=_CALL
        )
    writer.put(CHECKPOINT, signed, replace=True)
    return Exported(origin=seen.origin, vkey=vkey, size=seen.size, files=writer.files, written=writer.written)


def _newest(db: Source) -> bytes:
    """With the cosignatures that witnesses gave for it."""
    for size, signed in db.rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1"):
        if isinstance(signed, bytes) and isinstance(size, int):
            lines = [as_bytes(line) for (line,) in db.rows(cosigners.lines_of(size))]
            return parse_lines(b"".join(lines), signed).encode() if lines else signed
    raise Sealed("No checkpoint covers the log yet.", what_to_do="Custodians unseal the vault: `breakglass unseal`.")


def _leaves(db: Source, tile: Tile) -> Sequence[bytes]:
    start = tile.index * WIDTH
    end = start + tile.width
    sql = f"SELECT leaf FROM entry WHERE idx >= {start} AND idx < {end} ORDER BY idx"  # noqa: S608 (two numbers)
    found = [leaf for (leaf,) in db.rows(sql) if isinstance(leaf, bytes)]
    if len(found) != tile.width:
        raise Tampered(f"Entries between {start} and {end - 1} are missing.", what_to_do=_CALL)
    return found


def _must_follow(present: Path, seen: note.Checkpoint, vkey: str) -> None:
    """A log only grows: a folder with more of it, or with another one, is kept as evidence."""
    if not present.exists():
        return
    try:
        before = note.parse_checkpoint(note.verify(present.read_bytes(), [vkey]).text)
    except BreakglassError:
        raise Tampered("The folder holds another log.", what_to_do="Choose an empty folder.") from None
    if before.size > seen.size or (before.size == seen.size and before.root != seen.root):
        raise Tampered(
            f"The folder holds a log of {before.size} entries, and this one ends at {seen.size}, or differs.",
            what_to_do="Keep the folder: it is evidence. Call the custodians and the auditors.",
        )


def _perfect(hashes: Sequence[bytes]) -> list[bytes]:
    return [subtree_root(hashes[start:end]) for start, end in perfect_subtrees(0, len(hashes))]


class _Writer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files = self.written = 0

    def put(self, path: str, data: bytes, *, replace: bool = False) -> None:
        self.files += 1
        file = self._folder / path
        if file.exists():
            if file.read_bytes() == data:
                return
            if not replace:
                raise Tampered(
                    f"{file} holds other entries than the log.",
                    what_to_do="Keep the folder: one of the two was changed. Call the auditors.",
                )
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        with fresh.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(file)
        self.written += 1
