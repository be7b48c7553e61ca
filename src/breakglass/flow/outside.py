"""Somebody outside whom the node needs (the SIEM, a timestamp authority, a witness) does not answer, and answers again:
so that nobody believes a copy which is not made."""

from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage.work import Work


def waits(work: Work, what: str, about: str, why: str) -> None:
    """`siem.waits`, `anchor.waits`, `copy.waits`, `witness.waits`."""
    permit(work.actor, "run")
    work.note(Fact(f"{what}.waits", about, {"why": why[:300]}))


def runs(work: Work, what: str, about: str) -> None:
    permit(work.actor, "run")
    work.note(Fact(f"{what}.runs", about))
