"""Opening and closing the vault: seal slots, shares, what is public while sealed, and the lazy writing of the mark.

    sealed ──k shares, or another slot──▶ open ──seal, or the end of the process──▶ sealed

One lock for everything: calls take turns. Only a hardware module is waited for outside of it: custodians never wait.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from breakglass import faults
from breakglass.errors import BreakglassError, NotFound, Sealed, Unavailable, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import keys, seal_json
from breakglass.vault.answers import Progress, Proven, Rekey, Status
from breakglass.vault.clock import SystemWall, Wall
from breakglass.vault.entering import Entering
from breakglass.vault.files import read_file, replace_file
from breakglass.vault.key_file import KeyFile
from breakglass.vault.making import SEAL_FILE
from breakglass.vault.opened import Opened
from breakglass.vault.pkcs11_slot import Pkcs11Slot
from breakglass.vault.rekeying import Rekeying
from breakglass.vault.seal import Seal
from breakglass.vault.shares import set_name
from breakglass.vault.slot_changing import SlotChanging, name_of
from breakglass.vault.token import WITHIN, Token

MARK_EVERY = 1.0
"""Seconds between two lazy writes of the mark."""
LATEST_EVERY = timedelta(seconds=60)
_log = logging.getLogger(__name__)


class Keeper:
    def __init__(
        self,
        folder: Path,
        *,
        wall: Wall | None = None,
        key_file: Path | None = None,
        token: Token | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        memory_locked: bool = False,
    ) -> None:
        """Read the public part. `key_file` says where the file slot's key lies, if not where it was made; `token` is
        what the `pkcs11` slot needs.

        Raises `Tampered`, `Malformed`, `NoCustodians`, `Unavailable`.
        """
        self._folder, self._wall, self._monotonic, self._locked = folder, wall or SystemWall(), monotonic, memory_locked
        sealed = read_file(folder / SEAL_FILE)
        self._seal, self._seal_hash = seal_json.from_json(sealed.decode(errors="replace")), sha256(sealed).hexdigest()
        self._keys = keys.read_keys(folder)
        self._named_key_file, self._token = key_file, token
        self._entering, self._rekeying = Entering(monotonic), Rekeying(monotonic)
        self._changing = SlotChanging(monotonic)
        self._lock = threading.RLock()
        self._open: Opened | None = None
        self._sealings = 0
        self._problems: dict[str, str] = {}
        """Kind of a slot -> why it did not open the vault."""

    def try_local_slots(self) -> bool:
        """Open by the key file, where there is one. A slot that fails leaves the vault to its custodians."""
        with self._lock:
            if self._open is None and self._seal.file is not None and self.key_file is not None:
                try:
                    with KeyFile(self.key_file).read() as key:
                        self._unlock(self._seal.open_by_file(key))
                except BreakglassError as error:
                    self._does_not_open("file", error)
            return self._open is not None

    def try_slow_slots(self, within: float = WITHIN) -> bool:
        """Open by the token, where there is one, once. Blocks for `within` seconds at most; calls go on meanwhile.

        What somebody sealed in between stays sealed."""
        with self._lock:
            slot, sealings = self._seal.pkcs11, self._sealings
            if self._open is not None or slot is None:
                return self._open is not None
        try:
            with self._key_of_token(slot, within) as key, self._lock:
                if (self._open, self._sealings, self._seal.pkcs11) == (None, sealings, slot):
                    self._unlock(self._seal.open_by_token(key))
        except BreakglassError as error:
            self._does_not_open("pkcs11", error)
        return not self.status().sealed

    @property
    def key_file(self) -> Path | None:
        """Where the file slot's key lies: named by the settings, else by the slot, else where it was made."""
        path = (self._seal.file.path if self._seal.file else "") or self._keys.key_file
        return self._named_key_file or (Path(path) if path else None)

    def _key_of_token(self, slot: Pkcs11Slot, within: float) -> Secret:
        return self._the_token().open_key(slot.at, slot.sealed_key, slot.iv, within)

    def _the_token(self) -> Token:
        if self._token is None:
            raise NotFound(
                "A pkcs11 slot needs a hardware module, and the vault's settings name none.",
                what_to_do="Name its library and its PIN file there (`pkcs11_module`, `pkcs11_pin_file`).",
            )
        return self._token

    def _does_not_open(self, kind: str, error: BreakglassError) -> None:
        _log.error("the %s slot does not open the vault: %s", kind, error.code)
        with self._lock:
            self._problems[kind] = error.message

    def unseal_share(self, share: Secret, attempt: str = "") -> Progress:
        """Take one custodian's share, its text in UTF-8; the last one that is needed opens the vault. `attempt`: as
        `status` names it, empty for any.

        Raises `WrongShare` (it names the share), `Malformed` (it names the word with a typing error), `TooMany`,
        `WrongState` when the vault is open or in another attempt, and `Tampered` when its files do not fit together.
        """
        with share, self._lock:
            if self._open is not None:
                raise WrongState("The vault is open.", what_to_do="Nothing: no share is needed.")
            root = self._entering.enter(share.reveal().decode(errors="replace"), self._seal, attempt)
            if root is not None:
                self._unlock(root)
                self._problems.clear()
            return self._progress()

    def seal(self) -> None:
        """Forget every key. The log goes on unsigned; nothing is granted or released until somebody unseals."""
        with self._lock:
            self._sealings += 1
            self._entering.forget()
            self._rekeying.forget()
            self._changing.forget()
            opened, self._open = self._open, None
            if opened is None:
                return
            try:
                opened.runs()
                opened.commit(opened.state)
            except Unavailable as error:
                # Sealing matters more than the last second of the mark.
                _log.error("the mark could not be written while sealing: %s", error.code)
            finally:
                opened.keyring.wipe()

    # -- new shares (rekeying) -----------------------------------------------------------------------------------------
    def begin_rekey(self, shares: Sequence[Secret], k: int, to: Sequence[bytes]) -> Rekey:
        """New shares, `k` of which are needed, one for each public key in `to`; `shares` are k of the present ones.

        Raises as `Rekeying.begin`, `Sealed`; the present shares hold until `finish_rekey`."""
        with self._opened():
            return self._rekeying.begin(self._seal, shares, k, to)

    def finish_rekey(self, shares: Sequence[Secret]) -> str:
        """The new shares take the place of the old ones, which open nothing any more. Returns the set's name.

        Raises as `Rekeying.proven`, `Sealed`, and `Unavailable` when the disk does not take it: then nothing changed.
        """
        with self._opened() as opened:
            renewed = self._rekeying.proven(self._seal, shares)
            if renewed != self._seal:
                self._replace_seal(opened, renewed)
                self._rekeying.forget()
            return set_name(renewed.custodians.public.set_id)

    def prove_share(self, share: Secret) -> Proven:
        """One of the new shares, entered by its custodian alone; with the last of them the old ones open nothing.

        Raises as `Rekeying.enter`, `Sealed`, and `Unavailable` when the disk does not take it: enter it once more."""
        with share, self._opened() as opened:
            renewed, name = self._rekeying.enter(self._seal, share), self._rekeying.set_name
            proven = Proven(set=name, entered=self._rekeying.entered, n=self._rekeying.count, done=renewed is not None)
            if renewed is not None:
                self._replace_seal(opened, renewed)
                self._rekeying.forget()
            return proven

    def _replace_seal(self, opened: Opened, renewed: Seal) -> None:
        """Raises `Unavailable` when the disk does not take it: then nothing has changed."""
        content = seal_json.to_json(renewed).encode()
        fresh = sha256(content).hexdigest()
        # The seal that is there is named anew: what a full disk left of the last time is settled with it.
        opened.commit(replace(opened.state, seal=self._seal_hash, next_seal=fresh))
        replace_file(self._folder / SEAL_FILE, content)
        self._seal, self._seal_hash = renewed, fresh
        self._changing.forget()
        self._settle_seal(opened)

    def _settle_seal(self, opened: Opened) -> None:
        """The state names the seal that is there, and no other. Where the disk does not take it, `tick` tries again:
        until then the seal of before would still be known."""
        if (opened.state.seal, opened.state.next_seal) != (self._seal_hash, ""):
            try:
                opened.commit(replace(opened.state, seal=self._seal_hash, next_seal=""))
            except Unavailable as error:
                _log.error("the state still names the seal of before, too: %s", error.code)

    def tick(self) -> None:
        """Twice a second: write the mark and the latest instant when they are due, forget old shares."""
        with self._lock:
            self._entering.forget_old()
            self._rekeying.forget_old()
            self._changing.forget_old()
            opened = self._open
            if opened is None:
                return
            opened.runs()
            self._settle_seal(opened)
            moved = opened.line.mark != opened.state.mark and time.monotonic() - opened.written_at >= MARK_EVERY
            if moved or opened.instants.latest - opened.state.latest >= LATEST_EVERY:
                try:
                    opened.commit(opened.state)
                except Unavailable as error:
                    _log.error("the mark can't be written: %s", error.message)

    def status(self) -> Status:
        with self._lock:
            public, opened = self._keys.public, self._open
            closed = Status(
                sealed=opened is None,
                deployment=self._seal.deployment,
                origin=self._keys.origin,
                slots=self._seal.kinds,
                seal=name_of(self._seal_hash),
                shares=self._progress(),
                problem=" ".join(self._problems[kind] for kind in sorted(self._problems)),
                log_key=public.log,
                grant_key=public.grant,
                recording_key=public.recording,
                memory_locked=self._locked,
                share_set=set_name(self._seal.custodians.public.set_id),
                rekey_set=self._rekeying.set_name,
                rekey_entered=self._rekeying.entered,
                rekey_shares=self._rekeying.count,
                wall=self._wall.now(),
            )
            if opened is None:
                return closed
            runs, latest = opened.runs(), opened.instants.latest
            return replace(
                closed,
                kek=opened.keyring.kek.id,
                keks=tuple(sorted(opened.keyring.keks)),
                founding=opened.state.founding,
                roster=opened.state.roster,
                roster_hash=opened.state.roster_hash,
                roster_loaded=opened.chain is not None,
                log=opened.state.log,
                mark=opened.line.mark.size,
                mark_root=opened.line.mark.root,
                clock_frozen=not runs,
                latest=latest,
                unwitnessed_until=opened.unwitnessed_until,
                grants=sum(not one.voided and latest < one.not_after for one in opened.state.grants.values()),
            )

    @contextmanager
    def _opened(self) -> Iterator[Opened]:
        with self._lock:
            if self._open is None:
                raise Sealed(
                    "The vault is sealed.", what_to_do="Custodians enter their shares with `breakglass unseal`."
                )
            yield self._open

    def _unlock(self, root: Secret) -> None:
        with root:
            self._open = Opened.unlock(root, self._folder, self._keys, self._seal_hash, self._wall)
        self._settle_seal(self._open)
        self._entering.forget()
        faults.reach("vault.opened")

    def _progress(self) -> Progress:
        public = self._seal.custodians.public
        return Progress(
            sealed=self._open is None,
            entered=self._entering.entered,
            k=public.k,
            n=public.n,
            attempt=self._entering.attempt,
        )
