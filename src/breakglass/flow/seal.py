"""What people do to the vault's seal, told to the log. The acts themselves are the vault's own (breakglass.vault)."""

from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage.work import Work


def share_entered(work: Work, about: str, entered: int, needed: int) -> None:
    """A custodian entered a right share. `about`: the deployment."""
    permit(work.actor, "unseal", about)
    work.note(Fact("vault.share_entered", about, {"entered": entered, "needed": needed}))


def sealing(work: Work, about: str) -> None:
    """A custodian seals the vault; told before, so that this entry is still signed."""
    permit(work.actor, "unseal", about)
    work.note(Fact("vault.sealed", about))
