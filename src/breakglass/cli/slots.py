"""Changing what opens the vault without people: k custodians bring their shares to one terminal."""

from collections.abc import Sequence
from pathlib import Path

from breakglass.cli import shares
from breakglass.cli.options import Options
from breakglass.cli.printing import note, show
from breakglass.cli.server import server
from breakglass.errors import Unavailable, WrongState
from breakglass.views import shapes, words


def change(
    options: Options,
    act: str,
    kind: str,
    *,
    key_file: str = "",
    token: str = "",
    key: str = "",
    share_files: Sequence[Path],
) -> None:
    """Raises `WrongShare`, `Malformed`, `WrongState` and what the vault finds wrong with it; then nothing changed."""
    node = server(options)
    if (state := node.get("/vault"))["sealed"]:
        raise WrongState("The vault is sealed.", what_to_do="Unseal it first: `breakglass unseal`.")
    where = {"key_file": key_file} if kind == "file" else {"token": token, "key": key}
    wanted = {"act": act, "kind": kind, **(where if act != "remove" else {})}
    brought = shares.read_all(share_files, state["shares_needed"])
    done = node.post("/vault/slots", {**wanted, "shares": list(brought)})
    show(options, done, shapes.Vault, words.vault)
    if act != "add":
        note("What opened the vault before opens backups from before still: destroy the old key.")


def make_key_file(path: Path) -> None:
    """Raises `WrongState` for a file that is there, `Unavailable` when it can't be written."""
    from breakglass.vault.key_file import KeyFile

    where = path.expanduser().absolute()
    try:
        KeyFile(where).create().wipe()
    except OSError as error:
        raise Unavailable(
            f"{where} can't be written: {error.strerror}.", what_to_do="Look at its folder and at who you are."
        ) from None
    note(f"{where} is there. Keep it out of backups. It opens the vault once custodians add its slot.")
