"""One account as people see it: how it is guarded, and what happened with its credential."""

from sqlalchemy import func, select

from breakglass.model.credential import Credential
from breakglass.model.people import Actor
from breakglass.model.request import AccessRequest
from breakglass.model.review import Review
from breakglass.model.review import State as ReviewState
from breakglass.storage.work import Read
from breakglass.views import custody, estate, page_shapes, requests, reviews, rotations
from breakglass.views.book import Book, sees_all
from breakglass.views.rows import columns, found
from breakglass.views.standing import NONE, standings

REQUESTS, ROTATIONS = 20, 30


def page(look: Read, book: Book, viewer: Actor, id: str) -> page_shapes.AccountPage:
    """Raises `NotFound` for one that the estate does not have."""
    account = book.roster.account(id)
    whole = estate.estate(look, book)
    shown = next(one for target in whole.targets for one in target.accounts if one.id == account.id)
    changes = rotations.listed(look, book, owed=False, account=account.id, limit=ROTATIONS)
    c, r, v = columns(Credential), columns(AccessRequest), columns(Review)
    asked = [r.account == account.id] if sees_all(viewer) else [r.account == account.id, r.by == viewer.id]
    owed = found(look, Review, v.account == account.id, v.state == ReviewState.OPEN, newest="opened_at", limit=1)
    return page_shapes.AccountPage(
        items=custody.of_account(look, book, account.id),
        account=shown,
        place=book.place(account.id),
        since=standings(look, account.id).get(account.id, NONE).since,
        versions=look.conn.execute(select(func.count()).where(c.account == account.id)).scalar_one(),
        policy=estate.policy_words(book.roster.policy_of(account)),
        rotations=changes,
        requests=requests.shown(look, book, found(look, AccessRequest, *asked, newest="asked_at", limit=REQUESTS)),
        review=reviews.shown(look, book, owed[0]) if owed else None,
    )
