"""The server's clock stood wrong: custodians confirm the present instant, and everything goes on from there.

    the clock went back ─▶ offer, sign (custodian 1) ─▶ offer, sign (custodian 2) ─▶ the vault judges ─▶ confirmed
                                                                                              └▶ refused: sign anew

`now = max(clock, last logged)`, so one entry in the far future makes everything "now" that instant: requests, grants
and pauses stand still there until the clock catches up, and the vault, which saw that instant too, opens nothing.
Nothing is lengthened by it: grants end, whoever is connected is cut by the monotonic clock, nobody new gets in.

When custodians confirm the time, it is the log's present (the one entry whose instant may lie before the last one's),
and what was dated in the time that never was ends, because its deadline means nothing: requests that still wait, open
grants, sign-ins, statements on offer. Approved requests stay: their grants open now. Pauses and leases of duties and
rotations end now too.
"""

from datetime import datetime, timedelta

from breakglass.audit import times
from breakglass.codec import instant
from breakglass.errors import AlreadyApproved, BadSignature, WrongState
from breakglass.flow import close, rotate
from breakglass.flow.sign_in import LASTS
from breakglass.flow.statements import LONG, SHORT, custodians_word, draw_up
from breakglass.identity.access import permit
from breakglass.model import grant as grants
from breakglass.model import request as requests
from breakglass.model import rotation as rotations
from breakglass.model.change import Fact
from breakglass.model.grant import Grant
from breakglass.model.request import AccessRequest
from breakglass.model.rotation import Rotation
from breakglass.storage import offers, outbox, sign_ins
from breakglass.storage.work import Read, Work
from breakglass.trust import clock
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Kind, Signed, Statement, parse

LEEWAY = timedelta(seconds=60)
"""As much as the vault takes without notice (vault.clock)."""
WHY = "it was from a time when the clock stood wrong"


def is_wrong(now: datetime, wall: datetime, *, frozen: bool) -> bool:
    """Whether there is anything to confirm: the vault is frozen, or the log is ahead of the clock."""
    return frozen or now > wall + LEEWAY


def offer(work: Work, chain: Chain, wall: datetime, *, frozen: bool) -> Statement:
    """The text by which the acting custodian confirms that it is now `wall`. Raises `WrongState` while all is well."""
    permit(work.actor, "clock")
    subject = clock.subject(chain.head.deployment)
    if not is_wrong(work.now, wall, frozen=frozen):
        raise WrongState("The clock runs.", what_to_do="Nothing: nobody needs to confirm it.", about=subject)
    return draw_up(work, chain, Kind.CLOCK, subject, {"now": instant.write(wall)}, until=work.now + SHORT)


def sign(work: Work, chain: Chain, wall: datetime, signature: str, text: str | None = None) -> None:
    """Take one custodian's word; the vault then judges whether there are enough. It counts for who signed it."""
    subject = clock.subject(chain.head.deployment)
    signed, statement = custodians_word(work, chain, Kind.CLOCK, subject, signature, text)
    if abs(instant.read(statement.facts["now"]) - wall) > clock.APART:
        raise BadSignature(
            f"The clock says {instant.write(wall)}, the statement {statement.facts['now']}.",
            what_to_do="Set the server's clock right first, then sign a fresh statement.",
            about=subject,
        )
    if any(parse(other.text).nonce == statement.nonce for other in times.ever(work, subject)) or any(
        parse(other.text).person == statement.person for other in times.words(work, subject)
    ):
        raise AlreadyApproved("You have confirmed the time.", what_to_do="Another custodian signs too.", about=subject)
    work.note(Fact(times.SIGNED, subject, {"statement": signed.text, "signature": signed.signature}))


def waiting(look: Read, chain: Chain) -> list[Signed]:
    """The custodians' words, when there are enough for the vault to judge."""
    found = times.words(look, clock.subject(chain.head.deployment))
    return found if len(found) >= clock.needs(chain.head, look.now) else []


def refused(work: Work, chain: Chain, why: str) -> None:
    """The vault does not take their word: they sign anew."""
    permit(work.actor, "run")
    work.note(Fact(times.REFUSED, clock.subject(chain.head.deployment), {"why": why}))


def confirmed(work: Work, chain: Chain, now: datetime) -> None:
    """The vault took their word that it is `now`. Once, however often it is told."""
    permit(work.actor, "run")
    if not waiting(work, chain):
        return
    work.set_time(now, Fact(times.CONFIRMED, clock.subject(chain.head.deployment), {"before": instant.write(work.now)}))
    for request in work.find(AccessRequest, state=requests.State.PENDING):
        if request.asked_at > now:
            work.apply(requests.undo(request, why=WHY))
    for grant in work.find(Grant, state=grants.State.ACTIVE):
        if grant.opened_at > now:
            close.end(work, grant, grants.State.REVOKED, WHY)
    for rotation in _waiting_rotations(work):
        if rotation.next_at > now or (rotation.leased_until or now) > now:
            work.apply(rotations.not_later(rotation, now=now, lease_until=now + rotate.LEASE))
    outbox.not_later(work, now)
    offers.not_later(work, now + LONG)
    sign_ins.not_later(work, now + LASTS)


def note_went_back(work: Work, chain: Chain, wall: datetime) -> None:
    """The node sees that the clock stands before what was logged, or that the vault is frozen."""
    permit(work.actor, "run")
    data: dict[str, str | int | bool] = {"says": instant.write(wall), "seen": instant.write(work.now)}
    work.note(Fact("clock.went_back", clock.subject(chain.head.deployment), data))


def note_caught_up(work: Work, chain: Chain) -> None:
    """It stands right again."""
    permit(work.actor, "run")
    work.note(Fact("clock.runs", clock.subject(chain.head.deployment)))


def _waiting_rotations(look: Read) -> list[Rotation]:
    states = (state for state in rotations.State if state is not rotations.State.DONE)
    return [one for state in states for one in look.find(Rotation, state=state)]
