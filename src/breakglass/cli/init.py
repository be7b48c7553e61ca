"""`breakglass init`: found a deployment. Run it once to begin, and again when the custodians have signed.

It never asks for a password and makes none. What it prints of secrets are the custodians' shares, once.
"""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from breakglass.config import Home
from breakglass.errors import Malformed, Refused


class KeyInData(Refused):
    """A seal key beside what it seals: whoever copies the folder has both."""

    code = "key_in_data_folder"


def run(
    home: Home,
    *,
    estate: Path | None,
    origin: str,
    k: int,
    n: int,
    key_file: Path | None = None,
    shares_to: Path | None = None,
    share_files: Sequence[Path] = (),
    as_json: bool = False,
) -> int:
    """Begin or finish a founding. `estate` is needed to begin only. Returns the exit code."""
    from breakglass.app import founding

    if key_file and home.path in key_file.expanduser().absolute().parents:
        raise KeyInData(
            "The seal key would lie in the data folder, and so in its backups.",
            what_to_do="Choose another place (`--key-file`), or unseal with shares after each start.",
        )
    if not (home.founding / founding.ROSTER_FILE).exists():
        if estate is None:
            raise Malformed("The estate is missing.", what_to_do="Give it with `--estate FILE`; see docs/estate.md.")
        begun = founding.begin(home, read_estate(estate), origin=origin, k=k, n=n, key_file=key_file)
        _hand_out(begun.shares, shares_to)
    unsigned = founding.begin(home, {}, origin=origin, k=k, n=n, key_file=key_file).to_sign if _open(home) else {}
    if unsigned:
        _say_what_to_sign(home, unsigned, as_json)
        return 0
    shares = _shares(share_files, k) if key_file is None and not _has_local_slot(home) else ()
    settings = asyncio.run(founding.finish(home, settings={}, shares=shares))
    found = {"deployment": settings.deployment, "roster_hash": settings.roster_pin, "home": str(home.path)}
    if as_json:
        print(json.dumps(found))
    else:
        print(f"Founded {settings.deployment}. The founding roster's hash, to keep outside this machine:")
        print(f"  {settings.roster_pin}")
        print(f"Start the node with: breakglass --home {home.path} serve")
    return 0


def read_estate(path: Path) -> dict[str, Any]:
    """Raises `Malformed` with the line where the YAML is wrong."""
    try:
        value = yaml.safe_load(path.read_text())
    except OSError as error:
        raise Malformed(f"{path} can't be read: {error.strerror}.", what_to_do="Check its name and rights.") from None
    except yaml.YAMLError as error:
        raise Malformed(f"{path} is not YAML: {error}.", what_to_do="Correct it there.") from None
    if not isinstance(value, dict):
        raise Malformed(f"{path} holds no estate.", what_to_do="See docs/estate.md for its parts.")
    return value


def _open(home: Home) -> bool:
    return not home.settings.exists()


def _has_local_slot(home: Home) -> bool:
    from breakglass.vault import seal
    from breakglass.vault.making import SEAL_FILE

    return seal.from_json((home.vault / SEAL_FILE).read_text()).file is not None


def _hand_out(shares: Sequence[str], folder: Path | None) -> None:
    if folder is None:
        print("The custodians' shares. Each is shown once, now: give one to each custodian and keep none.\n")
        for number, share in enumerate(shares, 1):
            print(f"  share {number}:  {share}")
        print()
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for number, share in enumerate(shares, 1):
        path = folder / f"share-{number}.txt"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(share + "\n")
    print(f"The custodians' shares are in {folder}: give one to each custodian, then delete them.", file=sys.stderr)


def _say_what_to_sign(home: Home, unsigned: dict[str, Path] | Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"to_sign": {login: str(path) for login, path in unsigned.items()}}))
        return
    print("Each custodian reads and signs the founding roster with their own key:")
    for login, path in unsigned.items():
        print(f"  {login}:  ssh-keygen -Y sign -n breakglass -f KEY {path}")
    print(f"Then run: breakglass --home {home.path} init")


def _shares(files: Sequence[Path], k: int) -> tuple[str, ...]:
    """From files, or typed without echo: entering them again proves that they were copied rightly."""
    if files:
        return tuple(path.read_text().strip() for path in files)
    if not sys.stdin.isatty():
        return tuple(line.strip() for line in sys.stdin if line.strip())
    return tuple(getpass.getpass(f"share {number} of {k}: ").strip() for number in range(1, k + 1))
