"""Secrets come from a prompt without echo, a file or standard input; never from the command line."""

import getpass
import sys
from pathlib import Path

from breakglass.cli.files import read_text
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
