"""The vault as people see it: sealed or open, and who is needed. Never a key."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace

from breakglass.errors import Unavailable
from breakglass.vault.answers import Progress, Rekey, Slot, Status
from breakglass.vault.client import VaultClient
from breakglass.views import shapes


def of(client: VaultClient, alarm: str) -> shapes.Vault:
    """As it says itself; `alarm` is what it found wrong with this node's log. Blocks: call it in a thread."""
    try:
        found = shown(client.status())
    except Unavailable as error:
        found = silent(error)
    if not alarm:
        return found
    return replace(found, alarm=alarm, sentence=f"STOP: {alarm} Nothing is granted or released. Call the custodians.")


def shown(status: Status) -> shapes.Vault:
    return shapes.Vault(
        sealed=status.sealed,
        shares_entered=len(status.shares.entered),
        shares_needed=status.shares.k,
        shares=status.shares.n,
        problem=status.problem,
        clock_frozen=status.clock_frozen,
        log_mark=status.mark,
        kek=status.kek,
        keks=len(status.keks),
        share_set=status.share_set,
        rekey_set=status.rekey_set,
        rekey_entered=status.rekey_entered,
        rekey_shares=status.rekey_shares,
        entered=status.shares.entered,
        attempt=status.shares.attempt if status.sealed else "",
        slots=status.slots,
        sentence=_sentence(status.shares, frozen=status.clock_frozen),
    )


def rekey(made: Rekey) -> shapes.Rekey:
    return shapes.Rekey(set=made.set, needed=made.k, boxes=tuple(b64encode(one).decode() for one in made.boxes))


def slots(found: Sequence[Slot]) -> list[shapes.Slot]:
    return [shapes.Slot(kind=one.kind, where=one.where, opens=one.opens, problem=one.problem) for one in found]


def progress(shares: Progress) -> shapes.Vault:
    """After a share was entered."""
    return shapes.Vault(
        sealed=shares.sealed,
        shares_entered=len(shares.entered),
        shares_needed=shares.k,
        shares=shares.n,
        entered=shares.entered,
        attempt=shares.attempt if shares.sealed else "",
        sentence=_sentence(shares, frozen=False),
    )


def silent(error: Unavailable) -> shapes.Vault:
    """It does not answer: for everybody outside that is the same as sealed."""
    return shapes.Vault(
        sealed=True,
        shares_entered=0,
        shares_needed=0,
        shares=0,
        problem=error.message,
        sentence="The vault does not answer; the node starts it again by itself.",
    )


def _sentence(shares: Progress, *, frozen: bool) -> str:
    if frozen:
        return "The vault is open, but the clock went back: it grants nothing until custodians confirm the time."
    if not shares.sealed:
        return "The vault is open."
    return (
        f"The vault is SEALED: {len(shares.entered)} of {shares.k} shares were entered, of {shares.n} that there are."
    )
