"""The judge against each single alteration: every field, every byte of a signature, every person who may not."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from breakglass.codec import instant
from breakglass.errors import BadSignature, BreakglassError, Expired, Malformed, NotEntitled, SelfApproval, Tampered
from breakglass.model.ids import GrantId, RequestId
from breakglass.trust import chain as chains
from breakglass.trust.statement import Kind, Signed
from breakglass.vault.judge import APPROVALS_MAX, LogView, Verdict, judge_grant, judge_place, judge_session
from tests.vault.rig import (
    FOUNDED,
    NOW,
    OTHER_PLACE,
    PLACE,
    World,
    fingerprint,
    public_line,
    sign,
)

REQUEST = RequestId("req_1")


def judged(world: World, approvals: list[Signed], request: RequestId = REQUEST, **changed: Any) -> Verdict:
    chain = chains.extend(None, world.vault.status().founding, world.versions)
    given: dict[str, Any] = {
        "grant": GrantId("grt_1"),
        "now": NOW,
        "log": LogView(
            size=world.log.size, root_at=lambda size: world.log.root(size) if size <= world.log.size else None
        ),
    }
    return judge_grant(chain, approvals, request=request, **{**given, **changed})


def altered(world: World, **facts: str) -> list[Signed]:
    """Both approvers signed the same terms, but not those of the roster."""
    terms = {**world.terms(), **facts}
    return [world.approval(by, facts=terms) for by in ("bo", "di")]


def test_a_quorum_gets_exactly_what_it_signed(world):
    verdict = judged(world, world.approvals())
    token = verdict.token
    assert (token.person, token.account, token.endpoint) == ("usr_alice", PLACE, world.endpoint())
    assert token.key == fingerprint(world.keys["alice"])
    assert token.opened_at == NOW.replace(microsecond=0)
    assert token.not_after - token.opened_at == timedelta(hours=1)
    assert verdict.approvers == ("usr_bo", "usr_di")
    assert verdict.terms == world.terms()


OTHER_TERMS = {
    "requester": "usr_hal",
    "requester-key": "SHA256:" + "A" * 43,
    "target": "db2",
    "account": OTHER_PLACE,
    "username": "toor",
    "endpoint": "ssh://db2.example.test:22",
    "host-key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
    "connector": "con_site",
    "condition": "cnd_other",
    "reason": "Another reason.",
    "duration": "3601 seconds",
    "lane": "safety",
    "permissions": "exec sftp shell",
    "recording": "none",
    "policy": "0" * 64,
}


def test_every_term_is_altered_once_below(world):
    assert OTHER_TERMS.keys() == world.terms().keys()


@pytest.mark.parametrize("name", OTHER_TERMS)
def test_approvals_that_differ_in_one_term_open_nothing(world, name):
    other = world.approval("di", facts={**world.terms(), name: OTHER_TERMS[name]})
    with pytest.raises(NotEntitled, match="same terms"):
        judged(world, [world.approval("bo"), other])


@pytest.mark.parametrize("name", [name for name in OTHER_TERMS if name not in {"reason", "duration"}])
def test_terms_that_are_not_the_rosters_open_nothing(world, name):
    with pytest.raises(NotEntitled):
        judged(world, altered(world, **{name: OTHER_TERMS[name]}))


def test_reason_and_duration_are_the_requesters_to_choose(world):
    """The two terms that no roster decides: signed by all alike, they count."""
    verdict = judged(world, altered(world, reason="Another reason.", duration="60 seconds"))
    assert verdict.token.not_after - verdict.token.opened_at == timedelta(minutes=1)


@pytest.mark.parametrize("duration", ["14401 seconds", "99999999 seconds"])
def test_nothing_beyond_the_policys_duration(world, duration):
    with pytest.raises(NotEntitled, match="that long"):
        judged(world, altered(world, duration=duration))


def test_the_policys_duration_itself_is_fine(world):
    assert judged(world, altered(world, duration="14400 seconds")).token.not_after == instant.read(
        "2026-11-24T01:00:30Z"
    )


@pytest.mark.parametrize("duration", ["1h", "0 seconds", "-60 seconds", "3600 seconds "])
def test_a_duration_in_other_words_is_refused(world, duration):
    with pytest.raises((NotEntitled, Malformed)):
        judged(world, altered(world, duration=duration))


def test_each_flipped_byte_of_a_signature_is_refused(world):
    good = world.approval("bo")
    armor = good.signature.splitlines()
    raw = bytearray(b64decode("".join(armor[1:-1])))
    refused = 0
    for place in range(len(raw)):
        flipped = bytes(raw[:place]) + bytes([raw[place] ^ 1]) + bytes(raw[place + 1 :])
        body = b64encode(flipped).decode()
        lines = [body[at : at + 70] for at in range(0, len(body), 70)]
        bad = Signed(good.text, "\n".join([armor[0], *lines, armor[-1], ""]))
        with pytest.raises((BadSignature, Malformed)):
            judged(world, [bad, world.approval("di")])
        refused += 1
    assert refused == len(raw) > 100


def test_each_changed_character_of_a_statement_is_refused(world):
    good, other = world.approval("bo"), world.approval("di")
    for place, letter in enumerate(good.text):
        text = good.text[:place] + ("a" if letter != "a" else "b") + good.text[place + 1 :]
        with pytest.raises((BadSignature, Malformed)):
            judged(world, [Signed(text, good.signature), other])


def test_signatures_of_other_people_do_not_fit(world):
    bo, di = world.approval("bo"), world.approval("di")
    with pytest.raises(BadSignature):
        judged(world, [Signed(bo.text, di.signature), di])


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"deployment": "dep_other"}, BadSignature),
        ({"roster_version": 1}, BadSignature),
        ({"roster_hash": "0" * 64}, BadSignature),
        ({"person": "usr_cy"}, BadSignature),
        ({"person": "usr_nobody"}, BadSignature),
        ({"not_after": NOW.replace(microsecond=0)}, Expired),
        ({"not_after": NOW - timedelta(days=1)}, Expired),
        ({"log_size": 1}, NotEntitled),
        ({"log_size": 10**17}, NotEntitled),
        ({"log_root": b64encode(bytes(32)).decode()}, Tampered),
    ],
)
def test_each_common_line_counts(world, changed, error):
    with pytest.raises(error):
        judged(world, [world.approval("bo", **changed), world.approval("di")])


def test_a_statement_of_another_kind_is_no_approval(world):
    facts = {"requester": "usr_alice", "account": PLACE, "reason": "No."}
    deny = sign(world.statement(Kind.DENY, REQUEST, "bo", facts), world.keys["bo"])
    with pytest.raises(BadSignature):
        judged(world, [deny, world.approval("di")])


def test_approvals_count_for_their_request_only(world):
    with pytest.raises(BadSignature):
        judged(world, world.approvals("req_1"), request=RequestId("req_2"))


def test_the_same_person_counts_once_also_with_two_keys(world):
    with pytest.raises(NotEntitled, match="twice"):
        judged(world, [world.approval("bo"), world.approval("bo2"), world.approval("di")])
    with pytest.raises(NotEntitled, match="twice"):
        judged(world, [world.approval("cy"), world.approval("cy")])


def test_the_requester_never_approves(world):
    terms = world.terms(requester="usr_bo", key=fingerprint(world.keys["bo"]))
    with pytest.raises(SelfApproval):
        judged(world, [world.approval("bo", facts=terms), world.approval("di", facts=terms)])


@pytest.mark.parametrize("quorum", [["bo"], ["di"], ["cy"]])
def test_a_short_quorum_opens_nothing(world, quorum):
    with pytest.raises(NotEntitled, match="missing"):
        judged(world, world.approvals("req_1", *quorum))


@pytest.mark.parametrize("quorum", [["bo", "cy"], ["cy", "di"], ["bo", "cy", "di"]])
def test_every_quorum_opens(world, quorum):
    assert len(judged(world, world.approvals("req_1", *quorum)).approvers) == len(quorum)


@pytest.mark.parametrize("by", ["ed", "gus", "alice"])
def test_who_is_no_approver_does_not_approve(world, by):
    with pytest.raises((NotEntitled, SelfApproval)):
        judged(world, [world.approval("bo"), world.approval("di"), world.approval(by)])


def test_a_stranger_with_a_key_of_their_own_is_nobody(world):
    with pytest.raises(BadSignature):
        judged(world, [world.approval("stranger", person="usr_bo"), world.approval("di")])


@pytest.mark.parametrize("approvals", [0, APPROVALS_MAX + 1])
def test_neither_none_nor_a_flood(world, approvals):
    with pytest.raises(NotEntitled):
        judged(world, [world.approval("bo")] * approvals)


# -- the roster moves on ------------------------------------------------------------------------------------------
def set_host(estate):
    estate["targets"]["tgt_db1"]["host"] = "evil.example.test"


def set_key(world):
    def edit(estate):
        estate["targets"]["tgt_db1"]["host_key"] = public_line(world.keys["stranger"])

    return edit


def set_user(estate):
    estate["accounts"][PLACE]["username"] = "toor"


def set_policy(estate):
    estate["policies"]["pol_two"]["max_seconds"] = 7200


def drop_role(estate):
    estate["people"]["usr_alice"]["roles"] = ["auditor"]


def drop_key(world):
    def edit(estate):
        estate["people"]["usr_alice"]["keys"][0]["public"] = public_line(world.keys["stranger"])
        estate["people"]["usr_alice"]["keys"][0]["approves_from"] = "2027-01-01T00:00:00Z"

    return edit


def expire_requester(estate):
    estate["people"]["usr_alice"]["expires_at"] = "2026-11-23T21:00:30Z"


def expire_approver(estate):
    estate["people"]["usr_di"]["expires_at"] = "2026-11-23T21:00:30Z"


def drop_approver(estate):
    estate["people"]["usr_di"]["roles"] = ["auditor"]


def leave_group(estate):
    estate["people"]["usr_di"]["groups"] = []


def drop_account(estate):
    del estate["accounts"][PLACE]


def new_condition(estate):
    estate["conditions"]["cnd_new"] = estate["conditions"].pop("cnd_down")


CHANGES: dict[str, Callable[[World], Callable[[dict[str, Any]], None]]] = {
    "repointed": lambda _: set_host,
    "another host key": set_key,
    "another login": lambda _: set_user,
    "another policy": lambda _: set_policy,
    "requester without role": lambda _: drop_role,
    "requester's key gone": drop_key,
    "requester's time over": lambda _: expire_requester,
    "approver's time over": lambda _: expire_approver,
    "approver without role": lambda _: drop_approver,
    "approver out of the group": lambda _: leave_group,
    "account gone": lambda _: drop_account,
    "condition gone": lambda _: new_condition,
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_roster_says_now_decides_not_what_it_said_when_people_signed(world, change):
    approvals = world.approvals()
    world.change(CHANGES[change](world))
    with pytest.raises((NotEntitled, Expired, BadSignature)):
        judged(world, approvals)


def test_a_roster_that_changed_elsewhere_voids_no_approval(world):
    approvals = world.approvals()
    world.change(lambda estate: estate["people"]["usr_hal"].update(department="Elsewhere"))
    assert judged(world, approvals).token.roster.startswith("1 ")


def test_a_key_that_is_too_new_does_not_approve(world):
    def edit(estate):
        keys = estate["people"]["usr_di"]["keys"]
        keys[0]["public"] = public_line(world.keys["stranger"])
        keys[0]["approves_from"] = instant.write(NOW + timedelta(hours=72))

    world.change(edit)
    world.keys["di"] = world.keys["stranger"]
    with pytest.raises(BadSignature, match="too new"):
        judged(world, world.approvals())
    later = NOW + timedelta(hours=73)
    approvals = [world.approval(by, not_after=later + timedelta(hours=1)) for by in ("bo", "di")]
    assert judged(world, approvals, now=later).token.opened_at == later.replace(microsecond=0)


def test_another_deployments_quorum_is_nothing_here(world, tmp_path):
    """The same people and keys, another estate with its own founding."""
    other = deepcopy(world.estate)
    other["targets"]["tgt_db1"]["host"] = "other.example.test"
    twin = replace(world, versions=[], estate=other)
    twin.versions = [twin.version_of(twin.document(other, 0, "", FOUNDED), "ed", "flo")]
    with pytest.raises(BadSignature):
        judged(world, [twin.approval(by) for by in ("bo", "di")])


# -- sessions and places ------------------------------------------------------------------------------------------
def test_a_session_goes_to_the_approved_place_only(world):
    verdict = judged(world, world.approvals())
    account = judge_session(world.roster, verdict.token, verdict.terms, endpoint=world.endpoint(), now=NOW)
    assert account.id == PLACE
    endpoint = world.endpoint()
    for other in (
        replace(endpoint, host="evil.example.test"),
        replace(endpoint, port=2222),
        replace(endpoint, host_key=public_line(world.keys["stranger"])),
        replace(endpoint, connector="con_site"),
        world.endpoint(OTHER_PLACE),
    ):
        with pytest.raises(NotEntitled):
            judge_session(world.roster, verdict.token, verdict.terms, endpoint=other, now=NOW)


@pytest.mark.parametrize("change", [name for name in CHANGES if not name.startswith("approver")])
def test_a_live_grant_ends_when_the_roster_takes_away_what_it_stood_on(world, change):
    verdict = judged(world, world.approvals())
    world.change(CHANGES[change](world))
    with pytest.raises(NotEntitled):
        judge_session(world.roster, verdict.token, verdict.terms, endpoint=verdict.token.endpoint, now=NOW)


def test_a_grant_ends_at_its_second(world):
    verdict = judged(world, world.approvals())
    end = verdict.token.not_after
    place = world.endpoint()
    judge_session(world.roster, verdict.token, verdict.terms, endpoint=place, now=end - timedelta(microseconds=1))
    with pytest.raises(Expired):
        judge_session(world.roster, verdict.token, verdict.terms, endpoint=place, now=end)


def test_a_rotation_goes_where_the_roster_says(world):
    assert judge_place(world.roster, PLACE, world.endpoint()).id == PLACE
    for account, place in ((PLACE, world.endpoint(OTHER_PLACE)), ("acc_none", world.endpoint())):
        with pytest.raises(NotEntitled):
            judge_place(world.roster, account, place)


def test_every_refusal_says_what_to_do(world):
    with pytest.raises(BreakglassError) as caught:
        judged(world, world.approvals("req_1", "bo"))
    assert caught.value.what_to_do
    assert caught.value.about == "req_1"
