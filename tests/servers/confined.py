"""Processes as systemd would start them, where it does not run: as another user, in a file system of its own.

    Confined(user, group).command(…)     bwrap and setpriv around a command; needs root

Mounts, users, capabilities, no new privileges and memory that is never both written and run are the kernel's, the same
that the units ask for. What is not here: their filters of system calls and addresses (see test_units.py for those).
"""

import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
REFUSE_EXEC_GAIN = "import ctypes; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0"
"""PR_SET_MDWE (prctl(2)): what `MemoryDenyWriteExecute=` does on newer kernels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    user: int
    group: int
    groups: tuple[int, ...] = ()
    places: tuple[tuple[Path, str], ...] = ()
    """Folders here -> where the process sees them, and may write if its user may; all else is read-only."""
    network: bool = False
    environment: tuple[tuple[str, str], ...] = ()

    def command(self, module: str, *words: str) -> list[str]:
        """`python -m module words…` in there."""
        start = f"{REFUSE_EXEC_GAIN}; import runpy, sys; sys.argv[0] = {module!r}; "
        start += f"runpy.run_module({module!r}, run_name='__main__')"
        return self.python(start, *words)

    def python(self, script: str, *words: str) -> list[str]:
        groups = ["--groups", ",".join(map(str, self.groups))] if self.groups else ["--clear-groups"]
        return [
            *("bwrap", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
            *("--unshare-ipc", *([] if self.network else ["--unshare-net"])),
            *("--tmpfs", "/var/lib", "--tmpfs", "/run", "--perms", "1777", "--tmpfs", "/tmp", *_visible()),
            *(word for here, there in self.places for word in (*_folders_to(Path(there)), "--bind", str(here), there)),
            *(word for name, value in self.environment for word in ("--setenv", name, value)),
            *("--chdir", "/"),
            *("setpriv", "--reuid", str(self.user), "--regid", str(self.group), *groups),
            *("--no-new-privs", "--bounding-set", "-all", "--inh-caps", "-all"),
            *(sys.executable, "-I", "-c", script, *words),
        ]


def _visible() -> list[str]:
    """Python and the checkout, also where a folder above them is for root alone."""
    wanted = {Path(one).resolve() for one in (sys.base_prefix, sys.prefix, TOP)}
    closed = {above for one in wanted for above in one.parents if _hidden(above)}
    outermost = {one for one in closed if not closed & set(one.parents)}
    return [
        *(word for one in sorted(outermost) if one != Path("/tmp") for word in ("--tmpfs", str(one))),
        *(word for one in sorted(wanted) for word in (*_folders_to(one), "--ro-bind", str(one), str(one))),
    ]


def _folders_to(place: Path) -> list[str]:
    """Otherwise bwrap makes them for itself alone."""
    return [word for one in reversed(place.parents) for word in ("--perms", "0755", "--dir", str(one))]


def _hidden(folder: Path) -> bool:
    return folder == Path("/tmp") or not folder.stat().st_mode & 0o001


def let_read(path: Path, user: int) -> None:
    """By an ACL, as systemd lets a service read its credentials (acl(5); the format is Linux's posix_acl_xattr.h)."""
    nobody = 0xFFFFFFFF
    entries = ((0x01, 4, nobody), (0x02, 4, user), (0x04, 0, nobody), (0x10, 4, nobody), (0x20, 0, nobody))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
    os.setxattr(path, "system.posix_acl_access", acl)


def give(folder: Path, user: int, group: int) -> None:
    """`chown -R`."""
    for path in (folder, *folder.rglob("*")):
        os.lchown(path, user, group)
