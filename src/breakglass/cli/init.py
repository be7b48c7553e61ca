"""`breakglass init`: found a deployment. Run it once to begin, and again when the custodians have signed.

    estate ─▶ vault, shares, founding roster ─▶ custodians sign ─▶ init again, with k shares ─▶ serve

It never asks for a password and makes none. What it prints of secrets are the custodians' shares, once.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from breakglass import config
from breakglass.cli import database as databases
from breakglass.cli import share_files as papers
from breakglass.cli import shares as share_texts
from breakglass.cli.files import read_text
from breakglass.config import Home
from breakglass.errors import Malformed

Shares = Sequence[str]


def run(
    home: Home,
    *,
    estate: Path | None,
    origin: str,
    k: int,
    n: int,
    key_file: Path | None = None,
    shares_to: Path | None = None,
    age: Sequence[str] = (),
    share_files: Sequence[Path] = (),
    database: str = "",
    as_json: bool = False,
) -> int:
    """Begin or finish a founding. `estate` and `origin` are needed to begin only. Returns the exit code."""
    from breakglass.app import founding

    for path, option in ((key_file, "--key-file"), (shares_to, "--shares-to")):
        if path:
            config.keep_outside(home, path, f"What {option} names")
    made: list[str] = []
    begun = founding.begun(home)
    where = databases.chosen(home, database)
    if not begun:
        if estate is None:
            raise Malformed("The estate is missing.", what_to_do="Give it with `--estate FILE`; see docs/estate.md.")
        if not origin:
            raise Malformed("The log has no name.", what_to_do="Give it with `--origin`, like log.example.org.")

        to = papers.recipients(age, n)
        if to and shares_to is None:
            raise Malformed("Encrypted shares are files.", what_to_do="Name a new folder for them with `--shares-to`.")

        def keep(texts: Shares) -> None:
            if shares_to is None:
                made.extend(texts)
            else:
                papers.write_all(shares_to, texts, papers.About(origin=origin, needed=k), to)

        wanted = read_estate(estate)
        founding.begin(home, wanted, origin=origin, k=k, n=n, key_file=key_file, keep_shares=keep)
    if unsigned := founding.unsigned(home):
        _say_what_to_sign(home, unsigned, made, as_json)
        return 0
    settings = asyncio.run(founding.finish(home, settings={"database": where}, shares=_shares(home, share_files)))
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
        value = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise Malformed(f"{path} is not YAML: {error}.", what_to_do="Correct it there.") from None
    if not isinstance(value, dict):
        raise Malformed(f"{path} holds no estate.", what_to_do="See docs/estate.md for its parts.")
    return value


def _say_what_to_sign(home: Home, unsigned: Mapping[str, Path], shares: Shares, as_json: bool) -> None:
    if as_json:
        what: dict[str, Any] = {"to_sign": {login: str(path) for login, path in unsigned.items()}}
        print(json.dumps({**what, "shares": list(shares)} if shares else what))
        return
    if shares:
        print("The custodians' shares. Each is shown once, now: give one to each custodian and keep none.\n")
        for number, share in enumerate(shares, 1):
            print(f"Share {number}:\n")
            print("\n".join(f"  {row}" for row in share_texts.rows(share)) + "\n")
    print("Each custodian reads and signs the founding roster with their own key:")
    for login, path in unsigned.items():
        print(f"  {login}:  ssh-keygen -Y sign -n breakglass -f KEY {path}")
    print(f"Then run: breakglass --home {home.path} init")


def _shares(home: Home, files: Sequence[Path]) -> tuple[str, ...]:
    """From files, or typed without echo: entering them again proves that they were copied rightly."""
    from breakglass.app import founding

    needed = founding.shares_needed(home)
    if not needed:
        return ()
    return share_texts.read_all(files, needed)
