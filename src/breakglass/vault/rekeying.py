"""New shares for the custodians, in two phases; until the second one is over, the old shares hold as ever.

    k old shares ─▶ begin ─▶ a new slot, in memory only; each share in a box ─▶ people write theirs down
                                                                                       │ and type it back
    k of the new shares ─▶ finish: they open the new slot to the same root key ─▶ seal.json is replaced

Who may is who holds k shares: they could open the vault anywhere. Nothing of a beginning is written down, because then
nothing must be cleaned up after one that nobody finishes: it is forgotten after an hour, and when the vault is sealed.
"""

from collections.abc import Callable, Sequence

from breakglass.codec import share_box
from breakglass.errors import Malformed, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import share_text
from breakglass.vault.answers import Rekey
from breakglass.vault.entering import FORGET_AFTER, Entering
from breakglass.vault.seal import CustodianSlot, Seal, make_custodian_slot
from breakglass.vault.shares import MAX_SHARES, NotEnoughShares, Share, WrongShare, must_be_possible


class Rekeying:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._old = Entering(monotonic)
        self._new = Entering(monotonic)
        self._begun: CustodianSlot | None = None
        self._at = 0.0

    @property
    def set_name(self) -> str:
        """Of the shares that wait to be proven; empty where there are none."""
        return share_text.set_name(self._begun.public.set_id) if self._begun else ""

    def begin(self, seal: Seal, shares: Sequence[Secret], k: int, to: Sequence[bytes]) -> Rekey:
        """Make a slot that `k` of as many shares open as there are keys in `to`, each closed to its key.

        What was begun before is forgotten. Raises `WrongShare`, `Malformed`, `TooMany`, `NotEnoughShares`, `Tampered`.
        """
        self.forget()
        must_be_possible(k, len(to))
        root = _entered(self._old, shares, seal)
        with root:
            slot, made = make_custodian_slot(root, k, len(to), deployment=seal.deployment)
        name = share_text.set_name(slot.public.set_id)
        try:
            boxes = tuple(
                share_box.close(share_text.encode(one).encode(), key, share_box.about(seal.deployment, name, one.index))
                for one, key in zip(made, to, strict=True)
            )
        finally:
            _wipe(made)
        self._begun, self._at = slot, self._monotonic()
        return Rekey(set=name, k=k, boxes=boxes)

    def proven(self, seal: Seal, shares: Sequence[Secret]) -> Seal:
        """The seal with the new slot, once enough of its shares opened it to the same root key; the same seal where
        that was done before. Raises `WrongState` where nothing was begun, and as `begin`: what was begun waits."""
        if self._begun is None:
            return self._proven_before(seal, shares)
        renewed = seal.with_custodians(self._begun)
        _entered(self._new, shares, renewed).wipe()
        return renewed

    def _proven_before(self, seal: Seal, shares: Sequence[Secret]) -> Seal:
        """The same seal, for who asks again because the first answer was lost."""
        try:
            _entered(self._new, shares, seal).wipe()
        except (WrongShare, NotEnoughShares):
            raise WrongState(
                "No new shares wait to be proven: they are forgotten after an hour, and when the vault is sealed.",
                what_to_do="Begin again with `breakglass vault rekey`. The present shares hold.",
            ) from None
        return seal

    def forget(self) -> None:
        self._begun = None

    def forget_old(self) -> None:
        if self._begun and self._monotonic() - self._at > FORGET_AFTER:
            self.forget()


def _entered(entering: Entering, shares: Sequence[Secret], seal: Seal) -> Secret:
    """The root key, from all of them or none. They are wiped."""
    if len(shares) > MAX_SHARES:
        raise Malformed(f"There are at most {MAX_SHARES} shares.", what_to_do="Enter each once.")
    found: Secret | None = None
    try:
        for one in shares:
            if found is None:
                found = entering.enter(one.reveal().decode(errors="replace"), seal)
            else:
                entering.must_fit(one.reveal().decode(errors="replace"), seal)
    except BaseException:
        if found is not None:
            found.wipe()
        raise
    finally:
        entering.forget()
        for one in shares:
            one.wipe()
    if found is None:
        public = seal.custodians.public
        raise NotEnoughShares(
            f"{public.k} different shares of the set {share_text.set_name(public.set_id)} are needed.",
            what_to_do="Enter each custodian's share once.",
        )
    return found


def _wipe(made: Sequence[Share]) -> None:
    for one in made:
        one.value.wipe()
