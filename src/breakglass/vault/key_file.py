"""A key in a file of its own, for the seal's `file` slot: made once, never overwritten, read only if nobody else can.

    breakglass file key 1
    64 hex digits

Where it may lie (never in the data folder, never in a backup) is the configuration's business, not this file's.
"""

import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from breakglass.errors import Malformed, NotFound, Refused, WrongState
from breakglass.model.secret import Secret
from breakglass.vault.box import random_key

TITLE = b"breakglass file key 1\n"
_SHAPE = re.compile(rb"breakglass file key 1\n([0-9a-f]{64})\n")
_SIZE = len(TITLE) + 65


@dataclass(frozen=True, slots=True)
class KeyFile:
    path: Path

    def create(self) -> Secret:
        """Make a random key, durable on disk with mode 0600 before it is returned.

        Raises `WrongState` when something stands there: a key that may still open a seal is never overwritten.
        """
        key = random_key()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.path, flags, 0o600)
        except FileExistsError:
            raise WrongState(
                f"The key file {self.path} exists already.",
                what_to_do="Use it, or choose another path. It is never overwritten, since it may still open a seal.",
                about=str(self.path),
            ) from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(TITLE + key.reveal().hex().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            _sync_folder(self.path.parent)
        except BaseException:
            # Half a key is worse than none: it would stand in the way of the next try.
            with suppress(OSError):
                self.path.unlink()
            raise
        return key

    def read(self) -> Secret:
        """The key. Raises `NotFound`, `Refused` when others could read or replace it, `Malformed` for other content."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            raise NotFound(
                f"There is no key file {self.path}.",
                what_to_do="Mount or restore it, or unseal with the custodians' shares.",
                about=str(self.path),
            ) from None
        except OSError as error:
            raise Refused(
                f"The key file {self.path} can't be opened: {error.strerror}.",
                what_to_do="It must be a plain file, no link, that the vault's user may read.",
                about=str(self.path),
            ) from None
        try:
            # Asked of the open file, not of the path: nobody can exchange it in between.
            self._check(os.fstat(descriptor))
            found = _SHAPE.fullmatch(os.read(descriptor, _SIZE + 1))
        finally:
            os.close(descriptor)
        if found is None:
            raise Malformed(
                f"{self.path} is no key file.",
                what_to_do="Point to the file that `breakglass init` made, or unseal with the custodians' shares.",
                about=str(self.path),
            )
        return Secret(bytes.fromhex(found[1].decode()))

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise Refused(
                f"{self.path} is not a plain file.", what_to_do="Point to the key file itself.", about=str(self.path)
            )
        if status.st_mode & 0o077 or status.st_uid not in (0, os.geteuid()):
            raise Refused(
                f"Others than the vault's user can reach the key file {self.path}.",
                what_to_do=f"Make it the vault's user's own and run: chmod 600 {self.path}. "
                "If others could reach it for a while, make a new key file and a new slot.",
                about=str(self.path),
            )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
