"""Files with a secret, for the vault alone: the seal's key file, a token's PIN.

A file counts as private when the vault's user or root owns it and its mode lets nobody else in. systemd's credentials
(LoadCredential=) belong to root, and an ACL lets the service's user read them; the ACL's mask then stands where the
mode has the group (acl(5)): in the folder that systemd made for us, a readable group is that.
"""

import os
import stat
from pathlib import Path

from breakglass.errors import Malformed, NotFound, Refused

CREDENTIALS = "CREDENTIALS_DIRECTORY"


def read_private(path: Path, most: int, what: str) -> bytes:
    """Its content, `most` bytes at most, and one more of a longer file. `what` names it in refusals.

    Raises `NotFound`, and `Refused` when others could read or replace it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFound(
            f"There is no {what} {path}.",
            what_to_do="Mount or restore it, or unseal with the custodians' shares.",
            about=str(path),
        ) from None
    except OSError as error:
        raise Refused(
            f"The {what} {path} can't be opened: {error.strerror}.",
            what_to_do="It must be a plain file, no link, that the vault's user may read.",
            about=str(path),
        ) from None
    try:
        # Asked of the open file, not of the path: nobody can exchange it in between.
        _check(os.fstat(descriptor), path, what)
        return os.read(descriptor, most + 1)
    finally:
        os.close(descriptor)


def read_pin(path: Path) -> bytes:
    """A token's PIN: one line of text. Raises as `read_private`, and `Malformed` for what can be none."""
    pin = read_private(path, PIN_MAX + 1, "PIN file").removesuffix(b"\n")
    if not 0 < len(pin) <= PIN_MAX or b"\n" in pin or b"\0" in pin or not _is_text(pin):
        raise Malformed(f"{path} holds no PIN.", what_to_do="Write the PIN into it, and nothing else.", about=str(path))
    return pin


PIN_MAX = 255


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check(status: os.stat_result, path: Path, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{path} is not a plain file.", what_to_do=f"Point to the {what} itself.", about=str(path))
    others = 0o037 if status.st_uid == 0 and _is_credential(path) else 0o077
    if status.st_mode & others or status.st_uid not in (0, os.geteuid()):
        raise Refused(
            f"Others than the vault's user can reach the {what} {path}.",
            what_to_do=f"Make it the vault's user's own and run: chmod 600 {path}. "
            "If others could reach it for a while, make a new one, and a new slot.",
            about=str(path),
        )


def _is_credential(path: Path) -> bool:
    folder = os.environ.get(CREDENTIALS, "")
    return bool(folder) and path.absolute().parent == Path(folder)
