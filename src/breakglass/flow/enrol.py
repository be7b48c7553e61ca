"""Enrolment: a custodian or administrator sends somebody a one-time link, they make a passkey with it, and that becomes
a proposal for the next roster. The link allows making a key, never access: people sign the proposal, as any other.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from breakglass.errors import Expired, NotEntitled
from breakglass.flow import roster
from breakglass.flow.keep import new_id
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.storage import invitations, rosters
from breakglass.storage.invitations import Invitation
from breakglass.storage.work import Read, Work
from breakglass.trust import drafting
from breakglass.trust.chain import Chain

LASTS = timedelta(hours=24)


def invite(work: Work, chain: Chain, person: str, token: str) -> Invitation:
    """Raises `NotFound` for somebody whom the roster does not have. The caller made the token, and shows it once."""
    permit(work.actor, "propose", person)
    found = chain.head.person(person)
    made = Invitation(id=work.new_id("inv"), person=found.id, by=work.actor.id, until=work.now + LASTS)
    invitations.put(work, token, made)
    work.note(Fact("invitation.made", made.id, {"person": found.id}))
    return made


def look_up(look: Read, token: str) -> Invitation:
    """Raises `Expired` for a link that was used, is too old, or never was."""
    found = invitations.find(look, token)
    if found is None:
        raise Expired("This link was used, or its time is over.", what_to_do="Ask a custodian for a new one.")
    return found


def enrol(work: Work, chain: Chain, token: str, key: Mapping[str, Any]) -> str:
    """Use the link up: the key, as a roster has it, is proposed. The actor is whoever made the link, as the roster has
    them now. Returns the proposal's id."""
    found = look_up(work, token)
    if found.by != work.actor.id:
        raise NotEntitled("Somebody else made this link.", what_to_do="Ask a custodian for a new one.")
    estate = drafting.estate_of(rosters.versions(work)[-1].document)
    person = dict(estate["people"].get(found.person) or _gone())
    person["keys"] = [*person.get("keys", []), dict(key)]
    after = {**estate, "people": {**estate["people"], found.person: person}}
    id = new_id("pro")
    roster.propose(work, chain, id, drafting.following(after, chain.head, at=work.now.replace(microsecond=0)))
    invitations.drop(work, found.id)
    work.note(Fact("invitation.used", found.id, {"person": found.person, "proposal": id}))
    return id


def _gone() -> NoReturn:
    raise NotEntitled("You are not in the estate any more.", what_to_do="Ask a custodian.")
