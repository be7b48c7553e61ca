"""What stands around each page: the navigation, which shows each person only what they may open.

It asks the routes themselves, so a page that a role may not see can't be linked from there by mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastapi import FastAPI

from breakglass.http.declare import Declared
from breakglass.model.people import Actor
from breakglass.views import shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    path: str
    icon: str
    word: str
    part: str = ""
    """The heading that it begins; empty goes on under the last one."""
    rest: bool = True
    """On a phone only behind More."""
    holds: tuple[str, ...] = ()
    """Further addresses of pages that one comes to from there."""
    here: bool = False
    count: int = 0


ENTRIES: Sequence[Entry] = (
    Entry(path="/", icon="home", word="Home", rest=False),
    Entry(path="/request", icon="key", word="Request", rest=False),
    Entry(path="/requests", icon="clock", word="Requests", rest=False),
    Entry(path="/sessions", icon="screen", word="Sessions", rest=False),
    Entry(path="/audit", icon="log", word="Audit log", part="Prove", holds=("/witnesses", "/next-log", "/erasures")),
    Entry(path="/reviews", icon="check", word="Reviews", part="Prove"),
    Entry(path="/rotations", icon="rotate", word="Password changes", part="Prove"),
    Entry(path="/accounts", icon="lock", word="Accounts", part="Prepare"),
    Entry(path="/custody", icon="safe", word="Custody", part="Prepare"),
    Entry(path="/people", icon="users", word="People", part="Prepare"),
    Entry(path="/proposals", icon="chip", word="Estate changes", part="Prepare"),
    Entry(path="/playbooks", icon="print", word="Playbooks", part="Prepare"),
    Entry(path="/vault", icon="shield", word="Vault", part="Prepare", holds=("/kits", "/clock")),
    Entry(path="/me", icon="user", word="My keys", part="Prepare"),
)


def navigation(app: FastAPI, actor: Actor, path: str, me: shapes.Overview | None) -> tuple[Entry, ...]:
    open_to = {
        route.path
        for route in app.router.routes
        if isinstance(route, Declared) and "GET" in (route.methods or ()) and _may(route, actor)
    }
    shown = [one for one in ENTRIES if one.path in open_to]
    best = max(
        (one.path for one in shown if any(_under(path, it) for it in (one.path, *one.holds))), key=len, default=""
    )
    made: list[Entry] = []
    last = ""
    for one in shown:
        part = one.part if one.part != last else ""
        made.append(replace(one, part=part, here=one.path == best, count=_count(one.path, me)))
        last = one.part
    return tuple(made)


def _may(route: Declared, actor: Actor) -> bool:
    return not isinstance(route.may, frozenset) or bool(route.may & actor.roles)


def _under(path: str, entry: str) -> bool:
    return path == entry or (entry != "/" and path.startswith(f"{entry}/"))


def _count(path: str, me: shapes.Overview | None) -> int:
    """How much is open there."""
    if me is None:
        return 0
    open_there = {
        "/requests": me.to_decide, "/sessions": me.sessions, "/reviews": me.reviews, "/rotations": me.rotations,
    }  # fmt: skip
    return len(open_there.get(path, ()))
