"""A further node of a deployment: its data folder, made from a copy of another node's.

    node1  breakglass.toml, vault/{seal,keys,state}.json  ─ copied ─▶  FROM  ─ join ─▶  HOME of node2

Nothing in those files is secret in clear: the keys are wrapped under the root key, which custodians (or the key file)
bring here as they do there. The copied state vouches for itself: its MAC is made with the root key, so that it carries
the founding pin, the roster head and the log's high-water mark of the first node to this one, and nobody else's.
(Why, and what a second vault can't know: docs/design/0002-several-nodes.md.)
"""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from breakglass import config
from breakglass.config import Home, Settings
from breakglass.errors import Malformed, NotFound, Tampered, WrongState
from breakglass.vault import keys, seal_json, state
from breakglass.vault.making import SEAL_FILE

FILES = (SEAL_FILE, keys.FILE, state.FILE)


def join(home: Home, first: Home, *, node: str, roster_hash: str, settings: Mapping[str, Any]) -> Settings:
    """Make `home` the data folder of the node `node`, from the copy `first`; `settings` are this node's own.

    `roster_hash` is the founding roster's, as `init` showed it: it comes from outside the copy. Raises `WrongState`
    when `home` is in use, `NotFound` for files that are missing, `Tampered` when the copy is another deployment's,
    `Malformed` when the deployment has no database that nodes can share, or the name is the first node's.
    """
    if home.settings.exists() or home.vault.exists():
        raise WrongState(f"{home.path} is in use already.", what_to_do="Choose an empty folder.")
    theirs = config.read(first)
    for name in FILES:
        if not (first.vault / name).is_file():
            raise NotFound(f"{first.vault / name} is missing.", what_to_do="Copy the whole vault folder.")
    if roster_hash != theirs.roster_pin:
        raise Tampered(
            "The copy begins with another founding roster.",
            what_to_do="Compare the hash with the one that `init` showed; if it is right, call the custodians.",
        )
    sealed = seal_json.from_json((first.vault / SEAL_FILE).read_text(errors="replace"))
    if (sealed.deployment, keys.read_keys(first.vault).deployment) != (theirs.deployment, theirs.deployment):
        raise Tampered("The copy's vault is another deployment's.", what_to_do="Copy one node's folder as a whole.")
    if not theirs.database and not settings.get("database"):
        raise Malformed(
            "That node keeps its own embedded database: nobody can share it.",
            what_to_do="Several nodes need PostgreSQL: `database` in breakglass.toml.",
        )
    if not node or node == theirs.node:
        raise Malformed("Every node has a name of its own.", what_to_do="Choose another one with `--node`.")
    made = replace(theirs, node=node, **settings)
    home.make()
    _copy_vault(first, home)
    config.write(home, made)
    return made


def _copy_vault(first: Home, home: Home) -> None:
    """It appears whole, or not at all."""
    fresh = Path(tempfile.mkdtemp(prefix="vault.", dir=home.path))
    try:
        for name in FILES:
            shutil.copyfile(first.vault / name, fresh / name)
            (fresh / name).chmod(0o600)
        fresh.rename(home.vault)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
