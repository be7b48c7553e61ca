"""A policy that wants one approval by `ssh-keygen`: the steps ask for it, and every verifier judges the grant by it.

This is what stops a page that was taken over and both offers another statement and has it signed: all of that happens
under the origin that a passkey believes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from breakglass.audit import bundle as bundles
from breakglass.audit import gather
from breakglass.audit.bundle_verify import verify as verify_bundle
from breakglass.audit.verify import verify
from breakglass.codec import instant
from breakglass.errors import NeedsSshSignature
from breakglass.flow import approve, close, evidence
from breakglass.model.ids import GrantId, RequestId
from breakglass.model.request import AccessRequest, State
from breakglass.standalone import verify_bundle as standalone
from breakglass.trust.statement import Kind
from tests.audit.kit import estate
from tests.audit.test_passkey import PHONES, Phoned


class High(Phoned):
    def equip(self) -> None:
        wanted = estate()
        at = instant.write(self.clock.at.replace(microsecond=0))
        for name in ("bo", "cy"):
            wanted["people"][f"usr_{name}"]["keys"].append(PHONES[name].entry(approves_from=at))
        wanted["policies"]["pol_two"]["ssh_signatures"] = 1
        self.adopt(wanted, "bo", "cy", "eve", "finn")

    def to_the_end(self, id: RequestId) -> None:
        self.open_grant(self.token(id, "grt_one"))
        self.run(self.who("alice"), close.close, GrantId("grt_one"))

    def state(self, id: RequestId) -> State:
        return self.store.look(lambda look: look.get(AccessRequest, id)).state

    def evidence(self, id: RequestId) -> bytes:
        export = self.run(self.who("dora"), evidence.export, id)
        return bundles.write(self.store.look(lambda look: gather.bundle(look, id, export)))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[High]:
    world = High(tmp_path / "breakglass.db")
    world.equip()
    world.deposit()
    yield world
    world.stop()


@pytest.mark.parametrize("first", ["passkey", "ssh"])
def test_one_passkey_and_one_ssh_key_make_it(world: High, first: str) -> None:
    id = world.ask("req_one")
    if first == "passkey":
        world.decide(id, "bo")
        world.approve(id, "cy")
    else:
        world.approve(id, "cy")
        world.decide(id, "bo")
    assert world.state(id) is State.APPROVED
    world.to_the_end(id)
    report = verify(world.url, pin=world.pin)
    assert report.ok, report.in_words()
    written = world.evidence(id)
    assert verify_bundle(written, pin=world.pin).ok
    assert standalone.run(written, world.pin, [])[0]


def test_the_second_passkey_is_told_before_it_is_touched(world: High) -> None:
    id = world.ask("req_one")
    world.decide(id, "bo")
    with pytest.raises(NeedsSshSignature, match="must be signed with an SSH key") as refused:
        world.decide(id, "cy")
    assert f"ssh gate statement {id}" in refused.value.what_to_do
    assert world.state(id) is State.PENDING
    world.decide(id, "cy", Kind.DENY)  # a no needs no second channel
    assert world.state(id) is State.DENIED


def test_a_passkeys_word_that_was_offered_in_time_but_comes_too_late_changes_nothing(world: High) -> None:
    id = world.ask("req_one")
    cy = world.phone("cy")
    drawn = world.run(cy, approve.offer, world.chain, id, Kind.APPROVE)
    world.decide(id, "bo")
    with pytest.raises(NeedsSshSignature, match="must be signed with an SSH key"):
        world.run(cy, approve.approve, world.chain, id, world.by_phone(drawn, "cy"))
    world.approve(id, "cy")
    assert world.state(id) is State.APPROVED


def test_a_grant_by_passkeys_alone_is_found_by_all(world: High, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node lies, and whoever holds the vault's key signs the grant: an outsider sees it all the same."""
    monkeypatch.setattr("breakglass.flow.approve.with_ssh_key", lambda _: True)
    id = world.ask("req_one")
    for name in ("bo", "cy"):
        world.decide(id, name)
    assert world.state(id) is State.APPROVED
    world.to_the_end(id)
    report = verify(world.url, pin=world.pin)
    assert any("The grant lacks approvals: 1 by ssh-keygen." in one.words for one in report.findings)
    written = world.evidence(id)
    assert "lacks approvals: 1 by ssh-keygen" in verify_bundle(written, pin=world.pin).words
    ok, found = standalone.run(written, world.pin, [])
    assert not ok
    assert "an approval that an SSH key signed" in found["words"]


def test_a_grant_without_its_second_approval_is_found(world: High) -> None:
    id = world.ask("req_one")
    world.approve(id, "cy")
    world.open_grant(world.token(id, "grt_one"))
    report = verify(world.url, pin=world.pin)
    assert any("The grant lacks approvals: 1 of responders" in one.words for one in report.findings), report.findings
