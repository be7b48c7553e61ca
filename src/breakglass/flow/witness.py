"""Witnesses of the log: what they said is kept; that one is silent, answers again, or saw another log, is told."""

from breakglass.audit.cosigned import kind_of
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
    anchors.renew(work, Anchor(kind=kind_of(witness), size=size, receipt=line, at=work.now))


def note_waits(work: Work, witness: str, why: str) -> None:
    permit(work.actor, "run")
    work.note(Fact("witness.waits", witness, {"why": why}))


def note_runs(work: Work, witness: str) -> None:
    permit(work.actor, "run")
    work.note(Fact("witness.runs", witness))


def note_disagrees(work: Work, witness: str, why: str) -> None:
    """It saw another log than this one, or a longer one."""
    permit(work.actor, "run")
    work.note(Fact("witness.disagrees", witness, {"why": why}))
