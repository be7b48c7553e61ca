"""The built-in ticket: every step of a request's story adds one sentence. Telling the same entry twice writes it
once.
"""

from breakglass.identity.access import permit
from breakglass.model import ticket as tickets
from breakglass.model.grant import Grant
from breakglass.model.ids import RequestId, TicketId
from breakglass.model.request import AccessRequest
from breakglass.model.review import Review
from breakglass.model.session import Session
from breakglass.model.ticket import Ticket, TicketLine
from breakglass.storage.outbox import Told
from breakglass.storage.work import Read, Work


def tell(work: Work, told: Told, sentence: str) -> Ticket | None:
    """None when the entry belongs to no request."""
    permit(work.actor, "run", told.about)
    request = request_of(work, told)
    if request is None:
        return None
    line_id = f"line_{told.index}"
    if work.find(TicketLine, id=line_id):
        return None
    there = work.find(Ticket, request=request.id)
    ticket = (
        there[0]
        if there
        else Ticket(id=TicketId(work.new_id("tkt")), request=request.id, title=request.reason[:120], opened_at=work.now)
    )
    line = TicketLine(id=line_id, ticket=ticket.id, text=sentence, at=told.at)
    if not there:
        return work.apply(tickets.open_with(ticket, line))
    return work.apply(tickets.told(ticket, line, last=told.kind == "review.signed"))


def request_of(look: Read, told: Told) -> AccessRequest | None:
    """The request in whose story this entry stands."""
    data = told.data
    id = data.get("request") or (told.about if told.about.startswith("req_") else "")
    grant = data.get("grant") or (told.about if told.about.startswith("grt_") else "")
    if not id and told.about.startswith("ses_"):
        found = look.find(Session, id=told.about)
        grant = found[0].grant if found else ""
    if not id and told.about.startswith("rev_"):
        reviewed = look.find(Review, id=told.about)
        id = reviewed[0].request if reviewed else ""
    if not id and grant:
        granted = look.find(Grant, id=grant)
        id = granted[0].request if granted else ""
    requests = look.find(AccessRequest, id=RequestId(id)) if id else []
    return requests[0] if requests else None
