"""Signing in with a key: a short text is signed, a short-lived token comes back. (By a password: flow.password.)

programs    30 minutes
browsers    30 minutes without use, 8 hours at most; a fresh signature (step-up) changes the token
terminals   the same, when a browser signed them in; no step-up: they count as signed when the browser did
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from breakglass.codec import lines
from breakglass.errors import Forbidden, NotFound, NotSignedIn
from breakglass.identity.access import must_be_fresh, permit
from breakglass.model.change import Fact
from breakglass.model.people import Actor
from breakglass.storage import sign_ins
from breakglass.storage.sign_ins import SignIn
from breakglass.storage.work import Read, Work
from breakglass.trust.roster import Roster

LASTS = timedelta(minutes=30)
AT_MOST = timedelta(hours=8)
MOVED_EVERY = timedelta(minutes=5)
"""A browser's end is moved on no more often than this: most requests write nothing."""


def sign_in(
    work: Work, login: str, token: str, *, browser: bool = False, from_address: str = "", device: str = ""
) -> str:
    """The caller verified the signature (identity.sign_in) as the actor of this step. Returns the sign-in's id."""
    permit(work.actor, "look")
    lasts = AT_MOST if browser else LASTS
    id = make(work, login, token, lasts=lasts, from_address=from_address, device=device)
    work.note(Fact("sign_in.made", id, {"key": work.actor.key}))
    return id


def lend(work: Work, login: str, token: str, *, from_address: str, device: str) -> str:
    """Sign in a terminal of the acting person, who confirmed in a browser that it is theirs. Returns the sign-in's id.

    It is as old as their own last signature: lending proves nothing anew. Raises `NotProved` without a fresh one."""
    permit(work.actor, "look")
    must_be_fresh(work.actor, work.now)
    proved = work.actor.proved_at
    id = make(work, login, token, lasts=AT_MOST, from_address=from_address, device=device, proved_at=proved)
    work.note(
        Fact("sign_in.lent", id, {"key": work.actor.key, "from": from_address, "device": lines.clean(device)[:200]})
    )
    return id


def make(
    work: Work,
    login: str,
    token: str,
    *,
    lasts: timedelta,
    from_address: str = "",
    device: str = "",
    proved_at: datetime | None = None,
) -> str:
    """The sign-in itself, for the acting person; the caller says in the log by what."""
    made = SignIn(
        id=work.new_id("sgn"),
        person=work.actor.id,
        login=login,
        key=work.actor.key,
        made_at=work.now,
        proved_at=proved_at or work.now,
        until=work.now + LASTS,
        ends_at=work.now + lasts,
        from_address=from_address[:60],
        device=lines.clean(device)[:200],
    )
    sign_ins.put(work, token, made)
    return made.id


def refused(work: Work, login: str, from_address: str, code: str) -> None:
    """Somebody failed to sign in; the front door limits how often this is told. `login` is what they typed."""
    permit(work.actor, "run")
    data = {"login": lines.clean(login)[:60], "from": from_address, "code": code}
    work.note(Fact("sign_in.refused", "sign-in", data))


def sign_out(work: Work, token: str) -> None:
    sign_ins.drop(work, token)
    work.note(Fact("sign_in.ended", work.actor.id))


def prolong(work: Work, token: str) -> None:
    """A browser was used: its end without use moves on. Nothing for the log."""
    permit(work.actor, "look")
    found = sign_ins.find(work, token)
    if found is not None and found.person == work.actor.id:
        sign_ins.change(work, token, until=min(work.now + LASTS, found.ends_at))


def keep(work: Work, id: str) -> None:
    """The same for one that is used without a request: a terminal that is open."""
    permit(work.actor, "look")
    found = sign_ins.one_of(work, work.actor.id, id)
    if found is not None:
        sign_ins.move(work, id, min(work.now + LASTS, found.ends_at))


def still(look: Read, roster: Roster, actor: Actor) -> tuple[bool, bool]:
    """Whether this sign-in still holds, with the key that it was, and whether its end should be moved on."""
    found = sign_ins.one_of(look, actor.id, actor.sign_in)
    person = roster.people.get(actor.id)
    if found is None or person is None or not person.active(look.now) or person.key(actor.key) is None:
        return False, False
    return True, due(found, look)


def due(found: SignIn, look: Read) -> bool:
    """Whether `prolong` would be worth a write."""
    return found.until < found.ends_at and found.until - look.now < LASTS - MOVED_EVERY


def prove(work: Work, token: str, new: str) -> None:
    """A key of the same person signed again, which the caller verified as the actor of this step: the sign-in is theirs
    by that key from now on, under a new token."""
    permit(work.actor, "look")
    found = sign_ins.find(work, token)
    if found is None:
        raise NotSignedIn("You are not signed in.", what_to_do="Sign in with your key.")
    if found.person != work.actor.id:
        raise Forbidden("This is somebody else's key.", what_to_do="Sign out first, or use a key of your own.")
    sign_ins.change(work, token, token_hash=sign_ins.hashed(new), key=work.actor.key, proved_at=work.now)
    work.note(Fact("sign_in.proved", found.id, {"key": work.actor.key}))


def revoke(work: Work, id: str) -> None:
    """End one of one's own, on whatever device. Raises `NotFound`."""
    permit(work.actor, "look")
    if not sign_ins.drop_one(work, work.actor.id, id):
        raise NotFound("There is no such sign-in.", what_to_do="It has ended already: look at the list.", about=id)
    work.note(Fact("sign_in.revoked", id))


def revoke_others(work: Work, but: str) -> int:
    """End all of one's own but this one."""
    permit(work.actor, "look")
    others = [one.id for one in sign_ins.of(work, work.actor.id) if one.id != but]
    for id in others:
        revoke(work, id)
    return len(others)


def mine(look: Read, person: str) -> Sequence[SignIn]:
    return sign_ins.of(look, person)


def seen(look: Read, roster: Roster, token: str) -> tuple[Actor, SignIn, bool] | None:
    """The actor of a live token as the roster has them now, the sign-in, and whether its end should be moved on."""
    found = sign_ins.find(look, token)
    if found is None:
        return None
    if not found.key:  # by a password: no key of theirs has signed yet
        return replace(roster.without_key(found.login, look.now), sign_in=found.id), found, due(found, look)
    actor = roster.actor(found.login, found.key, look.now)
    return replace(actor, sign_in=found.id, proved_at=found.proved_at), found, due(found, look)


def who(look: Read, roster: Roster, token: str) -> Actor | None:
    """The actor of a live token, as the roster has them now."""
    found = seen(look, roster, token)
    return None if found is None else found[0]
