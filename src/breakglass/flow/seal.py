"""What people do to the vault's seal, told to the log. The acts themselves are the vault's own (breakglass.vault)."""

from breakglass.audit import share_sets, slot_changes
from breakglass.errors import WrongState
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.model.people import Actor
from breakglass.storage.work import Work
from breakglass.vault.answers import Proven


def share_entered(work: Work, about: str, entered: int, needed: int) -> None:
    """A custodian entered a right share. `about`: the deployment."""
    permit(work.actor, "unseal", about)
    work.note(Fact("vault.share_entered", about, {"entered": entered, "needed": needed}))


def may_rekey(actor: Actor, about: str, *, shared: bool) -> None:
    """Before the vault is asked. `shared`: other nodes have vaults, too. Raises `WrongState`."""
    permit(actor, "rekey", about)
    if shared:
        raise WrongState(
            "Several nodes share this database, and each vault has its own seal.",
            what_to_do="Making new shares there is not built yet: the other nodes would still open with the old ones.",
            about=about,
        )


def rekey_begun(work: Work, about: str, before: str, share_set: str, k: int, n: int) -> None:
    """The vault took k present shares and made a new set; told before anybody sees one of it."""
    permit(work.actor, "rekey", about)
    work.note(Fact(share_sets.BEGUN, about, {"before": before, "set": share_set, "needed": k, "shares": n}))


def share_proven(work: Work, about: str, proven: Proven) -> None:
    """A custodian entered their new share; with the last one the set opens the vault."""
    permit(work.actor, "rekey", about)
    data: dict[str, str | int | bool] = {"set": proven.set, "entered": len(proven.entered), "shares": proven.n}
    work.note(Fact("vault.share_proven", about, data))
    if proven.done:
        rekeyed(work, about, proven.set)


def rekeyed(work: Work, about: str, share_set: str) -> None:
    """This set opens the vault now. Once, however often it is told: by who proved it, or by the node, which noticed."""
    permit(work.actor, "rekey", about)
    if share_sets.is_news(work, about, share_set):
        work.note(Fact(share_sets.DONE, about, {"set": share_set}))


def may_change_slots(actor: Actor, about: str) -> None:
    """Before the vault is asked. Each node's vault has a seal of its own: what is changed is the slots of this one."""
    permit(actor, "slots", about)


def slot_begun(work: Work, about: str, node: str, act: str, kind: str, seal: str) -> None:
    """The vault took k present shares and has proven the slot that leads to `seal`; told before it is written."""
    permit(work.actor, "slots", about)
    work.note(Fact(slot_changes.BEGUN, about, {"node": node, "act": act, "slot": kind, "seal": seal}))


def slot_changed(work: Work, about: str, seal: str) -> None:
    """This seal stands now. Once, however often it is told: by who changed it, or by the node, which noticed."""
    permit(work.actor, "slots", about)
    begun = slot_changes.untold(work, about, seal)
    if begun is not None:
        told = {name: begun.text(name) for name in ("node", "act", "slot")}
        work.note(Fact(slot_changes.DONE, about, {**told, "seal": seal}))


def sealing(work: Work, about: str) -> None:
    """A custodian seals the vault; told before, so that this entry is still signed."""
    permit(work.actor, "unseal", about)
    work.note(Fact("vault.sealed", about))
