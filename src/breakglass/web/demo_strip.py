"""The strip that leads through the story in a demo: which step is next, whose it is, and where.

What is done is read from the same views as every page; nothing is remembered beside them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from breakglass.http.house import House
from breakglass.model.ids import UserId
from breakglass.model.people import Actor, Role
from breakglass.storage.work import Read
from breakglass.views import requests, rotations, shapes
from breakglass.views.book import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    login: str
    """Whose it is."""
    words: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    number: int
    of: int
    step: Step
    name: str
    """Whose step it is, as people call them."""
    mine: bool
    you: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    page: shapes.RequestPage | None
    rotations: tuple[shapes.Rotation, ...]
    verified: bool


async def strip(house: House, actor: Actor | None) -> Strip | None:
    """None outside of a demo, and for nobody."""
    if house.services.demo is None or actor is None:
        return None
    seen = await house.see(_seen)
    verified = house.services.last_verification() is not None
    seen = _Seen(page=seen.page, rotations=seen.rotations, verified=verified)
    open_ = [n for n, (_, done) in enumerate(STEPS) if not done(seen)]
    number = open_[0] if open_ else len(STEPS) - 1
    make, _ = STEPS[number]
    step = make(seen.page)
    people = house.chain.head.people
    whose = people.get(f"usr_{step.login}")
    you = people.get(actor.id)
    return Strip(
        number=number + 1,
        of=len(STEPS),
        step=step,
        name=whose.name if whose else step.login,
        mine=actor.id == f"usr_{step.login}",
        you=you.name if you else "",
    )


def _seen(look: Read, book: Book) -> _Seen:
    auditor = Actor(id=UserId(next(iter(book.roster.people))), roles=frozenset({Role.AUDITOR}))
    newest = requests.listed(look, book, auditor, limit=1)
    if not newest or newest[0].state in ("denied", "cancelled", "expired"):
        return _Seen(page=None, rotations=(), verified=False)
    page = requests.page(look, book, auditor, newest[0].id)
    changed = rotations.listed(look, book, owed=False, limit=50)
    mine = tuple(one for one in changed if page.grant and one.grant == page.grant.id)
    return _Seen(page=page, rotations=mine, verified=False)


def _approved(login: str) -> Callable[[_Seen], bool]:
    return lambda seen: seen.page is not None and any(one.by.login == login for one in seen.page.approvals)


def _to(login: str, words: str, path: str) -> Callable[[shapes.RequestPage | None], Step]:
    """`{request}`, `{grant}` and `{review}` in the path are filled in."""

    def make(page: shapes.RequestPage | None) -> Step:
        request = page.request.id if page else ""
        grant = page.grant.id if page and page.grant else ""
        review = page.review.id if page and page.review else ""
        return Step(login=login, words=words, path=path.format(request=request, grant=grant, review=review))

    return make


def _replayed(seen: _Seen) -> bool:
    return seen.page is not None and any(one.kind == "recording.replayed" for one in seen.page.timeline)


STEPS: tuple[tuple[Callable[[shapes.RequestPage | None], Step], Callable[[_Seen], bool]], ...] = (
    (
        _to("alice", "asks for access to plant-db1: the historian of cold store 2 is down", "/request"),
        lambda seen: seen.page is not None,
    ),
    (_to("bo", "reads the statement and approves", "/requests/{request}/decide"), _approved("bo")),
    (_to("dana", "approves too: two are needed", "/requests/{request}/decide"), _approved("dana")),
    (
        _to("alice", "opens the terminal, reads /srv/coldstore/README, and repairs it", "/requests/{request}"),
        lambda seen: seen.page is not None and bool(seen.page.sessions),
    ),
    (
        _to("alice", "ends her access when she is done", "/requests/{request}"),
        lambda seen: seen.page is not None and seen.page.grant is not None and seen.page.grant.state != "active",
    ),
    (
        _to("carol", "watches the password change: the new one works, the old one is refused", "/rotations"),
        lambda seen: bool(seen.rotations) and all(one.state == "done" for one in seen.rotations),
    ),
    (_to("ivy", "replays the session", "/sessions"), _replayed),
    (
        _to("ivy", "answers the checklist and signs the review", "/reviews/{review}"),
        lambda seen: seen.page is not None and seen.page.review is not None and seen.page.review.state == "signed",
    ),
    (_to("ivy", "verifies the whole log", "/audit"), lambda seen: seen.verified),
    (_to("ivy", "changes one byte in a copy of the log, and verifies that", "/demo/tamper"), lambda seen: False),
)
