"""Steps and verifier with passkeys: approvals, a denial, a roster and a review that were signed with them, and lies."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.codec import instant, webauthn
from breakglass.errors import BadSignature
from breakglass.flow import approve, close, keep, review
from breakglass.flow import roster as rosters
from breakglass.model.ids import GrantId, RequestId, SessionId
from breakglass.model.people import Actor
from breakglass.model.review import Classification, Review
from breakglass.storage.rosters import versions
from breakglass.trust import chain as chains
from breakglass.trust import drafting
from breakglass.trust.statement import Kind, Statement
from tests.audit.attacks import attacked, index_of, leaf_of, opened, put_leaf, rebuild
from tests.audit.kit import LOG_KEY, World, estate
from tests.authenticator import UP, Passkey

PHONES = {name: Passkey(name) for name in ("bo", "cy", "dora", "eve", "finn")}


class Phoned(World):
    """Everybody but the requester signs with a passkey, from the second version of the roster on."""

    def equip(self) -> None:
        """The passkeys come into the roster; approvers countersign, so that they count at once."""
        wanted = estate()
        at = instant.write(self.clock.at.replace(microsecond=0))
        for name, phone in PHONES.items():
            wanted["people"][f"usr_{name}"]["keys"].append(phone.entry(approves_from=at))
        self.adopt(wanted, "bo", "cy", "eve", "finn")

    def phone(self, name: str) -> Actor:
        return self.chain.head.actor(name, PHONES[name].fingerprint, self.clock.at)

    def by_phone(self, drawn: Statement, name: str, **lie: Any) -> str:
        return PHONES[name].sign(drawn.text(), **lie).signature

    def decide(self, id: RequestId, name: str, kind: Kind = Kind.APPROVE, **lie: Any) -> None:
        drawn = self.run(self.phone(name), approve.offer, self.chain, id, kind, "not now")
        step = approve.approve if kind is Kind.APPROVE else approve.deny
        self.run(self.phone(name), step, self.chain, id, self.by_phone(drawn, name, **lie))

    def reviewed(self, session: str) -> None:
        [one] = self.store.look(lambda look: look.find(Review, state="open"))
        dora = self.phone("dora")
        drawn = self.run(dora, review.offer_replay, self.chain, SessionId(session))
        self.run(dora, review.replay, self.chain, SessionId(session), self.by_phone(drawn, "dora"))
        self.run(dora, review.replayed, SessionId(session))
        drawn = self.run(dora, review.offer, self.chain, one.id, Classification.DRILL, "All as it should be.")
        self.run(dora, review.sign, self.chain, one.id, self.by_phone(drawn, "dora"))

    def renamed(self) -> None:
        """The next version, signed with the custodians' passkeys."""
        wanted = drafting.estate_of(self.store.look(versions)[-1].document)
        wanted["domains"]["dom_plant"]["name"] = "The plant"
        document = drafting.following(wanted, self.chain.head, at=self.clock.at.replace(microsecond=0))
        id = keep.new_id("pro")
        self.run(self.phone("eve"), rosters.propose, self.chain, id, document)
        for name in ("eve", "finn"):
            drawn = self.run(self.phone(name), rosters.offer, self.chain, id)
            version = self.run(self.phone(name), rosters.sign, self.chain, id, self.by_phone(drawn, name))
        self.chain = chains.step(self.chain, version)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Phoned]:
    world = Phoned(tmp_path / "breakglass.db")
    world.equip()
    world.deposit()
    yield world
    world.stop()


def check(path: Path, pin: str) -> Report:
    return verify(f"sqlite:///{path}", pin=pin)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The database after a story that passkeys signed, closed; and the pin."""
    path = tmp_path_factory.mktemp("phones") / "breakglass.db"
    world = Phoned(path)
    world.equip()
    world.deposit()
    world.decide(world.ask("req_denied"), "bo", Kind.DENY)
    id = world.ask("req_one")
    world.tell(id, "request.made", 1)
    world.decide(id, "bo")
    world.renamed()
    world.decide(id, "cy")
    world.open_grant(world.token(id, "grt_one"))
    world.use("ses_one", "rec_one")
    world.rotate("crd_third", 5)
    world.run(world.who("alice"), close.close, GrantId("grt_one"))
    world.rotate("crd_fourth", 8)
    world.reviewed("ses_one")
    world.stop()
    with opened(path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path, world.pin


def test_the_verifier_accepts_a_story_that_passkeys_signed(told: tuple[Path, str]) -> None:
    report = check(*told)
    assert report.ok, report.in_words()
    assert (report.roster, report.grants) == (2, 1)
    with opened(told[0]) as conn:
        for kind in ("request.approval", "request.denied", "review.signed"):
            assert webauthn.armored(leaf_of(conn, index_of(conn, kind))["data"]["signature"]), kind


def altered(told: tuple[Path, str], tmp_path: Path, kind: str, change: Any) -> tuple[Report, int]:
    """Somebody with the log's key changes one entry and makes all the rest fit."""

    def attack(conn: Any) -> int:
        index = index_of(conn, kind)
        event = leaf_of(conn, index)
        change(event["data"])
        put_leaf(conn, index, event)
        rebuild(conn, key=LOG_KEY)
        return index

    index = attacked(told[0], tmp_path / "a.db", attack)
    return check(tmp_path / "a.db", told[1]), index


def again(name: str, **lie: Any) -> Any:
    """The person's own passkey signs the entry's text once more, as a lying page or authenticator would have it."""

    def change(data: dict[str, Any]) -> None:
        data["signature"] = PHONES[name].sign(data["statement"], **lie).signature

    return change


def reworded(data: dict[str, Any]) -> None:
    data["statement"] = data["statement"].replace("Nobody can", "Nobody con", 1)


LIES = {
    "one character": ("request.approval", reworded),
    "another page": ("request.approval", again("bo", origin="https://evil.example")),
    "another domain": ("request.approval", again("bo", rp="evil.example")),
    "another text": ("request.approval", again("bo", challenge="AAAA")),
    "in a frame": ("request.approval", again("bo", crossOrigin=True)),
    "nobody verified": ("request.denied", again("bo", flags=UP)),
    "another person's passkey": ("review.signed", again("bo")),
    "an auditor who was not verified": ("review.signed", again("dora", flags=UP)),
}


@pytest.mark.parametrize("name", LIES)
def test_the_verifier_finds_each_lie(told: tuple[Path, str], tmp_path: Path, name: str) -> None:
    report, index = altered(told, tmp_path, *LIES[name])
    assert {one.level: one.where for one in report.findings}["statement"] == f"entry {index}", report.in_words()


def test_the_same_text_honestly_signed_again_holds(told: tuple[Path, str], tmp_path: Path) -> None:
    """So that what each lie above is found by is the lie; of course, those who signed later have seen another log."""
    report, index = altered(told, tmp_path, "request.denied", again("bo"))
    assert {one.level: one.where for one in report.findings}["statement"] != f"entry {index}", report.in_words()


@pytest.mark.parametrize(
    "lie",
    [{"origin": "https://evil.example"}, {"rp": "evil.example"}, {"challenge": "AAAA"}, {"flags": UP}],
)  # fmt: skip
def test_the_step_refuses_each_lie(world: Phoned, lie: dict[str, Any]) -> None:
    id = world.ask("req_one")
    with pytest.raises(BadSignature):
        world.decide(id, "bo", **lie)
    world.decide(id, "bo")


def test_a_signature_alone_finds_its_text_among_several_on_offer(world: Phoned) -> None:
    id = world.ask("req_one")
    bo = world.phone("bo")
    first = world.run(bo, approve.offer, world.chain, id, Kind.APPROVE)
    second = world.run(bo, approve.offer, world.chain, id, Kind.APPROVE)
    assert first.nonce != second.nonce
    world.run(bo, approve.approve, world.chain, id, world.by_phone(first, "bo"))


def test_a_passkey_that_nobody_countersigned_waits_in_the_step_too(tmp_path: Path) -> None:
    world = Phoned(tmp_path / "breakglass.db")
    wanted = estate()
    wanted["people"]["usr_bo"]["keys"].append(PHONES["bo"].entry())
    world.adopt(wanted, "eve", "finn")
    world.deposit()
    id = world.ask("req_one")
    with pytest.raises(BadSignature, match="too new"):
        world.decide(id, "bo")
    world.clock.at += timedelta(hours=73)
    id = world.ask("req_two")
    world.decide(id, "bo")
    world.stop()
