"""Does this bundle hold? Judged from the founding roster's hash alone, without a server, a database or a network.

    pin ─▶ roster 0 ─▶ log key ─▶ checkpoint ─▶ entries ─▶ statements, rosters, grant, sessions, rotation, review
                                   │  └──▶ heads that people saw
                                   └─────▶ heads that witnesses of the rosters cosigned

It is the verifier of the whole log (audit.verify) on some of its entries, and beside that: that nothing was left out of
the bundle, and that the approvals which are in it are a quorum. `standalone/verify_bundle.py` says the same with other
code.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from breakglass.audit import bundle as bundles
from breakglass.audit import event as events
from breakglass.audit import tapes
from breakglass.audit.bundle import EXPORTED, Bundle, Proven
from breakglass.audit.erasing import Erasures, must_be_whole
from breakglass.audit.event import Event
from breakglass.audit.follow import Follow
from breakglass.audit.pinned import must_be_pin
from breakglass.audit.said import ADOPTED, Said, version_of
from breakglass.codec import note
from breakglass.codec.cosignature import cosigned
from breakglass.codec.lines import clean
from breakglass.errors import BadSignature, BreakglassError, Malformed, Tampered
from breakglass.trust import chain as chains
from breakglass.trust import next_log
from breakglass.trust.reviewed import line_of
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Statement
from breakglass.trust.tree import leaf_hash, verify_consistency, verify_inclusion
from breakglass.trust.witnesses import furthest

_CALL = "Keep the bundle, get another one from the node, and call the auditors."
"""Recordings whose heads a review's statement lists; of more it names the number and a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    request: str
    state: str
    """Of the request, as far as the bundle goes: `pending`, `approved`, `denied` …"""
    deployment: str
    origin: str
    size: int
    """Entries under the checkpoint in which all of it is proven."""
    seen_by_people: int
    """The largest log head that a statement in it names."""
    witnessed: int
    """The size up to which as many witnesses cosigned the log as its newest roster asks for, and at least one; 0 where
    they have not."""
    exported_at: str
    roster: int
    entries: int
    statements: int
    grants: int
    sessions: int
    recordings: int
    """How many it names; `checked` of them were checked against their files."""
    checked: int
    rotations: int
    reviewed: bool
    bad: str
    """The first bad record; empty when all of it holds."""
    words: str

    @property
    def ok(self) -> bool:
        return not self.bad

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ok": self.ok}

    def in_words(self) -> list[str]:
        if not self.ok:
            return [f"BAD {self.bad}: {self.words}", "NOT verified. Keep the file as it is; call the auditors."]
        review = "signed" if self.reviewed else "not signed"
        return [
            f"{self.request} of {self.deployment}: {self.state}; as of {self.exported_at}.",
            f"{self.entries} of {self.size} entries of the log {self.origin} proven; roster version {self.roster}.",
            f"{self.statements} statements, {self.grants} grant, {self.sessions} sessions, review {review}.",
            f"{self.rotations} rotations.",
            f"{self.recordings} recordings named by hash, {self.checked} checked against their files.",
            f"People saw this log up to {self.seen_by_people} entries, its witnesses up to {self.witnessed}.",
            "What is behind both rests on the log's key.",
            "verified",
        ]


def verify(data: bytes, *, pin: str, recordings: Sequence[Path] = ()) -> Verdict:
    """What is wrong with it first, or nothing. `pin`: hex SHA-256 of the founding roster, which comes from elsewhere.
    `recordings`: files of the recordings that the bundle names. Raises `Malformed` for a pin of another shape."""
    must_be_pin(pin)
    run = _Run(pin)
    bad = words = ""
    try:
        run.judge(bundles.read(data))
        for path in recordings:
            run.recording(path)
    except BreakglassError as error:
        bad, words = run.where, error.message
    except OSError as error:
        bad, words = run.where, f"It can't be read: {error.strerror}."
    return run.verdict(clean(bad)[:200], clean(words)[:600])


class _Run:
    def __init__(self, pin: str) -> None:
        self.pin, self.where = pin, "the file"
        self.bundle = Bundle(request="", checkpoint=b"", entries=(), heads=())
        self.roots: dict[int, bytes] = {}
        self.used: set[int] = set()
        self.erasures, self.followed = Erasures(), Follow(whole=False)
        self.said = Said(pin, self._root, self.erasures, whole=False)
        self.head: note.Checkpoint | None = None
        self.origin = self.exported_at = ""
        self.checked: set[str] = set()
        self.rosters: list[Roster] = []
        self.witnessed = 0

    def judge(self, bundle: Bundle) -> None:
        self.bundle = bundle
        head = self._checkpoint(self._founding())
        self._heads(head)
        self._proofs(head)
        self._manifest()
        for one in bundle.entries[:-1]:
            self.where = f"entry {one.index}"
            self._entry(one.index, self.erasures.opened(one.index, events.parse(one.leaf), one.opened))
        self.where = "the bundle"
        if self.bundle.entries[-1].opened:
            raise Malformed("Its last entry has no private values.", what_to_do=_CALL)
        must_be_whole(self.erasures)
        self._must_be_its_log(head.origin)
        self._witnesses(head)
        self.where = "the bundle"
        if bundle.request not in self.followed.rows["request"]:
            raise Tampered(f"It does not hold its request {bundle.request}.", what_to_do=_CALL)
        if set(self.roots) != self.used:
            raise Tampered("It holds a head that no statement names.", what_to_do=_CALL)

    # -- what it stands on ---------------------------------------------------------------------------------------------
    def _founding(self) -> Roster:
        self.where = "entry 0"
        first = self.bundle.entries[0] if self.bundle.entries else None
        if first is None or first.index != 0 or (event := events.parse(first.leaf)).kind != ADOPTED:
            raise Tampered("The bundle does not begin with the founding roster.", what_to_do=_CALL)
        return chains.found(version_of(event), self.pin).head

    def _checkpoint(self, roster: Roster) -> note.Checkpoint:
        self.where = "the checkpoint"
        self.founding = roster
        found = self._signed_head(self.bundle.checkpoint)
        if len(note.parse(self.bundle.checkpoint).signatures) != 1:
            raise BadSignature("It has a line by a key that the roster does not name.", what_to_do=_CALL)
        self.head, self.origin = found, found.origin
        return found

    def _signed_head(self, signed: bytes) -> note.Checkpoint:
        """What the log's key signed, of this log."""
        key = next_log.key_for(self.founding, signed)
        found = note.parse_checkpoint(note.verify(signed, [key.vkey]).text)
        if found.extensions:
            raise Malformed("Its checkpoint says more than origin, size and root.", what_to_do=_CALL)
        return found

    def _must_be_its_log(self, origin: str) -> None:
        """Where this log went on from one before, custodians signed for it. (Of the ones before are only the
        checkpoints that witnesses saw.)"""
        number = next_log.number_of(origin, self.founding.origin)
        if number != self.said.logs.number:
            raise Tampered(f"It holds no word of custodians for the log {origin}.", what_to_do=_CALL)

    def _heads(self, head: note.Checkpoint) -> None:
        before = -1
        for seen in self.bundle.heads:
            self.where = f"the head over {seen.size} entries"
            if seen.size <= before:
                raise Malformed("The heads are not in order.", what_to_do=_CALL)
            before = seen.size
            verify_consistency(seen.size, seen.root, head.size, head.root, seen.proof)
            self.roots[seen.size] = seen.root

    def _witnesses(self, head: note.Checkpoint) -> None:
        """How far they saw this log. Every line must be by one whom a roster names: none is there for show."""
        keys = {key for roster in self.rosters for key in roster.witnesses.keys}
        before, reached = 0, dict[str, int]()
        for one in self.bundle.witnessed:
            self.where = "a witnessed checkpoint"
            seen = self._signed_head(one.checkpoint)
            self.where = f"the witnessed checkpoint over {seen.size} entries"
            if next_log.number_of(seen.origin, self.founding.origin) > self.said.logs.number:
                raise Tampered("It is of a log that custodians did not sign for.", what_to_do=_CALL)
            if seen.size <= before:
                raise Malformed("The witnessed checkpoints are not in order.", what_to_do=_CALL)
            before = seen.size
            verify_consistency(seen.size, seen.root, head.size, head.root, one.proof)
            found = cosigned(signed := note.parse(one.checkpoint), keys)
            if not found or len(signed.signatures) != 1 + len(found):
                raise BadSignature("It has a line by somebody whom no roster names, or by nobody.", what_to_do=_CALL)
            reached |= {each.witness.name: seen.size for each in found}
        newest = self.rosters[-1].witnesses
        self.witnessed = furthest([reached.get(one.key.name, 0) for one in newest.known], newest.quorum)

    def _root(self, size: int) -> bytes:
        if size not in self.roots:
            raise Tampered(f"No proof is here for the head over {size} entries that it names.", what_to_do=_CALL)
        self.used.add(size)
        return self.roots[size]

    def _proofs(self, head: note.Checkpoint) -> None:
        before = -1
        for one in self.bundle.entries:
            self.where = f"entry {one.index}"
            if one.index <= before:
                raise Malformed("The entries are not in order.", what_to_do=_CALL)
            before = one.index
            verify_inclusion(leaf_hash(one.leaf), one.index, head.size, one.proof, head.root)

    def _manifest(self) -> None:
        """The last entry names all the others: none was left out, and none put in."""
        last: Proven = self.bundle.entries[-1]
        self.where = f"entry {last.index}"
        event = events.parse(last.leaf)
        if event.kind != EXPORTED or event.about != self.bundle.request:
            raise Tampered("The bundle does not end with the entry that names what is in it.", what_to_do=_CALL)
        others = self.bundle.entries[:-1]
        said = (event.number("entries"), event.text("hash"))
        if said != (len(others), bundles.manifest_of(others)) or others[-1].index >= event.number("size"):
            raise Tampered(
                "The bundle does not hold just what its export named: something was left out, or put in.",
                what_to_do=_CALL,
            )
        self.exported_at = event.at

    # -- what it says --------------------------------------------------------------------------------------------------
    def _entry(self, index: int, event: Event) -> None:
        events.micros(event.at)
        if event.kind == ADOPTED:
            self.rosters.append(self.said.adopt(event))
        statement = self.said.take(index, event)
        self.erasures.take(event, self.said.approved)
        self.followed.take(index, event, statement, self.said.chain, index)
        if event.kind == "grant.opened" and event.text("request") != self.bundle.request:
            raise Tampered("It is the grant of another request.", what_to_do=_CALL)
        if event.kind == "session.connecting":
            self._must_be_in_its_grant(event)
        elif event.kind == "review.signed" and statement is not None:
            self._must_be_of_these_recordings(event, statement)

    def _must_be_in_its_grant(self, event: Event) -> None:
        grant = self.followed.rows["grant"][event.text("grant")]
        at = events.micros(event.at)
        if (event.by, event.text("account")) != (grant["to"], grant["account"]) or not at < grant["ends_at"]:
            raise Tampered("The session is not what its grant opened.", what_to_do=_CALL)

    def _must_be_of_these_recordings(self, event: Event, said: Statement) -> None:
        review = self.followed.rows["review"][event.about]
        used = {id for id, one in self.followed.rows["session"].items() if one["grant"] == review["grant"]}
        rows = [one for one in self.followed.rows["recording"].values() if one["session"] in used]
        whole = [one["head"] for one in rows if one.get("head") and not one["lost"]]
        line = line_of(whole, [one["head"] for one in rows if one.get("head") and one["lost"]])
        facts = said.facts
        if (facts["grant"], facts["recordings"]) != (review["grant"], line):
            raise BadSignature("The review was signed over other recordings than these.", what_to_do=_CALL)

    # -- recordings ----------------------------------------------------------------------------------------------------
    def recording(self, path: Path) -> None:
        """The file against the heads of the recording that it says it is."""
        self.where = f"recording {path.name}"
        self.checked.add(tapes.check_file(path, self.followed))

    def verdict(self, bad: str, words: str) -> Verdict:
        rows, chain, request = self.followed.rows, self.said.chain, self.bundle.request
        state = rows["request"].get(request, {}).get("state", "")
        return Verdict(
            request=request,
            state=str(state),
            deployment=chain.head.deployment if chain else "",
            origin=self.origin,
            size=self.head.size if self.head else 0,
            seen_by_people=self.said.seen,
            witnessed=self.witnessed,
            exported_at=self.exported_at,
            roster=chain.head.version if chain else -1,
            entries=len(self.bundle.entries),
            statements=self.said.count,
            grants=len(rows["grant"]),
            sessions=len(rows["session"]),
            recordings=len(rows["recording"]),
            checked=len(self.checked),
            rotations=len(rows["rotation"]),
            reviewed=any(one["state"] == "signed" for one in rows["review"].values()),
            bad=bad,
            words=words,
        )
