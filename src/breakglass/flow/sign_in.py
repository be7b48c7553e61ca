"""Signing in at the API with an SSH key: a short text is signed, a short-lived token comes back."""

from datetime import timedelta

from breakglass.codec import lines
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.model.people import Actor
from breakglass.storage import sign_ins
from breakglass.storage.work import Read, Work
from breakglass.trust.roster import Roster

LASTS = timedelta(minutes=30)


def sign_in(work: Work, login: str, token: str) -> str:
    """The caller verified the signature (identity.sign_in) as the actor of this step. Returns the sign-in's id."""
    permit(work.actor, "look")
    id = sign_ins.put(work, token=token, person=work.actor.id, login=login, key=work.actor.key, until=work.now + LASTS)
    work.note(Fact("sign_in.made", id, {"key": work.actor.key}))
    return id


def refused(work: Work, login: str, from_address: str, code: str) -> None:
    """Somebody failed to sign in; the front door limits how often this is told. `login` is what they typed."""
    permit(work.actor, "run")
    data = {"login": lines.clean(login)[:60], "from": from_address, "code": code}
    work.note(Fact("sign_in.refused", "sign-in", data))


def sign_out(work: Work, token: str) -> None:
    sign_ins.drop(work, token)
    work.note(Fact("sign_in.ended", work.actor.id))


def who(look: Read, roster: Roster, token: str) -> Actor | None:
    """The actor of a live token, as the roster has them now."""
    found = sign_ins.find(look, token)
    return None if found is None else roster.actor(*found, look.now)
