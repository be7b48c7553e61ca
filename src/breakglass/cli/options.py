"""What holds for every command: which node, who, with which key, and how to print.

    --home DIR  BREAKGLASS_HOME         the data folder of a node on this machine
    --server URL  BREAKGLASS_SERVER     or a node elsewhere
    --identity FILE  BREAKGLASS_IDENTITY  a private key, or a public one whose private half an agent or a token holds
    --login NAME  BREAKGLASS_LOGIN      otherwise this machine's user name
    --ca FILE  BREAKGLASS_CA            who vouches for the node's certificate, where this machine does not know them
    --json                              JSON on standard output, errors as JSON on standard error

They may stand anywhere in the command line.
"""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from breakglass.errors import Malformed, NotSignedIn

if TYPE_CHECKING:
    from breakglass.config import Home

FLAGS = frozenset({"--json"})
VALUES = frozenset({"--home", "--server", "--identity", "--login", "--ca"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    home: str = ""
    server: str = ""
    identity: str = ""
    login: str = ""
    ca: str = ""
    json: bool = False

    def data_folder(self) -> "Home":
        """Raises `Malformed` when none is named."""
        from breakglass.config import home_from

        return home_from(self.home or None)

    @property
    def who(self) -> str:
        return self.login or getpass.getuser()

    @property
    def key(self) -> Path:
        """Raises `NotSignedIn` when no key is named, `Malformed` when the file is not there."""
        if not self.identity:
            raise NotSignedIn(
                "Which key is yours?",
                what_to_do="Name it with `--identity FILE` or BREAKGLASS_IDENTITY; without one: breakglass login",
            )
        path = Path(self.identity).expanduser()
        if not path.is_file():
            raise Malformed(f"There is no key file {path}.", what_to_do="Check `--identity`.")
        return path


def hoisted(words: Sequence[str]) -> list[str]:
    """The same command line with what holds for every command in front: `status --json` works like `--json status`."""
    front: list[str] = []
    rest: list[str] = []
    left = iter(words)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word in FLAGS or (word.partition("=")[0] in VALUES and "=" in word):
            front.append(word)
        elif word in VALUES:
            front += [word, *([value] if (value := next(left, None)) is not None else [])]
        else:
            rest.append(word)
    return front + rest
