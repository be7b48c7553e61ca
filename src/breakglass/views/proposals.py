"""A proposal for the estate's next version, as its signers look at it: what changes, and who gains and loses what."""

import difflib
from base64 import b64decode
from collections.abc import Mapping

import yaml

from breakglass.codec import canonical, sshwire
from breakglass.errors import NotFound
from breakglass.model.people import Actor, Person, Role
from breakglass.storage import rosters
from breakglass.storage.work import Read
from breakglass.trust.drafting import estate_of
from breakglass.trust.roster import Roster, parse
from breakglass.views import estate, page_shapes
from breakglass.views.book import Book, named

CONTEXT = 2
CHANGES_ANYWAY = frozenset({"version", "previous", "issued_at"})
WIDTH = 100


def as_yaml(document: bytes) -> str:
    """The part that people edit, as the file that can be proposed again."""
    text: str = yaml.safe_dump(estate_of(document), sort_keys=False, allow_unicode=True, width=WIDTH)
    return text


def _lines(document: bytes) -> list[str]:
    """Everything that people or the vault rely on: the estate, and the vault's public keys."""
    whole = {**canonical.read(document), **estate_of(document)}
    kept = {name: one for name, one in whole.items() if name not in CHANGES_ANYWAY}
    text: str = yaml.safe_dump(kept, sort_keys=True, allow_unicode=True, width=WIDTH)
    return text.splitlines()


def present(look: Read, book: Book) -> str:
    """The estate that holds, as a file."""
    return as_yaml(estate.roster(book.chain, look).document.encode())


def page(look: Read, book: Book, viewer: Actor, id: str) -> page_shapes.ProposalPage:
    """Raises `NotFound` for one that is not open."""
    found = next((one for one in estate.proposals(look, book) if one.id == id), None)
    if found is None:
        raise NotFound(
            f"There is no open proposal {id!r}.", what_to_do="It may be adopted, or another one was.", about=id
        )
    document = rosters.proposal(look, id).document
    before, after = book.roster, parse(document)
    old, new = _lines(estate.roster(book.chain, look).document.encode()), _lines(document)
    signed = {one.id for one in found.signed_by}
    groups = before.groups_of(look.now).get(viewer.id, frozenset())
    return page_shapes.ProposalPage(
        proposal=found,
        gains=gains(before, after),
        diff=tuple(list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]),
        may_sign=viewer.id not in signed and bool({part.group for part in before.changes} & set(groups)),
    )


def gains(before: Roster, after: Roster) -> tuple[page_shapes.Gain, ...]:
    """Everybody for whom anything changes, by name."""
    old, new = _powers(before), _powers(after)
    found = []
    for id in sorted(old.keys() | new.keys()):
        was, is_now = old.get(id, ()), new.get(id, ())
        gained = tuple(one for one in is_now if one not in was)
        lost = tuple(one for one in was if one not in is_now)
        if gained or lost:
            person = after.people.get(id) or before.people[id]
            found.append(page_shapes.Gain(who=named(person), gains=gained, loses=lost))
    return tuple(sorted(found, key=lambda one: one.who.name))


def _powers(roster: Roster) -> Mapping[str, tuple[str, ...]]:
    """What each person can do by this version, in words; two versions are compared by these words."""
    return {id: _of(roster, person) for id, person in roster.people.items()}


def _of(roster: Roster, person: Person) -> tuple[str, ...]:
    words = [f"the role {role.value}" for role in sorted(person.roles)]
    words += [f"the group {group}" for group in sorted(person.groups)]
    words += [f"the key “{key.label}” ({key.fingerprint}), which approves from {key.approves_from:%Y-%m-%d %H:%M} UTC"
              for key in person.keys]  # fmt: skip
    if person.expires_at:
        words.append(f"a place until {person.expires_at:%Y-%m-%d %H:%M} UTC")
    for account in roster.accounts.values():
        policy = roster.policy_of(account)
        endpoint = roster.endpoint_of(account)
        where = f"{account.username} on {roster.targets[account.target].name} at {endpoint}, {_pin(endpoint.host_key)}"
        if Role.REQUESTER in person.roles:
            words.append(f"asking for {where}: {estate.policy_words(policy)}")
        if Role.APPROVER in person.roles and {part.group for part in policy.quorum} & person.groups:
            words.append(f"approving access to {where}")
    if {part.group for part in roster.changes} & person.groups:
        words.append("a signature that counts for changes of the estate")
    return tuple(words)


def _pin(pinned: str) -> str:
    """How a target is known, as a fingerprint that people can compare."""
    return f"known by {sshwire.fingerprint(b64decode(pinned.partition(' ')[2]))}"
