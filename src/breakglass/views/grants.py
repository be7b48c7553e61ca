"""Grants as people see them. The token stays where it is: it is the vault's word to the gateway."""

from collections.abc import Sequence
from datetime import datetime

from breakglass.errors import NotFound
from breakglass.model.grant import Grant, State
from breakglass.model.people import Actor
from breakglass.storage.work import Read
from breakglass.views import say, shapes
from breakglass.views.book import Book, sees_all
from breakglass.views.rows import columns, found


def shown(book: Book, grant: Grant, now: datetime) -> shapes.Grant:
    over = grant.state is State.ACTIVE and now >= grant.ends_at
    state = State.EXPIRED if over else grant.state
    place = book.place(grant.account)
    live = state is State.ACTIVE
    return shapes.Grant(
        id=grant.id,
        request=grant.request,
        to=book.who(grant.to),
        key=grant.key,
        place=place,
        opened_at=grant.opened_at,
        ends_at=grant.ends_at,
        state=state.value,
        connect=book.connect(grant.to, grant.account) if live else "",
        sentence=f"Open for {say.where(place)} {say.until(grant.ends_at, now)}."
        if live
        else f"The grant for {say.where(place)} is {state.value}.",
    )


def listed(
    look: Read, book: Book, viewer: Actor, *, live: bool, limit: int = 50, skip: int = 0
) -> tuple[shapes.Grant, ...]:
    """The newest first; `live`: only those that let somebody in at this moment."""
    g = columns(Grant)
    where = [] if sees_all(viewer) else [g["to"] == viewer.id]
    if live:
        where += [g.state == State.ACTIVE, g.ends_at > look.now]
    return tuple(
        shown(book, one, look.now) for one in found(look, Grant, *where, newest="opened_at", limit=limit, skip=skip)
    )


def mine(look: Read, book: Book, viewer: Actor) -> tuple[shapes.Grant, ...]:
    """Live grants of this person, the one that lasts longest first."""
    g = columns(Grant)
    live = found(look, Grant, g["to"] == viewer.id, g.state == State.ACTIVE, g.ends_at > look.now, newest="ends_at")
    return tuple(shown(book, one, look.now) for one in live)


def one(look: Read, book: Book, viewer: Actor, id: str) -> shapes.Grant:
    """Raises `NotFound`, also for a grant that this person does not see."""
    grant = look.get(Grant, id)
    if grant.to != viewer.id and not sees_all(viewer):
        raise NotFound(f"There is no grant {id!r}.", what_to_do="Check the id.", about=id)
    return shown(book, grant, look.now)


def of_requests(look: Read, ids: Sequence[str]) -> dict[str, Grant]:
    """Grants by the request that they follow from: a request has one at most."""
    return {grant.request: grant for grant in found(look, Grant, columns(Grant).request.in_(ids))} if ids else {}
