"""The verifier on a folder of tiles (`audit export --tiles`): no database, no node, no vault.

    pin ─▶ roster 0 ─▶ log key ─▶ checkpoint ─▶ size, root ◀─ tree ◀─ tile/entries ─▶ statements, rosters, grants
                                                                └─▶ tile/0, tile/1 …

What a database has beside the entries (columns, checkpoints of earlier batches, tables) is not in tiles: the report
says what was not checked.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from breakglass.audit import cosigners, tapes
from breakglass.audit.kept import Row
from breakglass.audit.pinned import must_be_pin
from breakglass.audit.report import Findings, Report
from breakglass.audit.tiles import CHECKPOINT, WIDTH, Tile, levels, tiles, unbundle
from breakglass.audit.walk import Progress, Walk
from breakglass.codec import note
from breakglass.errors import Malformed, NotFound
from breakglass.trust.tree import leaf_hash

_HASH = 32
_FILE_MAX = WIDTH * (2 + 65_535)
"""Bytes: the largest bundle of entries."""
_NOT_KEPT = ("column", "private", "head", "timestamp", "row")


def verify_tiles(
    folder: Path,
    *,
    pin: str,
    log_vkey: str | None = None,
    outside: Sequence[bytes] = (),
    recordings: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Everything that is wrong with the folder, or nothing; the arguments are those of `audit.verify.verify`.

    Raises `Malformed` for a pin or key of another shape, `NotFound` when there is no export."""
    must_be_pin(pin)
    if log_vkey is not None:
        note.parse_vkey(log_vkey)
    if not (folder / CHECKPOINT).is_file():
        raise NotFound(f"There is no export in {folder}.", what_to_do="Name the folder that `audit export` wrote.")
    began, kept = monotonic(), _InTiles(folder)
    run = Walk(kept, pin, log_vkey, progress, all_checkpoints=False)
    kept.findings = run.findings
    run.log()
    if kept.twice:
        run.findings.add("checkpoint", CHECKPOINT, "A signature line stands in it twice.")
    if run.whole:
        kept.judge(run.tiles())
    if (chain := run.said.chain) is not None:
        with suppress(Malformed):  # the walk says what is wrong with it
            cosigned = cosigners.lines_below(kept.signed, chain.rosters)
            run.witnessed = cosigners.seen_up_to(cosigned, chain.rosters, run.findings)
    run.outside(outside)
    if recordings is not None:
        run.tapes, run.lost = tapes.check(recordings, run.followed, run.findings)
    skipped = [level for level, given in (("anchor", outside), ("recording", recordings)) if not given]
    return run.report(monotonic() - began, [*_NOT_KEPT, *skipped])


class _InTiles:
    """The log as the folder has it (kept.Kept): its size is what the checkpoint says, which the walk judges later."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.findings = folder, Findings()
        self.signed = self._read(CHECKPOINT, note.NOTE_MAX)
        self.size = 0
        self.twice = False
        """A signature line stands twice: other tools pass over that, and an export has every line once."""
        with suppress(Malformed):  # the walk says what is wrong with it
            found = note.parse(self.signed)
            self.size = note.parse_checkpoint(found.text).size
            self.twice = len(set(found.signatures)) < len(found.signatures)

    def count(self) -> int:
        return self.size

    def checkpoints(self) -> Iterator[Sequence[Any]]:
        yield self.size, self.signed

    def stores(self, size: int) -> bool:
        """Tiles come with one checkpoint: that another one is not there says nothing."""
        return size <= self.size

    def entries(self) -> Iterator[Sequence[Row]]:
        for tile in tiles(0, self.size):
            first = tile.index * WIDTH
            try:
                found = unbundle(self._read(tile.entries_path, _FILE_MAX))
            except (OSError, ValueError) as error:
                self.findings.entry("leaf", first, f"{tile.entries_path} can't be read: {error}.")
                return
            if len(found) != tile.width:
                words = f"{tile.entries_path} holds {len(found)} entries instead of {tile.width}."
                self.findings.entry("leaf", first, words)
                return
            self._hashes(tile, b"".join(hashed := [leaf_hash(one) for one in found]))
            yield [Row(first + n, one, hashed[n], None) for n, one in enumerate(found)]

    def leaves(self, start: int, end: int) -> Sequence[bytes]:
        """Of one tile: the walk asks for no more."""
        index = start // WIDTH
        tile = Tile(0, index, min(WIDTH, self.size - index * WIDTH))
        try:
            found = unbundle(self._read(tile.entries_path, _FILE_MAX))
        except (OSError, ValueError):
            return ()
        return found[start - index * WIDTH : end - index * WIDTH]

    def judge(self, roots: Iterator[tuple[int, int, bytes]]) -> None:
        """The tiles above the leaves, and what else lies in the folder."""
        above: dict[int, list[bytes]] = {}
        for level, _, root in roots:
            above.setdefault(level, []).append(root)
        for level in levels(self.size)[1:]:
            for tile in tiles(level, self.size):
                start = tile.index * WIDTH
                self._hashes(tile, b"".join(above.get(level, [])[start : start + tile.width]))
        self._nothing_else()

    def _hashes(self, tile: Tile, wanted: bytes) -> None:
        first = tile.index * WIDTH ** (tile.level + 1)
        try:
            found = self._read(tile.path, _HASH * WIDTH)
        except OSError as error:
            self.findings.add("tree", tile.path, f"It can't be read: {error}.", index=first)
            return
        if found != wanted:
            self.findings.add("tree", tile.path, "Its hashes are not those of the entries below it.", index=first)

    def _nothing_else(self) -> None:
        """Narrower tiles of an earlier size may stay (tlog-tiles), if they are the beginning of the present ones."""
        own = {CHECKPOINT}
        for level in levels(self.size):
            for tile in tiles(level, self.size):
                own |= {tile.path, tile.entries_path} if level == 0 else {tile.path}
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_dir() and not path.is_symlink():
                continue
            if name not in own and not self._earlier(name, own):
                self.findings.add("tree", name, "The log has no such file.")

    def _earlier(self, name: str, own: set[str]) -> bool:
        stem, partial, width = name.rpartition(".p/")
        wider = stem if stem in own else next((one for one in own if one.startswith(f"{stem}.p/")), "")
        try:
            number = int(width) if partial and width == str(int(width)) else 0
            if not 0 < number < WIDTH or not wider:
                return False
            before, now = self._read(name, _FILE_MAX), self._read(wider, _FILE_MAX)
            if not name.startswith("tile/entries/"):
                return len(before) == number * _HASH and now.startswith(before)
            return len(unbundle(before)) == number and now.startswith(before)
        except (OSError, ValueError):
            return False

    def _read(self, name: str, most: int) -> bytes:
        """Raises `OSError`."""
        path = self.folder / name
        if path.stat().st_size > most:
            raise OSError("it is too long")
        return path.read_bytes()
