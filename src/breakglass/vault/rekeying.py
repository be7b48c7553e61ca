"""New shares for the custodians, in two phases; until the second one is over, the old shares hold as ever.

    k old shares ─▶ begin ─▶ a new slot, in memory only; each share in a box ─▶ people write theirs down
                                                                                       │ and type it back
    all of the new shares, ─▶ finish: they open the new slot to the same root key ─▶ seal.json is replaced
    together or one by one

Who may is who holds k shares: they could open the vault anywhere. Nothing of a beginning is written down, because then
nothing must be cleaned up after one that nobody finishes: it is forgotten when nothing happens for a day (a custodian
far away gets theirs by mail), and when the vault is sealed.
"""

from collections.abc import Callable, Sequence

from breakglass.codec import share_box
from breakglass.errors import Malformed, WrongState
from breakglass.model.secret import Secret
from breakglass.vault import share_text
from breakglass.vault.answers import Rekey
from breakglass.vault.custodian_slot import CustodianSlot, make_custodian_slot
from breakglass.vault.entering import Entering
from breakglass.vault.seal import Seal
from breakglass.vault.shares import MAX_SHARES, NotEnoughShares, Share, WrongShare, must_be_possible, set_name

PROVE_WITHIN = 24 * 3600.0
"""Seconds without a step, after which new shares are forgotten."""
NOTHING_WAITS = "No new shares wait to be proven: they are forgotten after a day, and when the vault is sealed."


class Rekeying:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entering = Entering(monotonic)
        """Only to hold up who guesses: nothing is kept in it."""
        self._begun: CustodianSlot | None = None
        self._at = 0.0
        self._entered: dict[int, Share] = {}
        """New shares that were proven so far, each by its custodian."""

    @property
    def set_name(self) -> str:
        """Of the shares that wait to be proven; empty where there are none."""
        return set_name(self._begun.public.set_id) if self._begun else ""

    def begin(self, seal: Seal, shares: Sequence[Secret], k: int, to: Sequence[bytes]) -> Rekey:
        """Make a slot that `k` of as many shares open as there are keys in `to`, each closed to its key.

        What was begun before is forgotten, once the shares are right. Raises `WrongShare`, `Malformed`, `TooMany`,
        `NotEnoughShares`, `Tampered`.
        """
        must_be_possible(k, len(to))
        with self.opened(seal, shares, seal.custodians.public.k) as root:
            while True:
                slot, made = make_custodian_slot(root, k, len(to), deployment=seal.deployment)
                if slot.public.set_id != seal.custodians.public.set_id:  # people tell the sets apart by it
                    break
                _wipe(made)
        name = set_name(slot.public.set_id)
        try:
            boxes = tuple(
                share_box.close(share_text.encode(one).encode(), key, share_box.about(seal.deployment, name, one.index))
                for one, key in zip(made, to, strict=True)
            )
        finally:
            _wipe(made)
        self.forget()
        self._begun, self._at = slot, self._monotonic()
        return Rekey(set=name, k=k, boxes=boxes)

    def proven(self, seal: Seal, shares: Sequence[Secret]) -> Seal:
        """The seal with the new slot, once every one of its shares was brought: one that was copied wrongly would show
        on the night on which it is needed. The same seal where that was done before, and the answer was lost.

        Raises `WrongState` where nothing was begun, and as `begin`: what was begun still waits."""
        if self._begun is None:
            try:
                self.opened(seal, shares, seal.custodians.public.k).wipe()
            except (WrongShare, NotEnoughShares):
                raise WrongState(
                    NOTHING_WAITS,
                    what_to_do="Begin again with `breakglass vault rekey`. The present shares hold.",
                ) from None
            return seal
        renewed = seal.with_custodians(self._begun)
        self.opened(renewed, shares, self._begun.public.n).wipe()
        return renewed

    def enter(self, seal: Seal, share: Secret) -> Seal | None:
        """One of the new shares, from its custodian alone; the seal with the new slot once all of them were entered.

        Raises `WrongState` where nothing is left to prove, `WrongShare`, `Malformed`, `TooMany`."""
        if self._begun is None:
            try:
                self._entering.right(share.reveal().decode(errors="replace"), seal).value.wipe()
            except WrongShare:
                raise WrongState(
                    NOTHING_WAITS, what_to_do="Tell who began it: `breakglass vault rekey`. The present shares hold."
                ) from None
            raise WrongState(
                "This is a share of the set that opens the vault: there is nothing to prove.",
                what_to_do="Keep it safe.",
            )
        renewed = seal.with_custodians(self._begun)
        one = self._entering.right(share.reveal().decode(errors="replace"), renewed)
        self._at = self._monotonic()
        self._entered[one.index] = one
        if len(self._entered) < self._begun.public.n:
            return None
        renewed.open_by_shares(self._entered.values()).wipe()
        return renewed

    @property
    def entered(self) -> tuple[int, ...]:
        return tuple(sorted(self._entered))

    @property
    def count(self) -> int:
        """How many shares wait to be proven, in all."""
        return self._begun.public.n if self._begun else 0

    def forget(self) -> None:
        self._begun = None
        _wipe(tuple(self._entered.values()))
        self._entered.clear()

    def forget_old(self) -> None:
        if self._begun and self._monotonic() - self._at > PROVE_WITHIN:
            self.forget()

    def opened(self, seal: Seal, shares: Sequence[Secret], needed: int) -> Secret:
        """The root key, from `needed` different shares of this seal or more, and none that is not. They are wiped."""
        if len(shares) > MAX_SHARES:
            raise Malformed(f"There are at most {MAX_SHARES} shares.", what_to_do="Enter each once.")
        found: dict[int, Share] = {}
        try:
            for one in shares:
                share = self._entering.right(one.reveal().decode(errors="replace"), seal)
                found[share.index] = share
            if len(found) < needed:
                raise NotEnoughShares(
                    f"{needed} different shares of the set {set_name(seal.custodians.public.set_id)} are "
                    f"needed, and {len(found)} are here.",
                    what_to_do="Enter each custodian's share once.",
                )
            return seal.open_by_shares(found.values())
        finally:
            _wipe(tuple(found.values()))
            for one in shares:
                one.wipe()


def _wipe(made: Sequence[Share]) -> None:
    for one in made:
        one.value.wipe()
