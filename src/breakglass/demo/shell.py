"""The small shell: what stands in where the machine can't make a sandbox. A dozen commands on the demo host's disk.

It runs nothing of this machine: every command is a function here, and every path is looked up inside the disk.
"""

import posixpath
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from breakglass.demo import fault

_HELP = """\
ls [path]   cat path   cd [path]   pwd   echo words [> path | >> path]   rm path   grep word path   id   hostname   true
systemctl status|restart|start|stop coldstore   exit
"""
_MOST_READ = 1024 * 1024


class Left(Exception):
    """The person typed `exit`."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class SmallShell:
    """One session: where it stands, and what a line does."""

    def __init__(self, disk: Path) -> None:
        self._disk, self._at = disk.resolve(), "/root"

    @property
    def prompt(self) -> str:
        return f"root@plant-db1:{'~' if self._at == '/root' else self._at}# "

    def run(self, line: str) -> tuple[int, str]:
        """Exit status and text of one line, commands joined by `;` or `&&`. Raises `Left` for `exit`."""
        try:
            words = list(shlex.shlex(line, posix=True, punctuation_chars=";&>"))
        except ValueError as error:
            return 2, f"sh: {error}\n"
        status, text, command = 0, "", list[str]()
        for word in [*words, ";"]:
            if word not in (";", "&&"):
                command.append(word)
                continue
            status, more = self._one(command, status)
            text, command = text + more, []
            if word == "&&" and status:
                break
        return status, text

    def _one(self, words: Sequence[str], before: int) -> tuple[int, str]:
        if not words:
            return before, ""
        name, *rest = words
        act: Callable[[Sequence[str]], tuple[int, str]] | None = {
            "help": lambda _: (0, _HELP),
            "ls": self._ls,
            "cat": self._cat,
            "cd": self._cd,
            "pwd": lambda _: (0, f"{self._at}\n"),
            "echo": self._echo,
            "rm": self._rm,
            "grep": self._grep,
            "id": lambda _: (0, "uid=0(root) gid=0(root) groups=0(root)\n"),
            "hostname": lambda _: (0, "plant-db1\n"),
            "true": lambda _: (0, ""),
            "exit": self._exit,
            "systemctl": lambda given: fault.systemctl(self._disk, given),
        }.get(name)
        if act is None:
            return 127, f"sh: {name}: not found (try: help)\n"
        try:
            return act(rest)
        except (OSError, RuntimeError, ValueError) as error:
            return 1, f"{name}: {getattr(error, 'strerror', None) or 'no such path'}\n"

    def _path(self, word: str) -> Path:
        """A path inside the disk. Raises `FileNotFoundError` for one that ends elsewhere."""
        inside = self._disk / posixpath.normpath(posixpath.join(self._at, word)).lstrip("/")
        if not inside.resolve().is_relative_to(self._disk):
            raise FileNotFoundError(2, "no such path")
        return inside

    def _ls(self, rest: Sequence[str]) -> tuple[int, str]:
        path = self._path(next((word for word in rest if not word.startswith("-")), "."))
        if not path.is_dir():
            path.stat()
            return 0, f"{path.name}\n"
        return 0, "".join(f"{one.name}{'/' if one.is_dir() else ''}\n" for one in sorted(path.iterdir()))

    def _cat(self, rest: Sequence[str]) -> tuple[int, str]:
        text = ""
        for word in rest:
            with self._path(word).open("rb") as file:
                text += file.read(_MOST_READ).decode("utf-8", "replace")
        return 0, text

    def _grep(self, rest: Sequence[str]) -> tuple[int, str]:
        if len(rest) != 2:
            return 2, "usage: grep word path\n"
        _, text = self._cat(rest[1:])
        found = "".join(line for line in text.splitlines(keepends=True) if rest[0] in line)
        return (0 if found else 1), found

    def _cd(self, rest: Sequence[str]) -> tuple[int, str]:
        path = self._path(rest[0] if rest else "/root")
        if not path.is_dir():
            raise NotADirectoryError(20, "no such folder")
        self._at = posixpath.normpath(posixpath.join(self._at, rest[0] if rest else "/root"))
        return 0, ""

    def _echo(self, rest: Sequence[str]) -> tuple[int, str]:
        if len(rest) >= 2 and rest[-2] in (">", ">>"):
            with self._path(rest[-1]).open("a" if rest[-2] == ">>" else "w") as file:
                file.write(" ".join(rest[:-2]) + "\n")
            return 0, ""
        return 0, " ".join(rest) + "\n"

    def _rm(self, rest: Sequence[str]) -> tuple[int, str]:
        for word in rest:
            if not word.startswith("-"):
                self._path(word).unlink()
        return 0, ""

    def _exit(self, rest: Sequence[str]) -> tuple[int, str]:
        raise Left(int(rest[0]) % 256 if rest and rest[0].isdecimal() else 0)
