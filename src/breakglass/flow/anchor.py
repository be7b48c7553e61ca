"""Somebody elsewhere vouches for a checkpoint: their receipt is put down, and the log says so."""

from hashlib import sha256

from breakglass.audit import copies
from breakglass.audit.timestamps import MADE
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage import anchors
from breakglass.storage.anchors import Anchor
from breakglass.storage.work import Work


def copied(work: Work, name: str, size: int, checkpoint: bytes) -> None:
    """A place elsewhere took the checkpoint of this size. No fact tells of it: each would be one more entry to send."""
    permit(work.actor, "run")
    anchors.replace(work, Anchor(kind=copies.kind_of(name), size=size, receipt=checkpoint, at=work.now))


def made(work: Work, deployment: str, kind: str, size: int, receipt: bytes) -> None:
    """Once for a checkpoint, whoever else asked for it too."""
    permit(work.actor, "run")
    before = anchors.newest(work, kind)
    if before is not None and before.size >= size:
        return
    anchors.put(work, Anchor(kind=kind, size=size, receipt=receipt, at=work.now))
    work.note(Fact(MADE, deployment, {"by": kind, "size": size, "receipt": sha256(receipt).hexdigest()}))
