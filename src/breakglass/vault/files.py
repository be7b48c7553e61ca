"""The vault's folder: private, one process at a time, each file replaced whole or not at all.

    state.json.new ─ written, synced ─▶ renamed over state.json ─▶ folder synced

A process that dies or a disk that is full in between leaves the old file, whole.
"""

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from breakglass import faults
from breakglass.errors import NotFound, Refused, Tampered, Unavailable, WrongState

LARGEST = 64 * 1024 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` durably in place of what stands at `path`. Raises `Unavailable`; then the old content stands."""
    fresh = path.with_name(path.name + ".new")
    try:
        _write(fresh, content)
        faults.reach("written")
        fresh.rename(path)
        faults.reach("renamed")
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        full = error.errno in _FULL
        raise Unavailable(
            f"The vault could not write {path.name}: {error.strerror or type(error).__name__}.",
            what_to_do="Make room on the vault's disk, then try again."
            if full
            else "Look at the vault's disk and its log.",
        ) from None


def read_file(path: Path) -> bytes:
    """Raises `Tampered` when it is missing, no plain file, or too large; `Unavailable` when the disk fails."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                content = file.read(LARGEST + 1)
                if len(content) <= LARGEST:
                    return content
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.EISDIR):
            raise Unavailable(
                f"The vault could not read {path.name}: {error.strerror}.", what_to_do="Look at the vault's disk."
            ) from None
    raise Tampered(
        f"{path.name} is missing from the vault's folder, or is not a plain file.",
        what_to_do="Restore the whole vault folder from one backup; call the custodians.",
    )


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """Only one process has the vault open. The system lets go of it when the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        """Raises `NotFound` without a vault, `Refused` when others can reach the folder, `WrongState` while in use."""
        try:
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            raise NotFound(
                f"There is no vault in {folder}.", what_to_do="Make one with `breakglass init`, or mind --home."
            ) from None
        try:
            status = os.fstat(self._descriptor)
            if status.st_mode & 0o077 or status.st_uid != os.geteuid():
                raise Refused(
                    f"Others than the vault's user can reach {folder}.",
                    what_to_do=f"Make it the vault's user's own and run: chmod 700 {folder}",
                )
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise WrongState(
                    f"Another process has the vault in {folder} open.", what_to_do="Stop that one first."
                ) from None
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        os.close(self._descriptor)


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())
