"""Reviews as people see them: what is owed, and until when."""

from breakglass.model.people import Actor
from breakglass.model.request import AccessRequest
from breakglass.model.review import Review, State
from breakglass.storage.work import Read
from breakglass.trust.statement import parse
from breakglass.views import say, shapes
from breakglass.views.book import Book, sees_all
from breakglass.views.rows import columns, found


def listed(
    look: Read, book: Book, viewer: Actor, *, owed: bool, limit: int = 50, skip: int = 0
) -> tuple[shapes.Review, ...]:
    """The newest first; `owed`: only those that nobody has signed."""
    v, r = columns(Review), columns(AccessRequest)
    where = [v.state == State.OPEN] if owed else []
    if not sees_all(viewer):
        own = found(look, AccessRequest, r.by == viewer.id)
        where.append(v.request.in_([one.id for one in own]))
    rows = found(look, Review, *where, newest="opened_at", limit=limit, skip=skip)
    return tuple(shown(look, book, one) for one in rows)


def shown(look: Read, book: Book, review: Review) -> shapes.Review:
    place, now = book.place(review.account), look.now
    by = book.who(review.by) if review.by else None
    if by and review.signed_at and review.classification:
        sentence = f"Signed by {by.name} {say.at(review.signed_at, now)}: {review.classification.value}."
    elif now >= review.due_at:
        sentence = (
            f"OVERDUE since {say.at(review.due_at, now)}: {say.where(place)} takes no request until it is signed."
        )
    else:
        sentence = f"Owed {say.until(review.due_at, now)}: {say.where(place)} takes no request until it is signed."
    return shapes.Review(
        id=review.id,
        request=review.request,
        grant=review.grant,
        place=place,
        opened_at=review.opened_at,
        due_at=review.due_at,
        state=review.state.value,
        by=by,
        classification=review.classification.value if review.classification else "",
        summary=review.summary,
        signed_at=review.signed_at,
        recordings=parse(review.statement).facts["recordings"] if review.statement else "",
        sentence=sentence,
    )
