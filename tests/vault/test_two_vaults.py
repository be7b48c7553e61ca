"""Two vaults of one deployment: the second one's folder is a copy of the first one's, and both sign one log."""

import shutil
from dataclasses import replace
from datetime import timedelta

import pytest

from breakglass.errors import Expired, NotEntitled, Tampered
from breakglass.trust.grant import open_token
from breakglass.vault.asking import Elsewhere
from breakglass.vault.core import Vault
from breakglass.vault.line import Behind
from breakglass.vault.making import make
from breakglass.vault.state import PEOPLE_KEPT_FOR
from tests.vault.rig import DEPLOYMENT, ORIGIN, World, event, new_world


@pytest.fixture
def world(tmp_path) -> World:
    return new_world(tmp_path / "one")


@pytest.fixture
def other(world, tmp_path) -> Vault:
    """Made of a copy, opened by the same key file."""
    shutil.copytree(world.folder, tmp_path / "two" / "vault")
    vault = Vault(tmp_path / "two" / "vault", wall=world.clock, key_file=world.home / "seal.key")
    assert vault.try_local_slots()
    vault.load_roster(world.versions)
    return vault


def opened(world, token, grant="grt_1", request="req_1", **changed):
    """The entry that the grant was opened; the log is then known to both vaults."""
    data = {"request": request, "ends_at": "", "token": token, **changed}
    world.log.append(world.vault, event("grant.opened", grant, world.clock.at, **data))
    return world.log.evidence(world.log.size - 1)


def show(world, vault):
    """Bring the vault to the log's present head, as a node does before it brings evidence."""
    tree = world.log.frontier().packed()
    try:
        return vault.sign(world.log.size, [], tree)
    except Behind as behind:
        world.log.catch_up(vault, behind.mark)
        return vault.sign(world.log.size, [], tree)


def adopt(vault, token, approvals, evidence):
    """One by one; raises what the vault says."""
    [why] = vault.adopt_grants([Elsewhere(token=token, approvals=tuple(approvals), entry=evidence)])
    if why:
        raise NotEntitled(why, what_to_do="")


def adopted(world, other, grant="grt_1", request="req_1"):
    approvals = world.approvals(request)
    token = world.vault.open_grant(grant, request, approvals, world.approved(request))
    evidence = opened(world, token, grant, request)
    show(world, other)
    adopt(other, token, approvals, evidence)
    return token, approvals, evidence


def release(world, vault, token, session="ses_1", grant="grt_1"):
    kept, world.vault = world.vault, vault
    try:
        return world.release(token, session, evidence=world.told_session(session, grant))
    finally:
        world.vault = kept


def test_both_sign_one_log_in_turns(world, other):
    for n in range(6):
        world.log.append((world.vault, other)[n % 2], event("tick", "", world.clock.at, n=n))
    assert show(world, world.vault) == show(world, other), "one key, one log: the same checkpoint"
    assert {size: world.checkpoint(note) for size, note in world.log.notes.items()} == {
        size: (size, world.log.root(size)) for size in world.log.notes
    }


def test_a_copy_keeps_the_pins_and_the_mark(world, other, tmp_path):
    world.log.append(other, event("tick", "", world.clock.at), event("tick", "", world.clock.at))
    stranger = new_world(tmp_path / "three")
    with pytest.raises(Tampered):
        other.load_roster(stranger.versions, found_pin=stranger.roster.hash)
    world.log.leaves.pop()
    with pytest.raises(Tampered):
        other.confirm(world.log.notes[2])
        world.log.catch_up(other, 2)


def test_a_state_of_another_deployment_does_not_fit(world, tmp_path):
    make(tmp_path / "four" / "vault", DEPLOYMENT, ORIGIN, k=2, n=3, key_file=tmp_path / "four.key")
    shutil.copy(tmp_path / "four" / "vault" / "state.json", world.folder / "state.json")
    assert not Vault(world.folder, wall=world.clock).try_local_slots()


def test_a_grant_of_the_other_vault_is_good_here_once_it_is_adopted(world, other):
    before = world.vault.open_grant("grt_1", "req_1", world.approvals(), world.approved())
    with pytest.raises(NotEntitled, match="does not know this grant"):
        release(world, other, before)
    evidence = opened(world, before)
    show(world, other)
    adopt(other, before, world.approvals(), evidence)
    adopt(other, before, [], evidence)
    assert release(world, other, before).username == "root"


def test_asked_for_the_same_request_both_give_the_same_token(world, other):
    token, _, evidence = adopted(world, other)
    world.clock.go(minutes=20)
    assert other.open_grant("grt_1", "req_1", world.approvals(), evidence) == token


def test_two_vaults_that_were_asked_at_once_give_one_grant(world, other):
    """Not the same token, if seconds passed: but the same grant, and ending it ends both."""
    evidence = world.approved()
    first = world.vault.open_grant("grt_1", "req_1", world.approvals(), evidence)
    world.clock.go(seconds=2)
    show(world, other)
    with pytest.raises(NotEntitled, match="another request"):
        other.open_grant("grt_2", "req_1", world.approvals(), evidence)
    second = other.open_grant("grt_1", "req_1", world.approvals(), evidence)
    found = [open_token(one, world.made.public.grant) for one in (first, second)]
    assert found[0].grant == found[1].grant
    for vault, token in ((world.vault, first), (other, second)):
        vault.void_grant("grt_1")
        with pytest.raises(NotEntitled, match="ended"):
            release(world, vault, token)


def test_the_token_in_the_log_counts(world, other):
    """The first vault's node died before it put the grant down, and the second vault's was put down."""
    evidence, approvals = world.approved(), world.approvals()
    never_told = world.vault.open_grant("grt_1", "req_1", approvals, evidence)
    world.clock.go(seconds=2)
    show(world, other)
    token = other.open_grant("grt_1", "req_1", approvals, evidence)
    entry = opened(world, token)
    adopt(world.vault, token, approvals, entry)
    assert release(world, world.vault, token, "ses_2").username == "root"
    with pytest.raises(NotEntitled, match="another token"):
        release(world, world.vault, never_told, "ses_3")


def test_what_ended_elsewhere_is_not_adopted_and_not_given_again(world, other):
    approvals = world.approvals()
    token = world.vault.open_grant("grt_1", "req_1", approvals, world.approved())
    evidence = opened(world, token)
    show(world, other)
    other.void_grant("grt_1")
    with pytest.raises(NotEntitled, match="ended"):
        adopt(other, token, approvals, evidence)
    with pytest.raises(NotEntitled, match="ended"):
        other.open_grant("grt_1", "req_1", approvals, evidence)
    world.clock.go(days=PEOPLE_KEPT_FOR.days - 1)
    other.void_grant("grt_2")
    assert "grt_1" in other._open.state.voided
    world.clock.go(days=2)
    other.void_grant("grt_3")
    assert "grt_1" not in other._open.state.voided
    with pytest.raises(NotEntitled, match="time is over"):
        adopt(other, token, approvals, evidence)


def test_an_adopted_grant_ends_here_too(world, other):
    token, approvals, evidence = adopted(world, other)
    other.void_grant("grt_1")
    with pytest.raises(NotEntitled, match="ended"):
        release(world, other, token)
    adopt(other, token, approvals, evidence)
    with pytest.raises(NotEntitled, match="ended"):
        release(world, other, token)


def test_its_time_is_over_here_too(world, other):
    token, _, _ = adopted(world, other)
    world.clock.go(hours=2)
    with pytest.raises(Expired):
        release(world, other, token)
    late = world.vault.open_grant("grt_5", "req_5", world.approvals("req_5"), world.approved("req_5"))
    approvals, evidence = world.approvals("req_5"), opened(world, late, "grt_5", "req_5")
    show(world, other)
    world.clock.go(hours=2)
    with pytest.raises(NotEntitled, match="time is over"):
        adopt(other, late, approvals, evidence)


def test_what_is_not_adopted(world, other):
    approvals = world.approvals()
    token = world.vault.open_grant("grt_1", "req_1", approvals, world.approved())
    evidence = opened(world, token)
    elsewhere = opened(world, token, "grt_2", "req_2")
    said_other = opened(world, token + " ")
    show(world, other)
    newest = world.log.size
    evidence = world.log.evidence(evidence.index, newest)
    longer = world.terms(duration=timedelta(hours=2))
    refused = {
        "no approvals": (token, [], evidence),
        "one approval of two": (token, approvals[:1], evidence),
        "approvals of another request": (token, world.approvals("req_2"), evidence),
        "approvals of other terms": (token, [world.approval(by, facts=longer) for by in ("bo", "di")], evidence),
        "approvals that differ": (token, [approvals[0], world.approval("di", facts=longer)], evidence),
        "the entry of another grant": (token, approvals, world.log.evidence(elsewhere.index, newest)),
        "an entry with another token": (token, approvals, world.log.evidence(said_other.index, newest)),
        "no entry": (token, approvals, replace(evidence, leaf=b"{}")),
        "a token that somebody wrote": (token.replace("root", "toor"), approvals, evidence),
    }
    for name, (text, by, entry) in refused.items():
        with pytest.raises(NotEntitled):
            adopt(other, text, by, entry)
        assert other._open.state.grants == {}, name
    adopt(other, token, approvals, evidence)


def test_many_at_once_and_each_by_itself(world, other):
    """One that is refused takes no other with it, and all are written down together."""
    grants = []
    for n in range(5):
        approvals = world.approvals(f"req_{n}")
        token = world.vault.open_grant(f"grt_{n}", f"req_{n}", approvals, world.approved(f"req_{n}"))
        grants.append((token, approvals, opened(world, token, f"grt_{n}", f"req_{n}")))
    show(world, other)
    other.void_grant("grt_2")
    newest = world.log.size
    brought = [
        Elsewhere(token=token, approvals=tuple(approvals), entry=world.log.evidence(entry.index, newest))
        for token, approvals, entry in grants
    ]
    tokens = [one.token for one in brought]
    assert other.unknown_grants(tokens) == tuple(tokens)
    assert [bool(why) for why in other.adopt_grants(brought)] == [False, False, True, False, False]
    assert other.unknown_grants(tokens) == (tokens[2],)
    assert world.vault.unknown_grants(tokens) == ()
    assert release(world, other, tokens[4], grant="grt_4").username == "root"
