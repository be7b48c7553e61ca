"""The statements in the log, judged again: by the roster that held when each was written down, never by a table.

entry ──▶ text and signature ──▶ person and key in the roster ──▶ the entry's subject, kind, instant
                 └──▶ the log head that the signer saw ──▶ this log's root at that size
"""

import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from breakglass.audit import custody as custodies
from breakglass.audit import keks, kits, next_logs, overrides, times
from breakglass.audit.continued import Continued
from breakglass.audit.erasing import SIGNED, Erasures
from breakglass.audit.event import Event
from breakglass.audit.held import Held
from breakglass.codec import instant
from breakglass.codec.private import Unknown
from breakglass.errors import BadSignature, BreakglassError, Expired, Malformed, NotEntitled, Replayed, Tampered
from breakglass.model.ids import UserId
from breakglass.model.people import Person, Role
from breakglass.trust import chain as chains
from breakglass.trust import clock, custody, kit, override, terms
from breakglass.trust.chain import Chain, Version
from breakglass.trust.grant import open_token
from breakglass.trust.roster import Roster
from breakglass.trust.signature import may_approve, verify, with_ssh_key
from breakglass.trust.statement import Kind, Signed, Statement
from breakglass.trust.statement import parse as parse_statement

CARRIES: Mapping[str, Kind] = {
    "request.approval": Kind.APPROVE,
    "request.denied": Kind.DENY,
    "roster.signed": Kind.ROSTER,
    "review.signed": Kind.REVIEW,
    times.SIGNED: Kind.CLOCK,
    SIGNED: Kind.ERASE,
    keks.SIGNED: Kind.KEK,
    overrides.SIGNED: Kind.OVERRIDE,
    next_logs.SIGNED: Kind.NEXT_LOG,
    kits.SIGNED: Kind.KIT,
}
"""Entries that are nothing without a statement, and of which kind it is."""
_AGREED = frozenset({overrides.BEGUN, kits.ISSUED, next_logs.BEGUN})
_DONE = custodies.ACTS
_CUSTODIANS = frozenset({Kind.KEK, Kind.OVERRIDE, Kind.NEXT_LOG, Kind.CLOCK, Kind.KIT})
REPLAY = "replay"
ADOPTED = "roster.adopted"
_TWICE = frozenset(
    {
        ("roster.signed", ADOPTED),
        ("secret.release", "secret.release"),
        *((custodies.SIGNED, kind) for kind in _DONE),
    }
)
"""Who may follow whom with one statement: a roster's statements stand where each came and where the version was
adopted, those about a custody item where each came and where both were there; a replay that the vault could not serve
may be asked for again with the same statement, within its time."""
_SIGNED = re.compile(r"(?:statement|signature)(-.*)?\Z", re.DOTALL)
_CALL = "Keep the log as it is, and call the auditors."


@dataclass(frozen=True, slots=True)
class _Asked:
    by: str
    key: str
    account: str
    condition: str
    reason: str | None
    """None where it is not shown to this verifier, or erased: what was asked for is then not compared in that line."""
    seconds: int


class Said:
    """All statements, in the log's order. `take` raises what is wrong with an entry's statements."""

    def __init__(self, pin: str, root: Callable[[int], bytes], erasures: Erasures, *, whole: bool = True) -> None:
        """`whole`: it is given all entries of the log, and not some of them."""
        self.chain: Chain | None = None
        self.held = Held(whole=whole)
        self.logs = Continued()
        self.count = 0
        self.seen = 0
        """The largest log head that a valid statement names."""
        self._pin, self._root, self._erasures = pin, root, erasures
        self._asked: dict[str, _Asked] = {}
        self._approvers: dict[str, dict[str, bool]] = {}
        """Who approved each request, and whether with an SSH key."""
        self._proposed: dict[str, str] = {}
        self._used: dict[str, tuple[str, str]] = {}
        """Nonce -> the kind of the latest entry that holds its statement, and the text."""
        self._times: dict[str, datetime] = {}
        """What custodians have said that the time is, since the last time it was settled."""
        self._kits: dict[tuple[str, str], set[str]] = {}
        """Who signed for an emergency kit, by its number and what it holds."""
        self._overrides: dict[str, set[str]] = {}
        """Who signed that releases go on without the witnesses, by the end that they signed."""

    def take(self, index: int, event: Event) -> Statement | None:
        """The entry's statement, when it has one and all of it holds. Raises what does not."""
        if event.kind == "request.made":
            self._asked[event.about] = _Asked(
                by=event.by,
                key=event.text("key"),
                account=event.text("account"),
                condition=event.text("condition"),
                reason=None if isinstance(reason := event.text("reason"), Unknown) else reason,
                seconds=event.number("seconds"),
            )
        elif event.kind == "roster.proposed":
            self._proposed[event.about] = f"{event.number('version')} {event.text('hash')}"
        elif event.kind == "grant.opened":
            self._must_be_a_quorum(event)
        elif event.kind in (times.CONFIRMED, times.REFUSED):
            said, self._times = self._times, {}
            if event.kind == times.CONFIRMED:
                self._must_be_the_time(event, said)
        elif event.kind in _AGREED:
            self._must_be_agreed(index, event)
        elif event.kind == ADOPTED or event.kind in _DONE:
            self._several(index, event)
            return None
        kind = _kind(event)
        found = list(statements_of(event)) if kind or any(map(_SIGNED.match, event.data)) else ()
        if not found and kind is None:
            return None
        if len(found) != 1:
            raise Malformed(f"A {event.kind} carries {len(found)} statements instead of one.", what_to_do=_CALL)
        return self._one(index, found[0], event, kind)

    def _several(self, index: int, event: Event) -> None:
        """An entry that is nothing without the statements of several people."""
        if event.kind in _DONE:
            self._must_be_done(index, event)
            return
        for signed in statements_of(event):
            self._heads(index, signed, parse_statement(signed.text), event)

    @property
    def approved(self) -> Collection[str]:
        """Requests whose terms somebody approved: those terms stand in a statement."""
        return self._approvers.keys()

    def adopt(self, event: Event) -> Roster:
        """The roster's next version. Raises when it does not follow, or a signature is missing or does not hold."""
        version = version_of(event)
        self.chain = chains.extend(self.chain, self._pin, [version])
        roster = self.chain.head
        if (event.about, event.number("version"), event.text("hash")) != (
            roster.deployment,
            roster.version,
            roster.hash,
        ):
            raise Tampered("The entry names another version than its document.", what_to_do=_CALL)
        return roster

    def _one(self, index: int, signed: Signed, event: Event, kind: Kind | None) -> Statement:
        if self.chain is None:
            raise Tampered("No roster holds by which a statement could be judged.", what_to_do=_CALL)
        named = parse_statement(signed.text)
        if named.roster_version > self.chain.head.version:
            raise BadSignature(
                f"It names version {named.roster_version} of the roster, which did not exist then.", what_to_do=_CALL
            )
        at = datetime.fromisoformat(event.at)
        statement = self._held(signed, event, kind or named.kind, at, named)
        then = self.chain.at(statement.roster_version).people.get(UserId(statement.person))
        if then is None or then.key(statement.key) is None:
            raise BadSignature("The roster that it names does not know this person and key.", what_to_do=_CALL)
        self._heads(index, signed, statement, event)
        return statement

    def _held(self, signed: Signed, event: Event, kind: Kind, at: datetime, named: Statement) -> Statement:
        """Judged under the newest roster; a step that ran while a version was adopted judged by the one before."""
        if self.chain is None:
            raise Tampered("There is no roster.", what_to_do=_CALL)
        subject, first = self._subject(event, kind), None
        for version in range(self.chain.head.version, named.roster_version - 1, -1):
            roster = self.chain.at(version)
            try:
                statement = verify(signed, roster, kind=kind, subject=subject, now=at, known=self.chain.hashes)
                self._must_fit(statement, roster, event, at)
            except BreakglassError as error:
                first = first or error
            else:
                return statement
        raise first or Malformed("It names a roster that there is not.", what_to_do=_CALL)

    def _subject(self, event: Event, kind: Kind) -> str:
        if kind is not Kind.ROSTER or self.chain is None:
            return event.about
        version, _, _ = self._proposed.get(event.about, "").partition(" ")
        return f"{self.chain.head.deployment}/roster/{version}"

    def _must_fit(self, statement: Statement, roster: Roster, event: Event, at: datetime) -> None:
        """Does the statement say what its entry is about, and could this person say it?"""
        person, facts = roster.people[statement.person], statement.facts
        if statement.kind in (Kind.APPROVE, Kind.DENY):
            self._must_decide(statement, roster, event, at)
        elif statement.kind is Kind.ROSTER and facts["next"] != self._proposed.get(event.about):
            raise BadSignature("It carries another document than the one proposed.", what_to_do=_CALL)
        elif statement.kind is Kind.REPLAY and facts["session"] != event.about:
            raise BadSignature("It is for another session.", what_to_do=_CALL)
        elif statement.kind is Kind.ERASE:
            self._erasures.signed(event.about, statement, person.roles)
        elif statement.kind in custody.ACTS and self.chain is not None:
            custody.must_count(statement, roster, custody.item_of(self.chain, event.about, roster.version))
        elif statement.kind in _CUSTODIANS:
            self._must_be_custodians(statement, person)
        elif statement.kind is Kind.REVIEW:
            asked = self._asked.get(facts["request"])
            if (facts["request"], facts["account"]) != (event.text("request"), event.text("account")):
                raise BadSignature("It is for another review.", what_to_do=_CALL)
            involved = {asked.by if asked else "", *self._approvers.get(facts["request"], ())}
            if statement.person != event.by or Role.AUDITOR not in person.roles or statement.person in involved:
                raise BadSignature(f"{statement.person} could not sign this review.", what_to_do=_CALL)

    def _must_be_custodians(self, statement: Statement, person: Person) -> None:
        """Only they say this; and what follows from it is judged where enough of them did."""
        if Role.CUSTODIAN not in person.roles:
            raise BadSignature(f"{person.id} is no custodian.", what_to_do=_CALL)
        if statement.kind is Kind.OVERRIDE:
            self._overrides.setdefault(statement.facts["until"], set()).add(person.id)
        elif statement.kind is Kind.NEXT_LOG:
            self.logs.signed(statement)
        elif statement.kind is Kind.KIT:
            self._kits.setdefault((statement.facts["number"], statement.facts["accounts"]), set()).add(person.id)
        elif statement.kind is Kind.CLOCK:
            self._times[person.id] = instant.read(statement.facts["now"])

    def _must_be_the_time(self, event: Event, said: Mapping[str, datetime]) -> None:
        """The log's instants go back here, so enough custodians must have said so, and just that."""
        at, roster = datetime.fromisoformat(event.at), self.chain.head if self.chain else None
        if roster is None or event.about != clock.subject(roster.deployment):
            raise BadSignature("It is about the clock of another deployment.", what_to_do=_CALL)
        near = [person for person, now in said.items() if abs(now - at) <= 2 * clock.APART]
        if len(near) < clock.needs(roster, at):
            raise BadSignature("Not enough custodians confirmed this time.", what_to_do=_CALL)

    def _must_be_agreed(self, index: int, event: Event) -> None:
        """What happens only when enough custodians signed for it."""
        if event.kind == overrides.BEGUN:
            self._must_be_overridden(event)
        elif event.kind == kits.ISSUED:
            self._must_be_signed_for(event)
        elif self.chain is not None:
            self.logs.begin(index, event, self.chain.head)

    def _must_be_done(self, index: int, event: Event) -> None:
        """What two people did with a custody item: their statements are in the entry."""
        found = [self._one(index, signed, event, _kind_of_turn(signed.text)) for signed in statements_of(event)]
        if self.chain is None or event.number("statements") != len(found):
            raise Malformed("It does not hold as many statements as it says.", what_to_do=_CALL)
        roles = {one.person: self.chain.at(one.roster_version).people[one.person].roles for one in found}
        self.held.done(event, found, roles, custody.item_of(self.chain, event.about))

    def _must_be_overridden(self, event: Event) -> None:
        """From here on a vault released without the witnesses, so enough custodians must have said so."""
        roster = self.chain.head if self.chain else None
        if roster is None or event.about != override.subject(roster.deployment):
            raise BadSignature("It is about the witnesses of another deployment.", what_to_do=_CALL)
        people = self._overrides.get(event.text("until"), ())
        if len(people) < override.needs(roster, datetime.fromisoformat(event.at)):
            raise BadSignature("Not enough custodians let releases go on without the witnesses.", what_to_do=_CALL)

    def _must_be_signed_for(self, event: Event) -> None:
        """A vault made this kit, so enough custodians must have signed for just that."""
        roster = self.chain.head if self.chain else None
        if roster is None or event.about != kit.subject(roster.deployment):
            raise BadSignature("It is about the kits of another deployment.", what_to_do=_CALL)
        people = self._kits.get((str(event.number("number")), event.text("accounts")), ())
        if len(people) < kit.needs(roster, datetime.fromisoformat(event.at)):
            raise BadSignature("Not enough custodians signed for this kit.", what_to_do=_CALL)

    def _must_decide(self, statement: Statement, roster: Roster, event: Event, at: datetime) -> None:
        asked, facts, person = self._asked.get(event.about), statement.facts, roster.people[statement.person]
        if asked is None:
            raise BadSignature("It is for a request that the log does not have.", what_to_do=_CALL)
        account = roster.account(asked.account)
        counts = roster.policy_of(account).counts(person.groups)
        if person.id == asked.by or Role.APPROVER not in person.roles or not counts:
            raise BadSignature(f"The word of {person.id} does not count for this request.", what_to_do=_CALL)
        if statement.kind is Kind.DENY:
            if (facts["requester"], facts["account"]) != (asked.by, asked.account):
                raise BadSignature("It denies another request than the one in the log.", what_to_do=_CALL)
            return
        may_approve(statement, roster, at)
        drawn = terms.terms(
            roster,
            requester=UserId(asked.by),
            key=asked.key,
            account=asked.account,
            condition=asked.condition,
            reason=facts["reason"] if asked.reason is None else asked.reason,
            duration=timedelta(seconds=asked.seconds),
        ).facts()
        differing = [name for name in facts if drawn.get(name) != facts[name]]
        if differing:
            raise BadSignature(f"It approves something else than was asked for: {differing[0]}.", what_to_do=_CALL)
        if person.id in self._approvers.get(event.about, ()):
            raise Replayed(f"{person.id} approved this request twice.", what_to_do=_CALL)
        self._approvers.setdefault(event.about, {})[person.id] = with_ssh_key(event.text("signature"))

    def _must_be_a_quorum(self, event: Event) -> None:
        """The vault gave this grant; whether it should have, the approvals before it say."""
        if self.chain is None:
            raise Tampered("No roster holds by which the grant could be judged.", what_to_do=_CALL)
        token = open_token(event.text("token"), self.chain.head.keys.grant)
        version = token.roster.partition(" ")[0]
        roster = self.chain.at(int(version) if version.isdecimal() else -1)
        policy, given = roster.policy_of(roster.account(token.account)), self._approvers.get(token.request, {})
        by_ssh = {person for person, ssh in given.items() if ssh}
        if lacking := policy.lacks(given, by_ssh, roster.groups_of(token.opened_at)):
            raise NotEntitled(f"The grant lacks approvals: {lacking}.", what_to_do=_CALL)

    def _heads(self, index: int, signed: Signed, statement: Statement, event: Event) -> None:
        """The head that the signer saw was this log's; and a statement is used in its time, and once."""
        if statement.log_size > index:
            raise Tampered(
                f"{statement.person} saw {statement.log_size} entries before there were any.", what_to_do=_CALL
            )
        if b64encode(self._root(statement.log_size)).decode() != statement.log_root:
            raise Tampered(
                f"The log of {statement.log_size} entries that {statement.person} saw is not this log.",
                what_to_do=_CALL,
            )
        before = self._used.get(statement.nonce)
        if before is None and datetime.fromisoformat(event.at) >= statement.not_after:
            raise Expired("Its time was over when it was used.", what_to_do=_CALL)
        if before is not None and (before[1] != signed.text or (before[0], event.kind) not in _TWICE):
            raise Replayed(f"The statement of {statement.person} was used before.", what_to_do=_CALL)
        self._used[statement.nonce] = (event.kind, signed.text)
        self.count += 1
        self.seen = max(self.seen, statement.log_size)


def _kind(event: Event) -> Kind | None:
    """Of the statement without which the entry is nothing; None where it needs none."""
    if event.kind == custodies.SIGNED:
        return _kind_of_turn(event.text("statement"))
    return Kind.REPLAY if event.data.get("purpose") == REPLAY else CARRIES.get(event.kind)


def _kind_of_turn(text: str) -> Kind:
    """Raises `BadSignature` for a statement that says nothing of a custody item."""
    if (kind := parse_statement(text).kind) not in custody.ACTS:
        raise BadSignature(f"A statement of kind {kind} is about no custody item.", what_to_do=_CALL)
    return kind


def version_of(event: Event) -> Version:
    """The version that an entry `roster.adopted` holds, not verified. Raises `Malformed`."""
    statements = tuple(statements_of(event))
    if event.number("statements") != len(statements):
        raise Malformed("The roster's entry does not hold as many statements as it says.", what_to_do=_CALL)
    return Version(event.text("document").encode(), statements)


def statements_of(event: Event) -> Iterator[Signed]:
    """The statements of an entry: `statement` and `signature`, or both with `-0`, `-1` …"""
    endings = [shape[1] or "" for shape in map(_SIGNED.match, event.data) if shape]
    for ending in dict.fromkeys(endings):
        yield Signed(event.text(f"statement{ending}"), event.text(f"signature{ending}"))
