"""Files that people name: read whole, with a limit, and with words for what is wrong with them."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

from breakglass.errors import Malformed

LONGEST = 256 * 1024


def read_bytes(path: Path, *, longest: int = LONGEST) -> bytes:
    """`-` is standard input. Raises `Malformed`."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            data = file.read(longest + 1)
    except OSError as error:
        raise Malformed(f"{path} can't be read: {error.strerror}.", what_to_do="Check its name and rights.") from None
    if not 0 < len(data) <= longest:
        raise Malformed(f"{path} is empty, or longer than {longest} bytes.", what_to_do="Is it the right file?")
    return data


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not text.", what_to_do="Is it the right file?") from None


def write_new(path: Path, data: bytes) -> None:
    """For its owner only, because nobody else may see it; and never over another file. Raises `Malformed`."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except OSError as error:
        raise Malformed(f"{path} can't be written: {error.strerror}.", what_to_do="Name a new file.") from None
