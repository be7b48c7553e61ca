"""Witnesses of the log: what they said is kept; that one saw another log is told. (A silent one: flow.outside.)"""

from breakglass.audit.cosignatures import KEPT, kind_of
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage import anchors
from breakglass.storage.anchors import Anchor
from breakglass.storage.work import Work


def cosigned(work: Work, witness: str, size: int, line: bytes) -> None:
    """Keep a witness's line below the checkpoint of this size.

    No fact tells of it: each would be an entry that they are asked to cosign again, for ever.
    """
    permit(work.actor, "run")
    anchors.renew(work, Anchor(kind=kind_of(witness), size=size, receipt=line, at=work.now), kept=KEPT)


def note_disagrees(work: Work, witness: str, why: str) -> None:
    """It saw another log than this one, or a longer one."""
    permit(work.actor, "run")
    work.note(Fact("witness.disagrees", witness, {"why": why}))
