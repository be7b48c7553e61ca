"""Requests as people see them: the list, and one with everything that belongs to its story."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice, permutations

from sqlalchemy import ColumnElement, select

from breakglass.audit import custody
from breakglass.errors import NotFound
from breakglass.model import policy as policies
from breakglass.model.grant import Grant
from breakglass.model.people import Actor, Role
from breakglass.model.request import AccessRequest, Approval, State
from breakglass.model.review import Review
from breakglass.model.rotation import Rotation
from breakglass.model.ticket import Ticket, TicketLine
from breakglass.storage import books
from breakglass.storage.work import Read
from breakglass.trust.signature import with_ssh_key
from breakglass.views import grants, log, reviews, say, sessions, shapes
from breakglass.views.book import Book, named, sees_all
from breakglass.views.rows import columns, found

WAYS_MAX = 24
"""Orders of a quorum's parts that are tried: all of up to four."""
_ENDED = {
    State.DENIED: "Denied.",
    State.CANCELLED: "Withdrawn by the requester.",
    State.EXPIRED: "Expired: not enough people decided in time.",
}


def listed(
    look: Read, book: Book, viewer: Actor, *, state: State | None = None, limit: int = 50, skip: int = 0
) -> tuple[shapes.Request, ...]:
    """The newest first. Whoever is only a requester sees their own."""
    r = columns(AccessRequest)
    where: list[ColumnElement[bool]] = [] if sees_all(viewer) else [r.by == viewer.id]
    if state is not None:
        where.append(r.state == state)
    return shown(look, book, found(look, AccessRequest, *where, newest="asked_at", limit=limit, skip=skip))


def mine(look: Read, book: Book, viewer: Actor) -> tuple[shapes.Request, ...]:
    """What this person waits for: undecided, or approved and without a grant yet."""
    r, g = columns(AccessRequest), columns(Grant)
    waiting = r.state.in_([State.PENDING, State.APPROVED]) & r.id.not_in(select(g.request))
    rows = found(look, AccessRequest, r.by == viewer.id, waiting, newest="asked_at", limit=20)
    return shown(look, book, [one for one in rows if one.state is not State.PENDING or look.now < one.decide_by])


def to_decide(look: Read, book: Book, viewer: Actor) -> tuple[shapes.Request, ...]:
    """What waits for this person's word: they could fill a place in the quorum and have said nothing yet."""
    r = columns(AccessRequest)
    pending = found(
        look, AccessRequest, r.state == State.PENDING, r.decide_by > look.now, r.by != viewer.id, newest="asked_at"
    )
    waiting = shown(look, book, pending)
    return tuple(one for one in waiting if any(viewer.id == who.id for need in one.needs for who in need.people))


def page(look: Read, book: Book, viewer: Actor, id: str) -> shapes.RequestPage:
    """One request and its story. Raises `NotFound`, also for one that this person does not see."""
    request = look.get(AccessRequest, id)
    if request.by != viewer.id and not sees_all(viewer):
        raise NotFound(f"There is no request {id!r}.", what_to_do="Check the id.", about=id)
    approvals = sorted(look.find(Approval, request=id), key=lambda one: one.at)
    grant = grants.of_requests(look, [id]).get(id)
    used = sessions.of_grant(look, book, grant.id) if grant else ()
    reviewed = look.find(Review, request=id)
    changed = look.find(Rotation, grant=grant.id) if grant else []
    about = [id, *([grant.id] if grant else []), *(one.id for one in used)]
    about += [*(one.id for one in reviewed), *(one.id for one in changed)]
    items = custody.of_request(look, id)
    return shapes.RequestPage(
        request=shown(look, book, [request])[0],
        playbook=book.condition(request.condition)[1],
        approvals=tuple(
            shapes.Approval(by=book.who(one.by), at=one.at, statement=one.statement, signature=one.signature)
            for one in approvals
        ),
        grant=grants.shown(book, grant, look.now) if grant else None,
        sessions=used,
        review=reviews.shown(look, book, reviewed[0]) if reviewed else None,
        ticket=_ticket(look, id),
        timeline=log.timeline(look, book, about, replays_of=[one.id for one in used], also=items),
    )


def shown(look: Read, book: Book, requests: Sequence[AccessRequest]) -> tuple[shapes.Request, ...]:
    """Two queries for all of them, and a third when an approved one has no grant."""
    ids = [one.id for one in requests]
    if not ids:
        return ()
    a = columns(Approval)
    given: dict[str, list[Approval]] = {id: [] for id in ids}
    for approval in sorted(found(look, Approval, a.request.in_(ids)), key=lambda one: one.at):
        given[approval.request].append(approval)
    granted = grants.of_requests(look, ids)
    refused = _refused(look, [one.id for one in requests if one.state is State.APPROVED and one.id not in granted])
    return tuple(_one(look, book, one, given[one.id], granted.get(one.id), refused.get(one.id, "")) for one in requests)


def _one(
    look: Read, book: Book, request: AccessRequest, given: Sequence[Approval], grant: Grant | None, refused: str
) -> shapes.Request:
    late = request.state is State.PENDING and look.now >= request.decide_by
    state = State.EXPIRED if late else request.state
    approved_by = book.people(one.by for one in given)
    needs = _needs(book, request, given, look.now) if state is State.PENDING else ()
    if state is State.PENDING:
        sentence = _waiting(book, request, given, needs, look.now)
    elif state is State.APPROVED:
        sentence = f"Approved by {say.names(approved_by)}. {_granted(book, grant, refused, look.now)}"
    else:
        sentence = _ENDED[state]
    return shapes.Request(
        id=request.id,
        by=book.who(request.by),
        place=book.place(request.account),
        condition=request.condition,
        condition_title=book.condition(request.condition)[0],
        reason=request.reason,
        minutes=int(request.access_for.total_seconds() // 60),
        asked_at=request.asked_at,
        decide_by=request.decide_by,
        state=state.value,
        approved_by=approved_by,
        needs=needs,
        grant=grant.id if grant else "",
        sentence=sentence,
    )


def _needs(book: Book, request: AccessRequest, given: Sequence[Approval], now: datetime) -> tuple[shapes.Need, ...]:
    """What the quorum still lacks, and who could fill it: active approvers of that group who have said nothing yet.

    Somebody in two groups may count for either, so there can be several ways to say what is missing: the one is told
    that the people who are left can fill."""
    roster = book.roster
    if request.account not in roster.accounts:
        return ()
    quorum = roster.policy_of(roster.account(request.account)).quorum
    said, groups = [one.by for one in given], roster.groups_of(now)
    others = [
        one
        for one in roster.people.values()
        if Role.APPROVER in one.roles and one.active(now) and one.id != request.by and one.id not in said
    ]

    def told(order: tuple[policies.Part, ...]) -> tuple[shapes.Need, ...]:
        return tuple(
            shapes.Need(
                group=part.group,
                count=part.count,
                people=tuple(named(one) for one in others if part.group in one.groups),
            )
            for part in policies.missing(order, said, groups)
        )

    ways = [told(order) for order in islice(permutations(quorum), WAYS_MAX)]
    return next((way for way in ways if all(len(need.people) >= need.count for need in way)), ways[0])


def _waiting(
    book: Book, request: AccessRequest, given: Sequence[Approval], needs: Sequence[shapes.Need], now: datetime
) -> str:
    roster = book.roster
    if request.account not in roster.accounts:
        return "The estate does not have this account any more: nobody can approve this."
    policy = roster.policy_of(roster.account(request.account))
    places = sum(part.count for part in policy.quorum)
    by_ssh = {one.by for one in given if with_ssh_key(one.signature)}
    lacking = policy.lacks([one.by for one in given], by_ssh, roster.groups_of(now))
    said = [f"{places - sum(need.count for need in needs)} of {places} approvals."]
    if needs:
        said.append(f"Waiting for {say.needs(needs)}.")
    if lacking.ssh_signatures:
        said.append(f"{lacking.ssh_signatures} more must be signed with ssh-keygen.")
    return " ".join([*said, f"Decide by {say.at(request.decide_by, now)}."])


def _granted(book: Book, grant: Grant | None, refused: str, now: datetime) -> str:
    if grant is not None:
        return grants.shown(book, grant, now).sentence
    if refused:
        return f"The vault REFUSED the grant: {refused}"
    return "The grant opens in a moment; while the vault is sealed it waits for the custodians."


def _refused(look: Read, ids: Sequence[str]) -> dict[str, str]:
    """Why the vault gave no grant, by request."""
    if not ids:
        return {}
    e = books.entry.c
    rows = look.conn.execute(select(e.about, e.leaf).where(e.kind == "grant.refused", e.about.in_(ids)).order_by(e.idx))
    return {row.about: str(log.data_of(row.leaf).get("why", "")) for row in rows}


def _ticket(look: Read, request: str) -> tuple[shapes.Line, ...]:
    t, line = columns(Ticket), columns(TicketLine)
    rows = found(look, TicketLine, line.ticket.in_(select(t.id).where(t.request == request)))
    # A line's id ends in the number of the entry that it tells of: two of one instant stay in order.
    ordered = sorted(rows, key=lambda one: (one.at, int(one.id.rpartition("_")[2])))
    return tuple(shapes.Line(at=one.at, text=one.text) for one in ordered)
