"""Secrets come from a prompt without echo, a file or standard input; never from the command line."""

import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from breakglass.cli.files import read_text
from breakglass.cli.printing import note
from breakglass.errors import Malformed


def read(file: Path | None, prompt: str, *, twice: bool = False) -> str:
    """One secret, without the line end that an editor or `echo` put behind it.

    `file`: `-` is standard input, which is also read when it is not a terminal. Raises `Malformed` for none."""
    if file is not None or not sys.stdin.isatty():
        return read_text(file or Path("-")).removesuffix("\n").removesuffix("\r")
    found = getpass.getpass(f"{prompt}: ")
    if twice and getpass.getpass(f"{prompt}, again: ") != found:
        raise Malformed("The two are not the same.", what_to_do="Enter it again.")
    if not found:
        raise Malformed("Nothing was entered.", what_to_do="Enter it, or name its file with `--file`.")
    return found


def read_shares(files: Sequence[Path], needed: int) -> tuple[str, ...]:
    """Custodians' shares: from files, from the lines of standard input, or typed without echo."""
    if files:
        return tuple(read_text(path).strip() for path in files)
    if not sys.stdin.isatty():
        return tuple(line.strip() for line in sys.stdin if line.strip())
    return tuple(getpass.getpass(f"share {number} of {needed}: ").strip() for number in range(1, needed + 1))


def write_shares(folder: Path, shares: Sequence[str]) -> tuple[str, ...]:
    """Each into a file of its own in a new or an empty folder; returns what was read back from there.

    Raises `Malformed` for a folder that can't take them."""
    folder = folder.expanduser()
    found = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, share in enumerate(shares, 1):
            path = folder / f"share-{number}.txt"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(share + "\n")
                file.flush()
                os.fsync(file.fileno())
            found.append(path.read_text().strip())
    except OSError as error:
        raise Malformed(
            f"The shares can't be written to {folder}: {error.strerror}.",
            what_to_do="Nothing was made. Name a new or an empty folder with `--shares-to`.",
        ) from None
    note(f"The custodians' shares are in {folder}: give one to each custodian, then delete them.")
    return tuple(found)


def same_share(typed: str, share: str) -> bool:
    """Whether somebody typed this share: case, spaces and dashes don't matter."""
    from breakglass.errors import BreakglassError
    from breakglass.vault import share_text

    try:
        found = share_text.decode(typed)
    except BreakglassError:
        return False
    with found.value:
        return share_text.encode(found) == share
