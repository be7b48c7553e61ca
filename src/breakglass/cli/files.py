"""Files that people name: read whole, with a limit, and with words for what is wrong with them."""

import sys
from contextlib import nullcontext
from pathlib import Path

from breakglass.errors import Malformed

LONGEST = 256 * 1024


def read_bytes(path: Path) -> bytes:
    """`-` is standard input. Raises `Malformed`."""
    try:
        with nullcontext(sys.stdin.buffer) if str(path) == "-" else path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise Malformed(f"{path} can't be read: {error.strerror}.", what_to_do="Check its name and rights.") from None
    if not 0 < len(data) <= LONGEST:
        raise Malformed(f"{path} is empty, or longer than {LONGEST} bytes.", what_to_do="Is it the right file?")
    return data


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError:
        raise Malformed(f"{path} is not text.", what_to_do="Is it the right file?") from None
