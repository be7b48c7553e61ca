"""The estate as people see it: from the verified roster in memory. Only the credentials' state is asked of a table."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from breakglass.errors import Tampered
from breakglass.model.people import Person
from breakglass.model.policy import Policy, in_words, missing
from breakglass.model.target import Account
from breakglass.storage import books, rosters
from breakglass.storage.work import Read
from breakglass.trust.chain import Chain
from breakglass.trust.difference import difference
from breakglass.trust.roster import parse
from breakglass.views import custody, estate_shapes, say, shapes
from breakglass.views.book import Book
from breakglass.views.standing import NONE, standings


def estate(look: Read, book: Book) -> estate_shapes.Estate:
    roster = book.roster
    credentials, items = standings(look), custody.by_account(look, book)

    def account(one: Account) -> estate_shapes.Account:
        return estate_shapes.Account(
            id=one.id,
            name=one.name,
            username=one.username,
            justification=one.justification,
            scenario=one.scenario,
            policy=one.policy,
            rotate_at=one.rotate_at.value,
            credential=credentials.get(one.id, NONE).state,
            custody=items.get(one.id, ""),
        )

    return estate_shapes.Estate(
        deployment=roster.deployment,
        origin=roster.origin,
        version=roster.version,
        hash=roster.hash,
        changes=in_words(roster.changes),
        targets=tuple(
            estate_shapes.Target(
                id=one.id,
                name=one.name,
                domain=roster.domains[one.domain].name,
                environment=one.environment.value,
                endpoint=str(one.endpoint),
                host_key=one.endpoint.host_key,
                accounts=tuple(account(a) for a in roster.accounts.values() if a.target == one.id),
            )
            for one in roster.targets.values()
        ),
        conditions=tuple(
            estate_shapes.Condition(id=one.id, title=one.title, playbook=one.playbook)
            for one in roster.conditions.values()
        ),
        policies=tuple(estate_shapes.Policy(id=one.id, words=policy_words(one)) for one in roster.policies.values()),
        people=tuple(_person(one) for one in roster.people.values()),
    )


def policy_words(policy: Policy) -> str:
    """`Two-person rule: 1 of responders, 1 of security must agree within 30 minutes; access for up to 1 hour; …`"""
    return (
        f"{policy.words()} must agree within {say.span(policy.decide_for)}; access for up to "
        f"{say.span(policy.max_for)}; allowed: {', '.join(sorted(policy.permissions)) or 'nothing'}; "
        f"recording: {policy.recording.value}."
    )


def roster(chain: Chain, look: Read) -> shapes.Roster:
    """The version that holds, whole: what a verifier needs."""
    head = chain.head
    [version] = rosters.versions(look, since=head.version)[:1]
    if sha256(version.document).hexdigest() != head.hash:
        raise Tampered(
            "The stored roster is not the one that was verified.", what_to_do="Call the custodians and auditors."
        )
    return shapes.Roster(
        version=head.version,
        hash=head.hash,
        document=version.document.decode(),
        statements=tuple(shapes.Statement(text=one.text, signature=one.signature) for one in version.statements),
    )


def proposals(look: Read, book: Book) -> tuple[shapes.Proposal, ...]:
    """Open ones, the oldest first, each with what it changes and whose signatures it still needs."""
    p = books.proposal.c
    found = rosters.proposals(look)
    documents = {row.id: row.document for row in look.conn.execute(select(p.id, p.document).where(p.state == "open"))}
    return tuple(_proposal(look, book, one, documents[str(one["id"])]) for one in found)


def _proposal(look: Read, book: Book, row: dict[str, Any], document: bytes) -> shapes.Proposal:
    before = book.roster
    signers: Sequence[str] = sorted(row["signed"])
    lacking = missing(before.changes, signers, before.groups_of(look.now))
    return shapes.Proposal(
        id=row["id"],
        version=row["version"],
        by=book.who(row["by"]),
        at=row["at"],
        changes=difference(before, parse(document)),
        signed_by=book.people(signers),
        sentence=f"Still needs: {in_words(lacking)}." if lacking else "Every signature is there.",
    )


def _person(one: Person) -> estate_shapes.Person:
    return estate_shapes.Person(
        id=one.id,
        login=one.login,
        name=one.name,
        department=one.department,
        roles=tuple(sorted(role.value for role in one.roles)),
        groups=tuple(sorted(one.groups)),
        keys=tuple(
            estate_shapes.Key(fingerprint=key.fingerprint, label=key.label, approves_from=key.approves_from)
            for key in one.keys
        ),
        expires_at=one.expires_at,
    )
