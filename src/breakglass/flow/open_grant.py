"""Between approval and connection: the grant that the vault signed is put down. The vault judged; this step only
keeps it.
"""

from breakglass.identity.access import permit
from breakglass.model import grant as grants
from breakglass.model.change import Fact
from breakglass.model.grant import Grant
from breakglass.storage.work import Work
from breakglass.trust.grant import Token


def open_grant(work: Work, token: Token, note: str) -> Grant:
    """Put down a verified token; once, however often it is told."""
    permit(work.actor, "run", token.grant)
    there = work.find(Grant, id=token.grant)
    if there:
        return there[0]
    grant = Grant(
        id=token.grant,
        request=token.request,
        to=token.person,
        key=token.key,
        account=token.account,
        token=note,
        opened_at=token.opened_at,
        ends_at=token.not_after,
    )
    return work.apply(grants.open_as(grant))


def note_refused(work: Work, request: str, why: str) -> None:
    """The vault does not find in the statements what the table says: somebody may have changed the database."""
    permit(work.actor, "run", request)
    work.note(Fact("grant.refused", request, {"request": request, "why": why}))
