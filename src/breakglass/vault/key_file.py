"""A key in a file of its own, for the seal's `file` slot: made once, never overwritten, read only if nobody else can.

    breakglass file key 1
    64 hex digits

Where it may lie (never in the data folder, never in a backup) is the configuration's business, not this file's.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from breakglass.errors import Malformed, WrongState
from breakglass.model.secret import Secret
from breakglass.vault.box import random_key
from breakglass.vault.files import sync_folder
from breakglass.vault.private_file import read_private

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
            sync_folder(self.path.parent)
        except BaseException:
            # Half a key is worse than none: it would stand in the way of the next try.
            with suppress(OSError):
                self.path.unlink()
            raise
        return key

    def read(self) -> Secret:
        """The key. Raises `NotFound`, `Refused` when others could read or replace it, `Malformed` for other content."""
        found = _SHAPE.fullmatch(read_private(self.path, _SIZE, "key file"))
        if found is None:
            raise Malformed(
                f"{self.path} is no key file.",
                what_to_do="Point to the file that `breakglass init` made, or unseal with the custodians' shares.",
                about=str(self.path),
            )
        return Secret(bytes.fromhex(found[1].decode()))
