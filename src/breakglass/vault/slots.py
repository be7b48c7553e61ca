"""Ways to open the vault without people: seen, put there, exchanged, taken away. In two phases, and k shares decide.

    k shares ─▶ begin ─▶ a slot is made ─▶ key file or token is asked anew: it opens to the same root key ─▶ waits
                                                                                  the node tells the log ─┘ │
    finish ─▶ state.json names both seals ─▶ seal.json is replaced, whole ─▶ state.json names the new one ◀─┘

Whatever dies in between, a seal stands there that opens. The custodians' slot is never removed.
What made a change is never deleted here, neither a key file nor a token's key: it may still open a backup.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from breakglass import config
from breakglass.errors import BreakglassError, Malformed, NotFound, Refused, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import file_slot, pkcs11_slot, seal_json
from breakglass.vault.answers import Slot
from breakglass.vault.asking import SlotAct, SlotChange
from breakglass.vault.box import random_key
from breakglass.vault.keeper import Keeper
from breakglass.vault.key_file import KeyFile
from breakglass.vault.pkcs11_slot import IV_BYTES, TokenKey, is_label
from breakglass.vault.seal import Seal
from breakglass.vault.shares import set_name
from breakglass.vault.slot_changing import name_of
from breakglass.vault.token import WITHIN

PATH_MAX = 1000


class Slots(Keeper):
    def check_slots(self) -> tuple[Slot, ...]:
        """Each slot, and whether it opens the vault now: it is tried. Blocks as long as a hardware module may take."""
        with self._lock:
            seal, key_file, public = self._seal, self.key_file, self._seal.custodians.public
        name = set_name(public.set_id)
        found = [
            Slot(kind="custodians", where=f"any {public.k} of {public.n} shares of the set {name}", opens=None),
        ]
        if seal.file is not None:
            problem = _problem(lambda: self._root_by_file(seal, key_file))
            found.append(Slot(kind="file", where=str(key_file or ""), opens=not problem, problem=problem))
        if seal.pkcs11 is not None:
            problem = _problem(lambda: self._root_by_token(seal))
            at = seal.pkcs11.at
            where = f"key {at.key!r} of the token {at.token!r}"
            found.append(Slot(kind="pkcs11", where=where, opens=not problem, problem=problem))
        return tuple(found)

    def begin_slot(self, shares: Sequence[Secret], change: SlotChange) -> str:
        """Make and prove what `change` asks for; `shares` are k of the present ones. Returns the name of the new seal.

        Nothing is written to the vault's folder yet. Raises as `Rekeying.begin`; `WrongState`, `NotFound`, `Refused`,
        `Malformed` for what can't be done to the slots that there are; as `KeyFile` and `Token`; `KeyInData`; `Sealed`.
        """
        with self._opened():
            seal, present = self._seal, self._seal_hash
            root = self._rekeying.opened(seal, shares, seal.custodians.public.k)
        # Without the lock: a hardware module may take seconds, and the log is signed meanwhile.
        with root:
            wanted = self._changed(seal, change, root)
        name = name_of(sha256(seal_json.to_json(wanted).encode()).hexdigest())
        with self._opened():
            self._changing.begin(wanted, name, present)
            self._changing.waits(name, self._seal_hash)  # or somebody was faster
        return name

    def finish_slot(self, name: str) -> tuple[str, ...]:
        """The seal of this name takes the place of the present one. Returns the kinds of its slots.

        Asked again it changes nothing. Raises `WrongState` where none waits, `Sealed`, and `Unavailable` when the disk
        does not take it: then nothing changed."""
        with self._opened() as opened:
            if name != name_of(self._seal_hash):
                self._replace_seal(opened, self._changing.waits(name, self._seal_hash))
                self._problems.clear()
            return self._seal.kinds

    def _changed(self, seal: Seal, change: SlotChange, root: Secret) -> Seal:
        there = change.kind in seal.kinds
        if change.kind == "custodians":
            raise Refused(
                "The custodians' slot is always there: an automatic one that dies must never lock the vault.",
                what_to_do="New shares are made with `breakglass vault rekey`.",
            )
        if change.kind not in (file_slot.KIND, pkcs11_slot.KIND):
            raise Malformed(f"There is no kind of slot {change.kind[:30]!r}.", what_to_do="It is `file` or `pkcs11`.")
        if there and change.act is SlotAct.ADD:
            raise WrongState(f"The seal has a {change.kind} slot.", what_to_do="Replace it, or leave it as it is.")
        if not there and change.act is not SlotAct.ADD:
            raise NotFound(f"The seal has no {change.kind} slot.", what_to_do="Look with `breakglass vault slots`.")
        if change.act is SlotAct.REMOVE:
            return replace(seal, file=None) if change.kind == file_slot.KIND else replace(seal, pkcs11=None)
        if change.kind == file_slot.KIND:
            return self._with_file(seal, change.key_file, root)
        return self._with_token(seal, TokenKey(token=change.token, key=change.key), root)

    def _with_file(self, seal: Seal, wanted: str, root: Secret) -> Seal:
        named = self._named_key_file
        if wanted and named is not None and Path(wanted) != named:
            raise WrongState(
                f"The vault's settings name the key file {named}.",
                what_to_do="Name the other one there, start the vault again, and change the slot then.",
            )
        path = Path(wanted) if wanted else named
        if path is None or not path.is_absolute() or not wanted.isprintable() or len(wanted) > PATH_MAX:
            raise Malformed(
                "Where the key file lies is missing.", what_to_do="Name its whole path on the vault's machine."
            )
        config.keep_outside(config.Home(self._folder.parent), path, f"The key file {path}")
        file = KeyFile(path)
        try:
            with file.read() if path.exists() else file.create() as key:
                slot = file_slot.make_file_slot(root, key, deployment=seal.deployment, path=wanted)
        except OSError as error:
            raise Unavailable(
                f"The key file {path} could not be made: {error.strerror}.",
                what_to_do="Look at its folder, and whether the vault's user may write there; or make it beforehand "
                "with `breakglass vault make-key-file`.",
            ) from None
        if seal.file is not None and (slot.key_name, slot.path) == (seal.file.key_name, seal.file.path):
            raise WrongState(f"The key file {path} opens the vault already.", what_to_do="Name another one.")
        made = replace(seal, file=slot)
        self._root_by_file(made, path).wipe()
        return made

    def _with_token(self, seal: Seal, at: TokenKey, root: Secret) -> Seal:
        if not is_label(at.token) or not is_label(at.key):
            raise Malformed(
                "The labels of token and key are missing, or too long.",
                what_to_do=f"Name both, as the token's own tools show them; up to {pkcs11_slot.LABEL_MAX} characters.",
            )
        iv = os.urandom(IV_BYTES)
        with random_key() as key:
            sealed = self._the_token().seal_key(at, key, iv)
            slot = pkcs11_slot.make_pkcs11_slot(root, key, at, iv, sealed, deployment=seal.deployment)
        made = replace(seal, pkcs11=slot)
        self._root_by_token(made).wipe()
        return made

    def _root_by_file(self, seal: Seal, path: Path | None) -> Secret:
        if path is None:
            raise NotFound("Nothing says where the key file lies.", what_to_do="Name it in the vault's settings.")
        with KeyFile(path).read() as key:
            return seal.open_by_file(key)

    def _root_by_token(self, seal: Seal) -> Secret:
        assert seal.pkcs11 is not None  # noqa: S101 (its callers looked)
        with self._key_of_token(seal.pkcs11, WITHIN) as key:
            return seal.open_by_token(key)


def _problem(opens: Callable[[], Secret]) -> str:
    """Why it does not; empty when it does."""
    try:
        opens().wipe()
    except BreakglassError as error:
        return error.message
    return ""
