"""Step 7 of the story: an auditor who neither asked nor approved replays, judges and signs. Until then the account
rests.
"""

from collections.abc import Sequence

from breakglass.audit.evidence import entry_of
from breakglass.codec.lines import clean
from breakglass.errors import BadSignature, Malformed
from breakglass.flow.statements import LONG, SHORT, checked, draw_up, find_signed
from breakglass.identity.access import permit
from breakglass.model import review as reviews
from breakglass.model import rotation as rotations
from breakglass.model import session as sessions
from breakglass.model.change import Change, Fact
from breakglass.model.ids import ReviewId, SessionId, UserId
from breakglass.model.recording import Recording
from breakglass.model.request import AccessRequest, Approval
from breakglass.model.review import SUMMARY_MAX, Classification, Item, Review
from breakglass.model.rotation import Rotation
from breakglass.model.session import Session
from breakglass.model.ticket import Ticket
from breakglass.storage.work import Read, Work
from breakglass.trust.chain import Chain
from breakglass.trust.reviewed import line_of
from breakglass.trust.statement import Kind, Signed, Statement

SCREEN = "screen"


def involved(look: Read, review: Review) -> set[UserId]:
    """Who asked and who approved: none of them may review."""
    approvals = look.find(Approval, request=review.request)
    return {look.get(AccessRequest, review.request).by, *(approval.by for approval in approvals)}


def items(look: Read, review: Review, auditor: UserId) -> Sequence[Item]:
    """The checklist as it stands, for this auditor."""
    used = look.find(Session, grant=review.grant)
    changed = [r for r in look.find(Rotation, account=review.account) if r.grant == review.grant]
    recorded = [s for s in used if any(r.size and not r.lost for r in look.find(Recording, session=s.id))]
    replayed = all(entry_of(look, "recording.replayed", f"{s.id}/{auditor}") is not None for s in recorded)
    return reviews.checklist(
        sessions_ended=all(s.state is sessions.State.ENDED for s in used),
        rotated=all(r.state is rotations.State.DONE for r in changed) and bool(changed or not used),
        replayed=replayed,
        ticket=bool(look.find(Ticket, request=review.request)),
    )


def offer(work: Work, chain: Chain, id: ReviewId, classification: Classification, summary: str) -> Statement:
    """The text that the acting auditor would sign. Refused while an item of the checklist is open."""
    permit(work.actor, "review", id)
    summary = clean(summary)
    if not summary or len(summary) > SUMMARY_MAX:
        raise Malformed(
            f"The summary must have 1 to {SUMMARY_MAX} characters.",
            what_to_do="Say what was done, and whether it was right.",
        )
    review = work.get(Review, id)
    facts = _facts(work, review, classification, summary)
    _sign(work, review, work.actor.id, Signed("", ""), facts)  # the rule's own refusals, before anybody signs in vain
    return draw_up(work, chain, Kind.REVIEW, id, facts, until=work.now + LONG)


def sign(work: Work, chain: Chain, id: ReviewId, signature: str, text: str | None = None) -> Review:
    permit(work.actor, "review", id)
    review = work.get(Review, id)
    signed = find_signed(work, work.actor, Kind.REVIEW, id, signature, text)
    statement = checked(work, chain, signed, Kind.REVIEW, id)
    if statement.person != work.actor.id:
        raise BadSignature("Somebody else signed this.", what_to_do="An auditor signs their own review.", about=id)
    facts = dict(statement.facts)
    if facts != _facts(work, review, Classification(facts["classification"]), facts["summary"]):
        raise BadSignature(
            "The signed text does not fit this review any more.",
            what_to_do="Get a fresh statement and sign that.",
            about=id,
        )
    return work.apply(_sign(work, review, work.actor.id, signed, facts))


def offer_replay(work: Work, chain: Chain, id: SessionId) -> Statement:
    """The text by which an auditor takes responsibility for seeing a recording."""
    permit(work.actor, "replay", id)
    session = work.get(Session, id)
    facts = {"session": session.id, "stream": SCREEN}
    return draw_up(work, chain, Kind.REPLAY, id, facts, until=work.now + SHORT)


def replay(work: Work, chain: Chain, id: SessionId, signature: str, text: str | None = None) -> Signed:
    """Tell the log that a recording is about to be opened; the vault asks for this entry, and judges the statement."""
    permit(work.actor, "replay", id)
    session = work.get(Session, id)
    signed = find_signed(work, work.actor, Kind.REPLAY, id, signature, text)
    checked(work, chain, signed, Kind.REPLAY, id)
    data = {"purpose": "replay", "account": session.account, "statement": signed.text, "signature": signed.signature}
    work.note(Fact("secret.release", id, data))
    return signed


def replayed(work: Work, id: SessionId) -> None:
    """The recording was handed out to the acting auditor."""
    permit(work.actor, "replay", id)
    [recording] = work.find(Recording, session=id)
    work.note(Fact("recording.replayed", f"{id}/{work.actor.id}", {"recording": recording.id, "head": recording.head}))


def _facts(look: Read, review: Review, classification: Classification, summary: str) -> dict[str, str]:
    used = look.find(Session, grant=review.grant)
    found = [recording for session in used for recording in look.find(Recording, session=session.id)]
    heads = [recording.head for recording in found if recording.head and not recording.lost]
    lost = [recording.head for recording in found if recording.head and recording.lost]
    return {
        "request": review.request,
        "grant": review.grant,
        "account": review.account,
        "recordings": line_of(heads, lost),
        "classification": classification.value,
        "summary": summary,
    }


def _sign(work: Work, review: Review, by: UserId, signed: Signed, facts: dict[str, str]) -> Change[Review]:
    return reviews.sign(
        review,
        by=by,
        involved=involved(work, review),
        items=items(work, review, by),
        classification=Classification(facts["classification"]),
        summary=facts["summary"],
        statement=signed.text,
        signature=signed.signature,
        now=work.now,
    )
