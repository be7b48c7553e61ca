"""One review with all that its auditor looks at: the request, the sessions, and the checklist as it stands for them."""

from collections.abc import Callable, Sequence

from breakglass.errors import NotFound
from breakglass.model.ids import UserId
from breakglass.model.people import Actor, Role
from breakglass.model.request import AccessRequest, Approval
from breakglass.model.review import Item, Review, State
from breakglass.model.rotation import Rotation
from breakglass.storage.work import Read
from breakglass.views import requests, reviews, rotations, sessions, shapes
from breakglass.views.book import Book, sees_all

Checklist = Callable[[Read, Review, UserId], Sequence[Item]]
"""`flow.review.items`: the same answer as the step gives that will judge the signature."""


def page(look: Read, book: Book, viewer: Actor, id: str, checklist: Checklist) -> shapes.ReviewPage:
    """Raises `NotFound`, also for a review that this person does not see."""
    review = look.get(Review, id)
    request = look.get(AccessRequest, review.request)
    if request.by != viewer.id and not sees_all(viewer):
        raise NotFound(f"There is no review {id!r}.", what_to_do="Check the id.", about=id)
    involved = {request.by, *(approval.by for approval in look.find(Approval, request=review.request))}
    items = checklist(look, review, viewer.id)
    return shapes.ReviewPage(
        review=reviews.shown(look, book, review),
        request=requests.shown(look, book, [request])[0],
        sessions=sessions.of_grant(look, book, review.grant),
        rotations=tuple(rotations.shown(look, book, one) for one in _changed(look, review)),
        items=tuple(shapes.Item(name=one.name, done=one.done, what_to_do=one.what_to_do) for one in items),
        may_sign=review.state is State.OPEN and Role.AUDITOR in viewer.roles and viewer.id not in involved,
    )


def _changed(look: Read, review: Review) -> Sequence[Rotation]:
    return sorted(look.find(Rotation, grant=review.grant), key=lambda one: one.owed_at)
