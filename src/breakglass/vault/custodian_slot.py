"""The custodians' slot: the root key under a key that k of n shares make. Always there, never removable."""

from collections.abc import Iterable
from dataclasses import dataclass

from breakglass.model.secret import Secret
from breakglass.vault.box import close_box, open_box, random_key
from breakglass.vault.shares import PublicSet, Share, combine, split
from breakglass.vault.slot import bound, changed

KIND = "custodians"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodianSlot:
    public: PublicSet
    wrapped: bytes


def make_custodian_slot(
    root: Secret, k: int, n: int, *, deployment: str, alone: bool = False
) -> tuple[CustodianSlot, tuple[Share, ...]]:
    """The root key under a fresh key that is shared k of n and then forgotten. `ValueError` for impossible numbers."""
    with random_key() as key:
        made = split(key, k, n, alone=alone)
        wrapped = close_box(key, root, bound(KIND, deployment, made.public.canonical()))
    return CustodianSlot(public=made.public, wrapped=wrapped), made.shares


def open_custodian_slot(slot: CustodianSlot, shares: Iterable[Share], *, deployment: str) -> Secret:
    """The root key. Raises `WrongShare`, `NotEnoughShares`, `Tampered`."""
    with combine(shares, slot.public) as key:
        return open_box(key, slot.wrapped, bound(KIND, deployment, slot.public.canonical()), refusal=changed)
