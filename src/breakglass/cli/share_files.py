"""Custodians' shares as files in a folder: words, a page to print with a QR code, or encrypted to each custodian's key.

    share-1.txt  share-1.html        or, with a recipient for each:  share-1.age

An encrypted one is opened where its custodian is, with `age -d -i THEIR_KEY share-1.age`; nobody else can read it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from breakglass.cli.printing import note
from breakglass.errors import Malformed

NO_RECIPIENT = "Give an age key (age1…), or an SSH public key of the kind ssh-ed25519 or ssh-rsa, or a file with one."


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a share's page says of its vault."""

    origin: str
    needed: int
    """How many shares open it."""


def recipients(names: Sequence[str], count: int) -> list[Any]:
    """One for each share, in their order: an age key, an SSH public key, or a file with one of them.

    Raises `Malformed`, also for another number of them than shares."""
    if names and len(names) != count:
        raise Malformed(
            f"There are {count} shares, and {len(names)} keys to encrypt them to.",
            what_to_do="Give `--age` once for each share, in their order.",
        )
    return [_recipient(name) for name in names]


def write_all(folder: Path, shares: Sequence[str], about: About, to: Sequence[Any]) -> tuple[str, ...]:
    """Each share into files of its own in a new or an empty folder; returns what was read back from there, nothing for
    encrypted ones. Raises `Malformed` for a folder that can't take them."""
    folder = folder.expanduser()
    found = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, share in enumerate(shares, 1):
            if to:
                _write(folder / f"share-{number}.age", _encrypted(share, to[number - 1]))
            else:
                path = folder / f"share-{number}.txt"
                _write(path, f"{share}\n".encode())
                _write(folder / f"share-{number}.html", page(share, number, len(shares), about).encode())
                found.append(path.read_text().strip())
    except OSError as error:
        raise Malformed(
            f"The shares can't be written to {folder}: {error.strerror}.",
            what_to_do="Nothing was made. Name a new or an empty folder with `--shares-to`.",
        ) from None
    if to:
        note(f"The custodians' shares are in {folder}, each encrypted to its custodian's key: send them.")
    else:
        note(f"The custodians' shares are in {folder}: give one to each custodian, then delete them.")
    return tuple(found)


def page(share: str, number: int, count: int, about: About) -> str:
    """HTML to print: the words with their numbers, and a QR code of them."""
    from breakglass.web.qr import qr

    template = (files("breakglass.cli") / "share_page.html").read_text()
    words = share.split()
    return (
        Environment(autoescape=True, undefined=StrictUndefined)
        .from_string(template)
        .render(words=words, code=qr(share), number=number, count=count, about=about, set=" ".join(words[:2]))
    )


def _recipient(name: str) -> Any:
    import pyrage

    text = name.strip()
    if not text.startswith(("age1", "ssh-")):
        try:
            text = Path(text).expanduser().read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise Malformed(f"{name[:60]!r} is no key, and no readable file.", what_to_do=NO_RECIPIENT) from None
    try:
        if text.startswith("age1"):
            return pyrage.x25519.Recipient.from_str(text)
        return pyrage.ssh.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise Malformed(f"A share can't be encrypted to {text[:60]!r}.", what_to_do=NO_RECIPIENT) from None


def _encrypted(share: str, to: Any) -> bytes:
    import pyrage

    made: bytes = pyrage.encrypt(share.encode() + b"\n", [to], armored=True)
    return made


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
