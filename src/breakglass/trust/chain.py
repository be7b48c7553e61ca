"""The chain of rosters: from the founding version, which is pinned by its hash, each step signed as the version
before asks.

    pin ─▶ 0 ──(changes of 0)──▶ 1 ──(changes of 1)──▶ 2 …

Version 0 is signed by its own custodians: every person with that role. A key that a step adds can't approve for 72
hours after the step, unless two approvers of the version before signed the step too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from breakglass.errors import NotEntitled, Refused, Tampered
from breakglass.model.people import Key, Role
from breakglass.model.policy import in_words, missing
from breakglass.trust.roster import Roster, parse
from breakglass.trust.signature import verify
from breakglass.trust.statement import Kind, Signed

NEW_KEY_WAITS = timedelta(hours=72)
COUNTERSIGNERS = 2


@dataclass(frozen=True, slots=True)
class Version:
    """One version as it is stored and sent: the exact document and the statements that carry it."""

    document: bytes
    statements: tuple[Signed, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """Verified versions, oldest first; the last one holds."""

    rosters: tuple[Roster, ...]

    @property
    def head(self) -> Roster:
        return self.rosters[-1]

    @property
    def hashes(self) -> Mapping[int, str]:
        return {roster.version: roster.hash for roster in self.rosters}

    def at(self, version: int) -> Roster:
        if not 0 <= version < len(self.rosters):
            raise Tampered(
                f"There is no version {version} of the roster.", what_to_do="Call the custodians and auditors."
            )
        return self.rosters[version]


def subject(roster: Roster) -> str:
    """The subject of a statement that carries this version."""
    return f"{roster.deployment}/roster/{roster.version}"


def next_line(roster: Roster) -> str:
    """The value of the line `next` in a statement that carries this version."""
    return f"{roster.version} {roster.hash}"


def found(version: Version, pin: str) -> Chain:
    """Begin with version 0. Raises `Tampered` when it is not the pinned one, `NotEntitled` when a custodian did not
    sign.
    """
    roster = parse(version.document)
    if roster.hash != pin or roster.version != 0 or roster.previous:
        raise Tampered(
            "The founding roster is not the one that is pinned.",
            what_to_do="Stop. Call the custodians and the auditors.",
        )
    custodians = {id for id, person in roster.people.items() if Role.CUSTODIAN in person.roles}
    lacking = custodians - _signers(version, roster, roster, {0: roster.hash})
    if lacking or not custodians:
        raise NotEntitled(
            f"The founding roster lacks the signatures of: {', '.join(sorted(lacking)) or 'any custodian'}.",
            what_to_do="Each founding custodian signs it with `ssh-keygen -Y sign -n breakglass`.",
        )
    return Chain((roster,))


def step(chain: Chain, version: Version) -> Chain:
    """Add the next version. Raises `Tampered` when it does not follow, `NotEntitled` when signatures are missing."""
    before, after = chain.head, parse(version.document)
    if after.version != before.version + 1 or after.previous != before.hash or _place(after) != _place(before):
        raise Tampered(
            f"Version {after.version} does not follow version {before.version} of the roster.",
            what_to_do="Stop. Call the custodians and the auditors.",
        )
    if after.issued_at < before.issued_at:
        raise Tampered(
            "A roster is older than the one before it.", what_to_do="Propose it again with the present time."
        )
    signers = _signers(version, after, before, chain.hashes)
    lacking = missing(before.changes, sorted(signers), before.groups_of(after.issued_at))
    if lacking:
        raise NotEntitled(
            f"The roster's change still needs: {in_words(lacking)}.", what_to_do="Ask them to sign the proposal."
        )
    approvers = {id for id in signers if Role.APPROVER in before.people[id].roles}
    if len(approvers) < COUNTERSIGNERS:
        _new_keys_wait(before, after)
    return Chain((*chain.rosters, after))


def extend(chain: Chain | None, pin: str, versions: Sequence[Version]) -> Chain:
    """Verify from the pin, or on from a chain that was verified before."""
    for version in versions:
        chain = found(version, pin) if chain is None else step(chain, version)
    if chain is None:
        raise Tampered("There is no roster.", what_to_do="Restore the database; call the custodians and the auditors.")
    return chain


def old_key(before: Roster, person: str, key: Key) -> Key | None:
    """This person's key in the version before; None when it is new to them."""
    then = before.people.get(person)
    old = then.key(key.fingerprint) if then else None
    return old if old is not None and key.was(old) else None


def _place(roster: Roster) -> tuple[str, str]:
    return roster.deployment, roster.origin


def _signers(version: Version, after: Roster, before: Roster, known: Mapping[int, str]) -> set[str]:
    """The people whose valid statements carry `after`. A statement that is not valid makes the whole version
    invalid.
    """
    signers = set()
    for signed in version.statements:
        try:
            statement = verify(signed, before, kind=Kind.ROSTER, subject=subject(after), now=None, known=known)
        except Refused as wrong:
            raise Tampered(
                f"A signature of roster version {after.version} does not hold: {wrong.message}",
                what_to_do="Stop. Call the custodians and the auditors.",
            ) from wrong
        if statement.facts["next"] != next_line(after):
            raise Tampered(
                f"A signature of roster version {after.version} is for another document.",
                what_to_do="Stop. Call the custodians and the auditors.",
            )
        signers.add(statement.person)
    return signers


def _new_keys_wait(before: Roster, after: Roster) -> None:
    """A key is new also in other hands, and a passkey on other pages; and one that still waits waits on, whatever the
    next version says.
    """
    for person in after.people.values():
        for key in person.keys:
            waits_until = after.issued_at + NEW_KEY_WAITS
            if (old := old_key(before, person.id, key)) is not None:
                waits_until = min(waits_until, old.approves_from)
            if key.approves_from < waits_until:
                raise NotEntitled(
                    f"The new key {key.label!r} of {person.name} would approve before 72 hours are over.",
                    what_to_do=f"Set approves_from 72 hours ahead, or have {COUNTERSIGNERS} approvers sign it too.",
                )
