"""The disk as a power cut leaves it: what was synced, and of the rest nothing, or whatever chance left.

    disk = Disk(folder)                           before anything is traced: what lies there is on disk
    environment of the processes = disk.tracing() they run, and die somehow
    for at in disk.instants(): disk.leave(at, to) `to` is the folder after a cut right after record `at`

Strict, as fsync(2) promises and no more: a file's content is on disk once the file was synced, its name (a creation, a
rename, a deletion) once its folder was. With `chance`, any of a file's unsynced changes may be there, in any order, and
of a folder's names those up to some moment, as journaling file systems keep them. Memory-mapped writes are not seen:
the only ones here are SQLite's `-shm`, which no power cut leaves and SQLite makes anew.
"""

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

HEAD = struct.Struct("<c3xIIIQQQ")


@dataclass(frozen=True, slots=True)
class Record:
    kind: str
    path: str
    data: bytes
    ino: int
    offset: int
    ns: int
    end: int
    """Where the trace stood behind it."""


@dataclass(slots=True, eq=False)
class File:
    durable: bytearray
    waiting: list[Record] = field(default_factory=list)
    synced: int = 0
    """How many of `waiting` the sync that runs will cover."""

    def content(self, chance: random.Random | None) -> bytes:
        found = bytearray(self.durable)
        kept = [one for one in self.waiting if chance.random() < 0.5] if chance else []
        if chance:
            chance.shuffle(kept)
        for one in kept:
            _change(found, one)
        return bytes(found)


@dataclass(slots=True)
class Folder:
    waiting: list[tuple[str, File | None]] = field(default_factory=list)
    """Names that came (with their file) or went."""
    synced: int = 0


class Disk:
    def __init__(self, folder: Path, work: Path) -> None:
        """`work` gets the compiled tracer and its trace. Needs gcc: without it this fails, nothing is skipped."""
        work.mkdir(parents=True, exist_ok=True)
        self.folder, self.trace, self._library = folder, work / "trace", work / "trace.so"
        source = Path(__file__).with_name("trace.c")
        subprocess.run(
            ["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", self._library, source, "-ldl"], check=True
        )
        self._base = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
        self._contents = {path: path.read_bytes() for path in self._base}

    def tracing(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self._library),
            "POWERCUT_UNDER": str(self.folder),
            "POWERCUT_TRACE": str(self.trace),
        }

    def stands(self) -> int:
        """Where the trace stands: all that was answered until now is before it."""
        return self.trace.stat().st_size

    @cached_property
    def records(self) -> list[Record]:
        """Once the processes are dead."""
        data, place, found = self.trace.read_bytes(), 0, []
        while place + HEAD.size <= len(data):
            kind, path, size, _, ino, offset, ns = HEAD.unpack_from(data, place)
            place += HEAD.size
            name = data[place : place + path].decode()
            place += path
            found.append(Record(kind.decode(), name, data[place : place + size], ino, offset, ns, place + size))
            place += size
        return found

    def leave(self, at: int, to: Path, chance: random.Random | None = None) -> None:
        """Make `to` what a power cut leaves right after the record `at`."""
        names = self._names(at, chance)
        shutil.rmtree(to, ignore_errors=True)
        for old in (self.folder, *(one for one in self.folder.rglob("*") if one.is_dir())):
            (to / old.relative_to(self.folder)).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, file in names.items():
            if not name.endswith("-shm"):
                path = to / Path(name).relative_to(self.folder)
                path.touch(mode=0o600)
                path.write_bytes(file.content(chance))

    def _names(self, at: int, chance: random.Random | None) -> Mapping[str, File]:
        """The durable names, each with its file as it is then."""
        state = _State({str(path): (ino, self._contents[path]) for path, ino in self._base.items()})
        for one in self.records[: at + 1]:
            state.take(one)
        if chance:
            for folder in state.folders.values():
                _name(state.durable, folder.waiting[: chance.randint(0, len(folder.waiting))])
        return state.durable

    def lost_after(self, suffix: str) -> Iterator[float]:
        """For each write to files of this suffix: how many seconds it could have been lost."""
        inodes = {one.ino for one in self.records if one.kind == "C" and one.path.endswith(suffix)}
        waiting: dict[int, list[Record]] = {}
        covered: dict[int, int] = {}
        for one in self.records:
            if one.ino not in inodes:
                continue
            held = waiting.setdefault(one.ino, [])
            if one.kind == "W":
                held.append(one)
            elif one.kind == "S":
                covered[one.ino] = len(held)
            elif one.kind == "E":
                yield from ((one.ns - change.ns) / 1e9 for change in held[: covered[one.ino]])
                del held[: covered[one.ino]]


class _State:
    """Names and contents while the trace is gone through."""

    def __init__(self, base: Mapping[str, tuple[int, bytes]]) -> None:
        files = {path: File(bytearray(content)) for path, (_, content) in base.items()}
        self._now, self.durable = dict(files), dict(files)
        self._inodes = {ino: files[path] for path, (ino, _) in base.items()}
        self._folder_of: dict[int, str] = {}
        self.folders: dict[str, Folder] = {}

    def take(self, one: Record) -> None:
        match one.kind:
            case "C":
                self._inodes[one.ino] = File(bytearray())
                self._named(one.path, self._inodes[one.ino])
            case "O" if self._now.get(one.path) is not self._inodes.get(one.ino):
                raise AssertionError(f"{one.path} came into being unseen")
            case "D":
                self._folder_of[one.ino] = one.path
            case "R":
                file = self._now[one.path]
                self._named(one.path, None)
                self._named(one.data.decode(), file)
            case "U":
                self._named(one.path, None)
            case "W" | "T":
                self._inodes[one.ino].waiting.append(one)
            case "S" | "E":
                self._sync(one)

    def _sync(self, one: Record) -> None:
        if one.ino in self._folder_of:
            folder = self.folders.setdefault(self._folder_of[one.ino], Folder())
            if one.kind == "S":
                folder.synced = len(folder.waiting)
            else:
                _name(self.durable, folder.waiting[: folder.synced])
                folder.waiting, folder.synced = folder.waiting[folder.synced :], 0
            return
        file = self._inodes[one.ino]
        if one.kind == "S":
            file.synced = len(file.waiting)
        else:
            for change in file.waiting[: file.synced]:
                _change(file.durable, change)
            file.waiting, file.synced = file.waiting[file.synced :], 0

    def _named(self, path: str, file: File | None) -> None:
        self.folders.setdefault(path.rpartition("/")[0], Folder()).waiting.append((path, file))
        if file is None:
            self._now.pop(path, None)
        else:
            self._now[path] = file


def _change(content: bytearray, one: Record) -> None:
    if one.kind == "T":
        del content[one.offset :]
        content.extend(bytes(one.offset - len(content)))
        return
    if len(content) < one.offset:
        content.extend(bytes(one.offset - len(content)))
    content[one.offset : one.offset + len(one.data)] = one.data


def _name(names: dict[str, File], changes: list[tuple[str, File | None]]) -> None:
    for path, file in changes:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file
