"""Private values of the log are erased, when an auditor and a custodian have signed that they go.

    offer (who begins) ─▶ sign ─▶ erasure.signed
    again (the other)  ─▶ sign ─▶ erasure.signed, entry.erased …, erasure.done

Values, the rows that follow from them, and the entries that say so go in one transaction. The entries keep their
commitments, so every hash and proof stays (codec.private, trust.erasure; docs/design/0016).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from breakglass.audit import erasing
from breakglass.audit.erasing import DONE, GONE, SIGNED
from breakglass.codec.lines import clean
from breakglass.codec.private import ERASED
from breakglass.errors import AlreadyApproved, BadSignature, Malformed, NotFound, WrongState
from breakglass.flow.statements import LONG, checked, draw_up, find_signed
from breakglass.identity.access import permit
from breakglass.model.change import Change, Entity, Fact
from breakglass.model.grant import Grant
from breakglass.model.grant import State as GrantState
from breakglass.model.request import AccessRequest, Approval
from breakglass.model.request import State as RequestState
from breakglass.model.review import Review
from breakglass.model.review import State as ReviewState
from breakglass.model.session import Session
from breakglass.model.ticket import Ticket, TicketLine
from breakglass.storage import openings
from breakglass.storage.openings import Held
from breakglass.storage.work import Read, Work
from breakglass.trust import erasure
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Kind, Statement, parse

_ALONE = "sign-in"
"""Entries about this are about nothing that has a row: each stands for itself."""


def offer(work: Work, chain: Chain, id: str, entries: Sequence[int], because: str) -> Statement:
    """The text by which the acting person wants these entries' private values erased, with all that is private of the
    same sessions, requests and grants. Raises what `must_be_erasable` raises, `NotFound`, `Malformed`."""
    permit(work.actor, "erase", id)
    because = clean(because)
    if not because:
        raise Malformed("It does not say why.", what_to_do="Say it in one sentence, and name nobody in it.")
    wanted = _with_their_like(work, openings.held(work, indexes=entries))
    if missing := sorted(set(entries) - {one.index for one in wanted}):
        raise NotFound(f"Entry {missing[0]} holds no private value.", what_to_do="Look at `breakglass audit private`.")
    for one in wanted:
        must_be_erasable(work, one, work.actor.id)
    facts = {"entries": erasure.entries_line([one.index for one in wanted]), "because": because}
    return draw_up(work, chain, Kind.ERASE, id, facts, until=work.now + LONG)


def again(work: Work, chain: Chain, id: str) -> Statement:
    """The text for the other person who must sign. Raises `NotFound` for an erasure that nobody has begun."""
    permit(work.actor, "erase", id)
    said = _words(work, id)
    if not said:
        raise NotFound("Nobody has begun this erasure.", what_to_do="Begin it: `breakglass audit erase`.", about=id)
    return draw_up(work, chain, Kind.ERASE, id, said[0].facts, until=work.now + LONG)


def sign(work: Work, chain: Chain, id: str, signature: str, text: str | None = None) -> int:
    """Take one person's word; with the second one the values go. Returns the number of entries that were erased."""
    permit(work.actor, "bring", id)
    signed = find_signed(work, work.actor, Kind.ERASE, id, signature, text)
    statement = checked(work, chain, signed, Kind.ERASE, id)
    before = _words(work, id)
    if not erasure.SIGNS & chain.head.people[statement.person].roles:
        raise BadSignature("Only auditors and custodians sign this.", what_to_do="Ask one of them.", about=id)
    if any(one.person == statement.person or one.nonce == statement.nonce for one in before):
        raise AlreadyApproved("You have signed this.", what_to_do="The other one signs too.", about=id)
    if before and before[0].facts["entries"] != statement.facts["entries"]:
        raise BadSignature("It names other entries.", what_to_do="Take a fresh text and sign that.", about=id)
    entries = erasure.read_entries(statement.facts["entries"])
    held = openings.held(work, indexes=entries)
    if len(held) != len(entries):
        raise WrongState("Some of these values were erased meanwhile.", what_to_do="Begin anew, with the rest.")
    for one in held:
        must_be_erasable(work, one, statement.person)
    work.note(Fact(SIGNED, id, {"statement": signed.text, "signature": signed.signature}))
    signers = {one.person: chain.head.people[one.person].roles for one in [*before, statement]}
    if not erasure.enough(signers):
        return 0
    for about in dict.fromkeys(one.about for one in held):
        _erase(work, id, about, [one for one in held if one.about == about])
    work.note(Fact(DONE, id, {"entries": len(held)}))
    return len(held)


def must_be_erasable(look: Read, one: Held, person: str) -> None:
    """Raises `WrongState` while it is evidence that somebody still needs, or for ever where a statement holds it too;
    `BadSignature` for a person's own entries."""
    if one.by == person:
        raise BadSignature(
            f"Entry {one.index} is about what you did yourself.", what_to_do="Others have it erased.", about=one.about
        )
    for grant in _grants(look, one.about):
        reviewed = look.find(Review, grant=grant.id)
        if grant.state is GrantState.ACTIVE or any(review.state is not ReviewState.SIGNED for review in reviewed):
            raise WrongState(
                f"Entry {one.index} belongs to a grant that was not reviewed yet.",
                what_to_do="Erase it when the review is signed.",
                about=one.about,
            )
    for request in look.find(AccessRequest, id=one.about):
        if request.state is RequestState.PENDING or look.find(Approval, request=request.id):
            raise WrongState(
                f"Entry {one.index}: a request that waits is needed, and a reason that somebody approved stands in "
                "their statement.",
                what_to_do="It can't be erased.",
                about=one.about,
            )


def of_person(look: Read, person: str, signer: str) -> tuple[list[int], int]:
    """Entries by this person whose private values can be erased now, and how many more can't."""
    found: list[int] = []
    left = 0
    for one in openings.held(look, by=person):
        try:
            for like in _with_their_like(look, [one]):
                must_be_erasable(look, like, signer)
        except (WrongState, BadSignature):
            left += 1
        else:
            found.append(one.index)
    return found, left


def _with_their_like(look: Read, held: Iterable[Held]) -> list[Held]:
    """With all that is private of the same things: what a row says follows from several entries."""
    found = {one.index: one for one in held}
    for about in {one.about for one in found.values()} - {_ALONE}:
        found |= {one.index: one for one in openings.held(look, about=about)}
    return [found[index] for index in sorted(found)]


def _words(look: Read, id: str) -> list[Statement]:
    return [parse(one.text) for one in erasing.words(look, id)]


def _grants(look: Read, about: str) -> list[Grant]:
    grants: list[str] = [session.grant for session in look.find(Session, id=about)]
    return [grant for id in grants or [about] for grant in look.find(Grant, id=id)]


def _erase(work: Work, id: str, about: str, held: Sequence[Held]) -> None:
    """All that is private of one thing: the openings, its row, and its ticket's lines that told of it."""
    for one in held:
        openings.erase(work, one.index, one.names)
    facts = [
        Fact(GONE, about, {"entry": one.index, "fields": " ".join(sorted(one.names)), "erasure": id}) for one in held
    ]
    names = {name for one in held for name in one.names}
    lines = [replace(line, text=str(ERASED)) for one in held for line in work.find(TicketLine, id=f"line_{one.index}")]
    also: list[Entity] = [*lines]
    row: Any = None
    for session in work.find(Session, id=about):
        came = str(ERASED) if "from" in names else session.from_address
        row = replace(session, from_address=came, why=str(ERASED) if "why" in names else session.why)
    for request in work.find(AccessRequest, id=about):
        row = replace(request, reason=str(ERASED))
        also += [replace(ticket, title=str(ERASED)) for ticket in work.find(Ticket, request=request.id)]
    for grant in work.find(Grant, id=about):
        row = grant
    if row is None:
        work.note(*facts)
    else:
        work.apply(Change(row, (facts[0], *facts[1:]), also=tuple(also)))
