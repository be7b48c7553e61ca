"""The home page in three answers: Am I in? What am I waiting for? What's next?"""

from datetime import datetime

from breakglass.model.people import Actor, Role
from breakglass.storage.work import Read
from breakglass.views import clock, grants, requests, reviews, rotations, say, sessions, shapes, witnesses
from breakglass.views.book import Book


def overview(
    look: Read, book: Book, viewer: Actor, *, vault: shapes.Vault, wall: datetime | None = None
) -> shapes.Overview:
    """`wall`: what the clock says; None where nobody asks."""
    timed = clock.shown(look, book, wall=wall or look.now, vault=vault)
    override = witnesses.notice(look, book, viewer)
    live = grants.mine(look, book, viewer)
    waiting = requests.mine(look, book, viewer)
    to_decide = requests.to_decide(look, book, viewer) if Role.APPROVER in viewer.roles else ()
    running = sessions.listed(look, book, viewer, live=True)
    owed = rotations.listed(look, book, owed=True)
    unsigned = reviews.listed(look, book, viewer, owed=True)
    return shapes.Overview(
        now=look.now,
        person=book.who(viewer.id),
        roles=tuple(sorted(role.value for role in viewer.roles)),
        sealed=vault.sealed,
        alarm=vault.alarm,
        clock=timed.sentence if timed.wrong else "",
        override=override,
        am_i_in=_am_i_in(look, viewer, live, running),
        waiting_for=" ".join(f"{one.id}, {say.where(one.place)}: {one.sentence}" for one in waiting) or "Nothing.",
        whats_next=_whats_next(viewer, vault, timed, override, live, waiting, to_decide, unsigned),
        grants=live,
        requests=waiting,
        to_decide=to_decide,
        sessions=running,
        rotations=owed,
        reviews=unsigned,
    )


def _am_i_in(look: Read, viewer: Actor, live: tuple[shapes.Grant, ...], running: tuple[shapes.Session, ...]) -> str:
    if not live:
        return "No. You have no live grant."
    mine = [one for one in running if one.by.id == viewer.id]
    best = live[0]
    until = say.until(best.ends_at, look.now)
    if mine:
        return f"Yes: connected to {say.where(mine[0].place)}, {until}."
    return f"You may connect to {say.where(best.place)} {until}. You are not connected."


def _whats_next(
    viewer: Actor,
    vault: shapes.Vault,
    timed: shapes.Clock,
    override: shapes.Override | None,
    live: tuple[shapes.Grant, ...],
    waiting: tuple[shapes.Request, ...],
    to_decide: tuple[shapes.Request, ...],
    unsigned: tuple[shapes.Review, ...],
) -> str:
    """The one thing to do, most urgent first."""
    if vault.alarm:
        return vault.sentence
    sealed = vault.sealed
    if timed.wrong and not sealed and Role.CUSTODIAN in viewer.roles:
        return "Set the server's clock right; or confirm what it says: breakglass clock confirm"
    if sealed and Role.CUSTODIAN in viewer.roles:
        return "Unseal the vault: breakglass unseal"
    if override and override.yours:
        return "Find out why the witnesses are away; sign only if it is no attack: breakglass audit override"
    if live:
        if viewer.key != live[0].key:
            return f"Connect with your other key, {live[0].key}: {live[0].connect}"
        return f"Connect: {live[0].connect}"
    if to_decide:
        one = to_decide[0]
        return f"Decide about {one.id}: {one.by.name} asks for {say.where(one.place)}. breakglass approve {one.id}"
    if waiting:
        return (
            "Wait: you are told here when it is decided." if not sealed else "Wait: custodians must unseal the vault."
        )
    if sealed:
        return "The vault is SEALED: custodians must unseal it before anybody gets in."
    if unsigned and Role.AUDITOR in viewer.roles:
        return f"Review {unsigned[0].id}: breakglass review show {unsigned[0].id}"
    if Role.REQUESTER in viewer.roles:
        return "In an emergency: breakglass request TARGET"
    return "Nothing."
