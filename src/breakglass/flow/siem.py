"""That the SIEM takes no events, and that it takes them again: so that nobody believes a copy which is not made."""

from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage.work import Work


def note_waits(work: Work, node: str, why: str) -> None:
    permit(work.actor, "run")
    work.note(Fact("siem.waits", node, {"why": why}))


def note_runs(work: Work, node: str) -> None:
    permit(work.actor, "run")
    work.note(Fact("siem.runs", node))
