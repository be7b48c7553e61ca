"""Deadlines made prompt: what is over is put down as over. Every use has refused it already, by the clock itself."""

from breakglass.flow import close
from breakglass.identity.access import permit
from breakglass.model import grant as grants
from breakglass.model import request as requests
from breakglass.model.grant import Grant
from breakglass.model.request import AccessRequest
from breakglass.storage.work import Read, Work

SLICE = 50
"""At most so many at once: the writer serves everybody."""


def overdue(look: Read) -> tuple[list[AccessRequest], list[Grant]]:
    pending = [r for r in look.find(AccessRequest, state=requests.State.PENDING) if look.now >= r.decide_by]
    active = [g for g in look.find(Grant, state=grants.State.ACTIVE) if look.now >= g.ends_at]
    return pending[:SLICE], active[:SLICE]


def sweep(work: Work) -> int:
    """Expire what is due; returns how many."""
    permit(work.actor, "run")
    pending, active = overdue(work)
    for request in pending:
        work.apply(requests.expire(request, now=work.now))
    for grant in active:
        close.expire(work, grant)
    return len(pending) + len(active)
