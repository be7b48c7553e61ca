"""Another key-encryption key, and the end of an old one: what becomes of `keys.json` and of the open keys.

    custodian signs ─▶ add: kek n+1 in keys.json ─▶ new secrets under it ─▶ rewrap, in batches ─▶ retire: kek n is gone

The file is replaced first and the open keys follow, so a crash in between leaves one of two good files. The key that
wraps keys stays open with the vault: it opens nothing that is not open anyway. The vault has no database, so it can't
count who still needs a key: the node does, and calls `retire` at none. A node that lies about that loses secrets, as it
could by deleting rows, and learns none.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from breakglass.errors import NotFound, Tampered, WrongState
from breakglass.vault import envelope, keys
from breakglass.vault.asking import Placed
from breakglass.vault.envelope import Bound, Kek, wrap_key
from breakglass.vault.files import replace_file
from breakglass.vault.keys import Keyring, KeysText, kek_label

KEKS_MAX = 4
"""Keys that are not retired: a rotation that can't end is looked into before the next ones pile up."""


def add(folder: Path, text: KeysText, keyring: Keyring) -> KeysText:
    """Make the next key, durably: new secrets are sealed under it. Returns what `keys.json` says now.

    Raises `WrongState` with too many keys, `Unavailable` when the disk does not take it; then nothing has changed."""
    if len(keyring.keks) >= KEKS_MAX:
        raise WrongState(
            f"There are {KEKS_MAX} keys already that some secret may need.",
            what_to_do="Let the running rotation end first. If it does not, the log names the secrets that hold it up.",
        )
    fresh = Kek.generate(keyring.kek.id + 1)
    label = kek_label(fresh.id)
    after = replace(text, wrapped={**text.wrapped, label: wrap_key(fresh.key, keyring.wrapping, label)})
    try:
        replace_file(folder / keys.FILE, keys.to_json(after))
    except BaseException:
        fresh.key.wipe()
        raise
    keyring.keks[fresh.id] = fresh
    return after


def retire(folder: Path, text: KeysText, keyring: Keyring, number: int) -> KeysText:
    """Forget an old key for good. Once it is gone, asking again changes nothing.

    Raises `WrongState` for the key that new secrets are sealed under, `NotFound` for one that never was, `Unavailable`.
    """
    if number == keyring.kek.id:
        raise WrongState("New secrets are sealed under this key.", what_to_do="Make the next one first.")
    if not 0 < number < keyring.kek.id:
        raise NotFound(f"There is no key {number}.", what_to_do="Look at the vault's status.")
    if number not in keyring.keks:
        return text
    label = kek_label(number)
    after = replace(text, wrapped={name: blob for name, blob in text.wrapped.items() if name != label})
    replace_file(folder / keys.FILE, keys.to_json(after))
    keyring.keks.pop(number).key.wipe()
    return after


def rewrap(placed: Sequence[tuple[Placed, Bound]], keyring: Keyring) -> tuple[bytes, ...]:
    """Each secret's envelope under the newest key; empty bytes for one that does not open, which nobody carries on."""

    def one(found: Placed, bound: Bound) -> bytes:
        try:
            return envelope.rewrap(found.deposited.blob, bound, keyring.keks, keyring.kek)
        except Tampered:
            return b""

    return tuple(one(found, bound) for found, bound in placed)
