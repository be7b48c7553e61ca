"""Making a vault: root key, keys, empty state and seal, in one folder that appears whole or not at all.

    vault.making/  seal.json  keys.json  state.json   ─ all written and synced ─▶ renamed to vault/

The shares are returned once, to be shown once: nothing keeps them.
"""

import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from breakglass.errors import Malformed, Unavailable, WrongState
from breakglass.model.ids import checked
from breakglass.trust.tree import EMPTY_ROOT
from breakglass.vault import keys, seal, seal_json, share_text
from breakglass.vault.box import random_key
from breakglass.vault.file_slot import make_file_slot
from breakglass.vault.files import read_file, replace_file, sync_folder
from breakglass.vault.key_file import KeyFile
from breakglass.vault.keys import PublicKeys
from breakglass.vault.shares import must_be_possible
from breakglass.vault.state import Mark, State, StateFile

SEAL_FILE = "seal.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the founding roster must name, and the custodians' shares as texts: show each once, then let them go."""

    public: PublicKeys
    shares: tuple[str, ...] = field(repr=False)


def make(
    folder: Path, deployment: str, origin: str, *, k: int, n: int, key_file: Path | None = None, alone: bool = False
) -> Made:
    """Make a vault in `folder` (which must not exist), its root key shared k of n; with `key_file`, a file slot too.

    One of one needs `alone=True`: a demonstration. Raises `WrongState` when there is a vault or key file already,
    `Malformed` for impossible numbers or names, `Unavailable` when the disk does not take it; then nothing is left.
    """
    checked("dep", deployment)
    must_be_possible(k, n, alone=alone)
    if not 0 < len(origin) <= 200 or not origin.isascii() or not origin.isprintable() or set(origin) & set(" +\\"):
        raise Malformed(f"{origin[:60]!r} can't name a log.", what_to_do="Use a host's name, like log.example.org.")
    if folder.exists():
        raise WrongState(f"There is a vault in {folder} already.", what_to_do="Use it, or choose another home.")
    fresh = folder.with_name(folder.name + ".making")
    with ExitStack() as undo:
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            undo.callback(shutil.rmtree, fresh, ignore_errors=True)
            made = _fill(fresh, deployment, origin, k, n, key_file, alone, undo)
            sync_folder(fresh)
            fresh.rename(folder)
            sync_folder(folder.parent)
        except OSError as error:
            raise Unavailable(
                f"The vault could not be made: {error.strerror or type(error).__name__}.",
                what_to_do="Look at the disk and at who may write there.",
            ) from None
        undo.pop_all()
    return made


def _fill(
    folder: Path, deployment: str, origin: str, k: int, n: int, key_file: Path | None, alone: bool, undo: ExitStack
) -> Made:
    where = str(key_file.absolute()) if key_file else ""
    with random_key() as root:
        content, keyring = keys.make_keys(root, deployment, origin, where)
        made, shares = seal.new_seal(root, deployment, k, n, alone=alone)
        if key_file:
            with KeyFile(key_file).create() as key:
                undo.callback(_unlink, key_file)
                made = replace(made, file=make_file_slot(root, key, deployment=deployment))
    sealed = seal_json.to_json(made).encode()
    empty = State(
        deployment=deployment,
        origin=origin,
        seal=sha256(sealed).hexdigest(),
        mark=Mark(size=0, root=EMPTY_ROOT.hex()),
    )
    try:
        replace_file(folder / SEAL_FILE, sealed)
        replace_file(folder / keys.FILE, content)
        StateFile(folder, keyring.state_key).write(empty)
        texts = tuple(share_text.encode(share) for share in shares)
    finally:
        keyring.wipe()
        for share in shares:
            share.value.wipe()
    return Made(public=keyring.public, shares=texts)


def key_file_of(folder: Path) -> str:
    """Where the vault in this folder looks for its key file, if the settings don't say; empty without one.

    Raises `Tampered`, `Malformed`, `NoCustodians`, `Unavailable`."""
    slot = seal_json.from_json(read_file(folder / SEAL_FILE).decode(errors="replace")).file
    return (slot.path if slot else "") or keys.read_keys(folder).key_file


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
