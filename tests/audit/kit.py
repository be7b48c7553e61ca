"""Real logs for tests and benchmarks: a founding roster signed by real keys, the real store and log, and a signer that
is the vault's own line of heads over a key in memory. Everything is made from fixed seeds."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import event

from breakglass.audit.log import Behind, Log
from breakglass.codec import note, sshsig, sshwire
from breakglass.errors import Unavailable
from breakglass.flow import approve, ask, close, connect, keep, open_grant, review, rotate, ticket
from breakglass.flow import roster as rosters
from breakglass.model import recording as recordings
from breakglass.model.change import Fact
from breakglass.model.grant import Grant
from breakglass.model.ids import CredentialId, GrantId, RecordingId, RequestId, SessionId
from breakglass.model.people import SYSTEM, Actor
from breakglass.model.proof import Proof, Seen
from breakglass.model.request import AccessRequest
from breakglass.model.review import Classification, Review
from breakglass.model.rotation import Rotation, State
from breakglass.model.secret import Secret
from breakglass.model.ticket import Ticket
from breakglass.storage.outbox import Told
from breakglass.storage.store import Store
from breakglass.storage.tables import META
from breakglass.storage.work import Stamped
from breakglass.trust import chain as chains
from breakglass.trust import drafting, terms
from breakglass.trust.chain import Chain, Version
from breakglass.trust.grant import Token
from breakglass.trust.roster import Roster, parse
from breakglass.trust.statement import NAMESPACE, Kind, Signed, Statement
from breakglass.trust.tree import EMPTY_ROOT, Frontier, verify_consistency
from breakglass.vault.keys import NoteKey

DEPLOYMENT, ORIGIN = "dep_test", "log.example.org"
BEGAN = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)


def seed(name: str) -> bytes:
    return hashlib.sha256(f"breakglass test key {name}".encode()).digest()


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed(name))


def public_of(name: str) -> str:
    blob = sshwire.ed25519_blob(key_of(name).public_key())
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def fingerprint_of(name: str) -> str:
    return sshwire.fingerprint(sshwire.ed25519_blob(key_of(name).public_key()))


def sign(statement: Statement | str, name: str) -> Signed:
    """What `ssh-keygen -Y sign -n breakglass` would give for this person's key."""
    text = statement if isinstance(statement, str) else statement.text()
    return Signed(text, sshsig.sign_ed25519(key_of(name), text.encode(), NAMESPACE))


LOG_KEY, GRANT_KEY = NoteKey(ORIGIN, Secret(seed("log"))), NoteKey(f"{ORIGIN}/grant", Secret(seed("grant")))
KEYS = {"log": LOG_KEY.vkey, "grant": GRANT_KEY.vkey, "recording": base64.b64encode(bytes(32)).decode()}
PEOPLE = {
    "alice": (["requester"], []),
    "bo": (["approver"], ["responders"]),
    "cy": (["approver"], ["responders"]),
    "dora": (["auditor"], []),
    "eve": (["custodian", "administrator"], ["custodians"]),
    "finn": (["custodian"], ["custodians"]),
}


def estate() -> dict[str, Any]:
    return {
        "changes": [{"group": "custodians", "count": 2}],
        "groups": ["responders", "custodians"],
        "people": {
            f"usr_{name}": {
                "login": name,
                "name": name.title(),
                "department": "Operations",
                "roles": roles,
                "groups": groups,
                "keys": [{"public": public_of(name)}],
            }
            for name, (roles, groups) in PEOPLE.items()
        },
        "domains": {"dom_plant": {"name": "Plant"}},
        "targets": {
            "tgt_db1": {
                "name": "db1",
                "domain": "dom_plant",
                "environment": "production",
                "host": "db1.example.org",
                "port": 22,
                "host_key": public_of("host"),
            }
        },
        "accounts": {
            "acc_db1-root": {
                "name": "root",
                "target": "tgt_db1",
                "username": "root",
                "justification": "Somebody must get in.",
                "scenario": "Sign-in is down.",
                "policy": "pol_two",
                "rotator": "linux-password",
            }
        },
        "conditions": {"cnd_down": {"title": "Sign-in is down", "playbook": "Call the desk.\nThen ask."}},
        "policies": {
            "pol_two": {
                "quorum": [{"group": "responders", "count": 2}],
                "max_seconds": 7200,
                "decide_seconds": 3600,
                "permissions": ["shell", "exec"],
            }
        },
    }


def statement(
    kind: Kind,
    roster: Roster,
    person: str,
    subject: str,
    facts: Mapping[str, str],
    *,
    log: tuple[int, bytes] = (0, EMPTY_ROOT),
    until: datetime = BEGAN + timedelta(days=30),
    nonce: str | None = None,
) -> Statement:
    """One that names `roster` and the log head (size, root)."""
    return Statement(
        kind=kind,
        deployment=roster.deployment,
        subject=subject,
        person=f"usr_{person}",
        key=fingerprint_of(person),
        roster_version=roster.version,
        roster_hash=roster.hash,
        log_size=log[0],
        log_root=base64.b64encode(log[1]).decode(),
        nonce=nonce or secrets.token_hex(16),
        not_after=until,
        facts=facts,
    )


def carry(roster: Roster, before: Roster, *people: str) -> Version:
    """Not a version yet that holds: the statements of these people for `roster`, which `before` judges."""
    facts = {"next": chains.next_line(roster), "changes": "a test"}
    drawn = [statement(Kind.ROSTER, before, one, chains.subject(roster), facts) for one in people]
    return Version(b"", tuple(sign(one, name) for one, name in zip(drawn, people, strict=True)))


def founding(at: datetime = BEGAN, **changed: Any) -> tuple[Roster, Version]:
    """Version 0 and its custodians' signatures."""
    document = drafting.founding({**estate(), **changed}, deployment=DEPLOYMENT, origin=ORIGIN, keys=KEYS, at=at)
    roster = parse(document)
    return roster, Version(document, carry(roster, roster, "eve", "finn").statements)


def following(chain: Chain, estate: Mapping[str, Any], at: datetime, *people: str) -> Version:
    """The next version, signed by these people."""
    document = drafting.following(estate, chain.head, at=at)
    return Version(document, carry(parse(document), chain.head, *people).statements)


class Signer:
    """What the log needs of the vault, over a key in memory; `sealed` makes it refuse, as a sealed vault does."""

    def __init__(self, key: NoteKey | None = None) -> None:
        self.key = key or LOG_KEY
        self.sealed = False
        self._signed = self._before = Frontier()

    def sign(self, base: int, hashes: Sequence[bytes], *_: object) -> bytes:
        if self.sealed:
            raise Unavailable("The vault is sealed.", what_to_do="Unseal it.")
        if base == self._before.size:  # the batch that was signed last was never committed
            self._signed = self._before
        if base != self._signed.size:
            raise Behind(self._signed.size)
        self._before, self._signed = self._signed, self._signed.copy()
        for one in hashes:
            self._signed.add(one)
        head = note.Checkpoint(origin=self.key.name, size=self._signed.size, root=self._signed.root())
        return self.key.sign(head.body())

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None:
        head = Frontier.unpack(size, frontier)
        verify_consistency(self._signed.size, self._signed.root(), size, head.root(), proof)
        self._before = self._signed = head

    def confirm(self, checkpoint: bytes) -> bool:
        self._before = self._signed
        return True


class Ticking:
    """A clock that goes on by a quarter of a second whenever it is asked."""

    def __init__(self) -> None:
        self.at = BEGAN

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=250)
        return self.at

    def monotonic(self) -> float:
        return (self.at - BEGAN).total_seconds()


@dataclass
class World:
    """A database with its log, and the people who use it, one step after the other."""

    path: Path
    clock: Ticking = field(default_factory=Ticking)
    signer: Signer = field(default_factory=Signer)
    estate: Mapping[str, Any] = field(default_factory=dict)
    """What its founding roster says beside, or instead of, `estate()`."""

    def __post_init__(self) -> None:
        self.url = f"sqlite:///{self.path}"
        self.log = Log(self.signer)
        self.store = Store(self.url, self.log, {}, self.clock)
        # Tests look at what is written, not at whether the disk has it yet.
        event.listen(self.store.engine, "connect", lambda dbapi, _: dbapi.execute("PRAGMA synchronous=OFF"))
        META.create_all(self.store.engine)
        with self.store.engine.begin() as conn:
            self.log.open(conn)
        self.store.start()
        self.roster, version = founding(**self.estate)
        self.pin = self.roster.hash
        self.chain = chains.found(version, self.pin)
        self.run(SYSTEM, rosters.found, self.roster, version)

    def run(self, actor: Actor, step: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return self.store.submit(actor, step, *args, **more).result(30).value

    def who(self, name: str) -> Actor:
        return self.chain.head.actor(name, fingerprint_of(name), self.clock.at)

    def note(self, count: int = 1, kind: str = "sign_in.made") -> None:
        """Entries that mean nothing to any table, in one batch."""
        self.run(SYSTEM, lambda work: work.note(*(Fact(kind, f"sgn_{n}", {"n": n}) for n in range(count))))

    def stop(self) -> None:
        self.store.stop()

    # -- the story -----------------------------------------------------------------------------------------------------
    def deposit(self) -> None:
        self.run(self.who("eve"), rotate.deposit, "acc_db1-root", CredentialId("crd_first"), 1, b"sealed 1")
        self.rotate("crd_second", 2)

    def rotate(self, credential: str, version: int) -> None:
        """The rotation that is due, with everything that can come in between."""
        [due, *_] = self.store.look(rotate.due)
        held: Rotation = self.run(SYSTEM, rotate.claim, due.id)
        first, second, third = (CredentialId(f"{credential}{end}") for end in ("-unread", "-refused", ""))
        self.run(SYSTEM, rotate.stage, held, first, version, b"sealed, but not readable")
        self.run(SYSTEM, rotate.discard, held, "it can't be read back")
        self.run(SYSTEM, rotate.stage, held, second, version + 1, b"sealed")
        self.run(SYSTEM, rotate.release, held, "rotation", [second])
        self.run(SYSTEM, rotate.apply, held)
        self.run(SYSTEM, rotate.put_off, held, self.clock.at, "no answer", "target_down", State.STAGED)
        held = self.run(SYSTEM, rotate.claim, due.id)
        self.run(SYSTEM, rotate.apply, held)
        self.run(SYSTEM, rotate.refuse, held, self.clock.at, "too plain")
        held = self.run(SYSTEM, rotate.claim, due.id)
        self.run(SYSTEM, rotate.stage, held, third, version + 2, b"sealed")
        for state in (State.APPLYING, State.UNKNOWN, State.RECONCILE, State.APPLYING, State.APPLIED):
            self.run(SYSTEM, rotate.move, held, state)
        staged = self.store.look(lambda look: look.get(Rotation, held.id))
        new, old = self.store.look(rotate.candidate, staged), self.store.look(rotate.current, held.account)
        assert old is not None
        for number, one in enumerate((old, new), 1):
            self.run(SYSTEM, rotate.guess, held, one, number)
        seen = {
            one.id: Seen(credential=one.id, version=one.version, accepted=one is new, at=self.clock.at, how="model")
            for one in (new, old)
        }
        self.run(SYSTEM, rotate.prove, held, Proof(new=seen[new.id], old=seen[old.id]))
        self.run(SYSTEM, rotate.finish, held, "")

    def ask(self, id: str) -> RequestId:
        more = {"target": "db1", "account": None, "condition": "cnd_down", "reason": "Nobody can sign in."}
        self.run(self.who("alice"), ask.ask, self.chain.head, RequestId(id), access_for=timedelta(minutes=30), **more)
        return RequestId(id)

    def approve(self, id: RequestId, name: str) -> None:
        drawn = self.run(self.who(name), approve.offer, self.chain, id, Kind.APPROVE)
        self.run(self.who(name), approve.approve, self.chain, id, sign(drawn, name).signature)

    def deny(self, id: RequestId, name: str) -> None:
        drawn = self.run(self.who(name), approve.offer, self.chain, id, Kind.DENY, "not now")
        self.run(self.who(name), approve.deny, self.chain, id, sign(drawn, name).signature)

    def token(self, id: RequestId, grant: str) -> Token:
        request = self.store.look(lambda look: look.get(AccessRequest, id))
        drawn, head = terms.draw_up(request, self.chain.head), self.chain.head
        opened = self.clock.at.replace(microsecond=0)
        return Token(
            deployment=head.deployment,
            grant=GrantId(grant),
            request=id,
            person=drawn.requester,
            key=drawn.requester_key,
            account=drawn.account,
            username=drawn.username,
            endpoint=drawn.endpoint,
            permissions=drawn.permissions,
            recording=drawn.recording,
            roster=f"{head.version} {head.hash}",
            opened_at=opened,
            not_after=opened + drawn.duration,
        )

    def open_grant(self, token: Token) -> Grant:
        grant: Grant = self.run(SYSTEM, open_grant.open_grant, token, GRANT_KEY.sign(token.text()).decode())
        return grant

    def adopt(self, estate: Mapping[str, Any], *names: str) -> None:
        """Propose and sign the next roster, until it holds."""
        document = drafting.following(estate, self.chain.head, at=self.clock.at.replace(microsecond=0))
        id = keep.new_id("pro")
        self.run(self.who("eve"), rosters.propose, self.chain, id, document)
        for name in names:
            drawn = self.run(self.who(name), rosters.offer, self.chain, id)
            version = self.run(self.who(name), rosters.sign, self.chain, id, sign(drawn, name).signature)
            if version is not None:
                self.chain = chains.step(self.chain, version)

    def use(
        self,
        session: str,
        recording: str,
        heads: Sequence[tuple[int, str, int]] = ((1, "11" * 32, 400), (2, "22" * 32, 900)),
        state: recordings.State = recordings.State.COMPLETE,
    ) -> None:
        """One session, from release to end, with heads (chunks, hex, bytes) of its recording; the last one ends it."""
        account, name = self.chain.head.accounts["acc_db1-root"], RecordingId(recording)
        ids = {"session": SessionId(session), "recording": name}
        self.run(self.who("alice"), connect.begin, account, **ids, node="node1", from_address="192.0.2.7")
        self.run(SYSTEM, connect.started, account, SessionId(session))
        for head in heads[:-1]:
            self.run(SYSTEM, keep.recording_reached, name, *head)
        if state is not recordings.State.OPEN:
            self.run(SYSTEM, keep.session_over, SessionId(session), name, state, *heads[-1], "they left")

    def review(self, session: str) -> None:
        [one] = self.store.look(lambda look: look.find(Review, state="open"))
        dora = self.who("dora")
        drawn = self.run(dora, review.offer_replay, self.chain, SessionId(session))
        signature = sign(drawn, "dora").signature
        self.run(dora, review.replay, self.chain, SessionId(session), signature)
        self.run(dora, review.replay, self.chain, SessionId(session), signature)  # the first time the vault was sealed
        self.run(dora, review.replayed, SessionId(session))
        drawn = self.run(dora, review.offer, self.chain, one.id, Classification.DRILL, "All as it should be.")
        self.run(dora, review.sign, self.chain, one.id, sign(drawn, "dora").signature)

    def tell(self, about: str, kind: str, index: int) -> Ticket | None:
        """The duty that writes the ticket."""
        data: Mapping[str, Any] = {"request": about}
        told = Told(index=index, kind=kind, about=about, by="usr_alice", at=self.clock.at, data=data)
        line: Ticket | None = self.run(SYSTEM, ticket.tell, told, "Something happened.")
        return line

    def story(self) -> None:
        """Everything that the first release can do, once; with a denied, a cancelled and an expired request beside."""
        self.deposit()
        self.deny(self.ask("req_denied"), "bo")
        self.run(self.who("alice"), approve.cancel, self.ask("req_cancelled"))
        id = self.ask("req_one")
        self.tell(id, "request.made", 1)
        self.approve(id, "bo")
        self.adopt({**estate(), **self.estate, "domains": {"dom_plant": {"name": "The plant"}}}, "eve", "finn")
        self.approve(id, "cy")
        self.open_grant(self.token(id, "grt_one"))
        self.use("ses_one", "rec_one")
        self.rotate("crd_third", 5)
        self.run(self.who("alice"), close.close, GrantId("grt_one"))
        self.rotate("crd_fourth", 8)
        self.review("ses_one")
        self.tell(id, "review.signed", 2)


def make_log(path: Path, n: int, *, batch: int = 2048) -> str:
    """A log of `n` entries (the first is the founding roster) in a new file, quickly; returns the pin."""
    world = World(path)
    world.stop()
    signer, left = world.signer, n - 1
    log, engine = Log(signer), world.store.engine
    with engine.begin() as conn:
        log.open(conn)
    at = world.clock.at
    while left:
        count = min(left, batch)
        at += timedelta(milliseconds=1)
        facts = [
            Stamped(Fact("sign_in.made", f"sgn_{left - k:020x}", {"key": "SHA256:" + "k" * 43}), "usr_alice", at)
            for k in range(count)
        ]
        with engine.begin() as conn:
            log.lock(conn)
            log.append(conn, facts)
        left -= count
    engine.dispose()
    return world.pin
