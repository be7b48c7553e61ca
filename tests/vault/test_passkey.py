"""A lying page is caught: the vault believes the text that was signed, and the pages, keys and people of its roster."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from breakglass.codec import instant
from breakglass.errors import BadSignature, BreakglassError, Malformed, NotEntitled
from breakglass.model.ids import GrantId, RequestId
from breakglass.trust import chain as chains
from breakglass.trust.grant import open_token
from breakglass.trust.statement import Kind, Signed, parse
from breakglass.vault.judge import LogView, Verdict, judge_grant, judge_past, judge_replay
from tests.authenticator import BE, BS, UP, UV, Passkey
from tests.vault.rig import FOUNDED, NOW, OTHER_PLACE, World, new_world

BO, DI, GUS = Passkey("bo"), Passkey("di", "EdDSA"), Passkey("gus")
PHONES = {"bo": BO, "di": DI, "gus": GUS}
REQUEST = RequestId("req_1")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two approvers and an auditor have a passkey beside their SSH key."""
    world = new_world(tmp_path, found=False)
    for name, phone in PHONES.items():
        world.estate["people"][f"usr_{name}"]["keys"].append(phone.entry(approves_from=instant.write(FOUNDED)))
    world.found()
    return world


def text_of(world: World, by: str, kind: Kind = Kind.APPROVE, about: str = "req_1", **facts: Any) -> str:
    """What an honest page shows to this person."""
    given = {**world.terms(), **facts} if kind is Kind.APPROVE else facts
    return replace(world.statement(kind, about, by, given), key=PHONES[by].fingerprint).text()


def judged(world: World, approvals: list[Signed], **changed: Any) -> Verdict:
    chain = chains.extend(None, world.vault.status().founding, world.versions)
    log = LogView(size=world.log.size, root_at=lambda size: world.log.root(size) if size <= world.log.size else None)
    given: dict[str, Any] = {"request": REQUEST, "grant": GrantId("grt_1"), "now": NOW, "log": log}
    return judge_grant(chain, approvals, **{**given, **changed})


def test_passkeys_and_ssh_keys_make_a_quorum_together(world: World) -> None:
    by_phone = BO.sign(text_of(world, "bo"))
    for other in (DI.sign(text_of(world, "di")), world.approval("di")):
        assert judged(world, [by_phone, other]).approvers == ("usr_bo", "usr_di")


def test_a_person_counts_once_whatever_they_sign_with(world: World) -> None:
    with pytest.raises(NotEntitled, match="approved twice"):
        judged(world, [BO.sign(text_of(world, "bo")), world.approval("bo")])


def test_the_page_shows_one_statement_and_has_another_signed(world: World) -> None:
    """The worst that a web process can do that was taken over: other facts, one by one, behind what is shown."""
    shown, good = text_of(world, "bo"), DI.sign(text_of(world, "di"))
    behind: dict[str, dict[str, Any]] = {
        "another account": {"account": OTHER_PLACE},
        "a longer time": {"duration": "14400 seconds"},
        "another requester": {"requester": "usr_hal"},
        "another reason": {"reason": "None."},
    }
    for facts in behind.values():
        wanted = text_of(world, "bo", **facts)
        assert wanted != shown
        signature = BO.sign(wanted).signature
        with pytest.raises(BadSignature, match="another text"):  # brought with what the person saw
            judged(world, [Signed(shown, signature), good])
        with pytest.raises(NotEntitled):  # brought with what was really signed: no terms that the others signed
            judged(world, [Signed(wanted, signature), good])
        with pytest.raises(BadSignature, match="another text"):  # seen and signed honestly, then passed off as `wanted`
            judged(world, [Signed(wanted, BO.sign(shown).signature), good])


def test_a_taken_over_page_that_offers_what_it_has_signed_needs_an_ssh_key_too(world: World) -> None:
    """It draws B up, shows A, and gives B and its signature to the vault: under the origin that the passkeys believe,
    only a text that somebody read elsewhere helps. That is what `ssh_signatures` of a policy asks for."""
    lied = [PHONES[one].sign(text_of(world, one, duration="14400 seconds")) for one in ("bo", "di")]
    assert judged(world, lied).approvers == ("usr_bo", "usr_di")

    world.change(lambda estate: estate["policies"]["pol_two"].update(ssh_signatures=1))
    lied = [PHONES[one].sign(text_of(world, one, duration="14400 seconds")) for one in ("bo", "di")]
    with pytest.raises(NotEntitled, match="1 by ssh-keygen"):
        judged(world, lied)
    with pytest.raises(NotEntitled):  # di's SSH key signed what di read
        judged(world, [lied[0], world.approval("di")])
    honest = [BO.sign(text_of(world, "bo")), world.approval("di")]
    token = judged(world, honest).token
    chain = chains.extend(None, world.vault.status().founding, world.versions)
    assert judge_past(chain, token, honest)
    with pytest.raises(NotEntitled):
        judge_past(chain, token, [honest[0], DI.sign(text_of(world, "di"))])


def test_an_approval_of_one_request_is_none_of_another(world: World) -> None:
    signed = [PHONES[one].sign(text_of(world, one, about="req_2")) for one in ("bo", "di")]
    assert judged(world, signed, request=RequestId("req_2")).token.request == "req_2"
    with pytest.raises(BadSignature, match="not about"):
        judged(world, signed)


LIES: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "https://evil.example"},
    "the origin's other port": {"origin": "https://host.example:8443"},
    "another domain": {"rp": "evil.example"},
    "the domain above": {"rp": "example"},
    "in a frame": {"crossOrigin": True},
    "in a frame of": {"topOrigin": "https://evil.example"},
    "a registration": {"type": "webauthn.create"},
    "a challenge of its own": {"challenge": "AAAA"},
    "nobody there": {"flags": UV | BE | BS},
    "nobody verified": {"flags": UP | BE | BS},
    "an extension": {"flags": UP | UV | 0x80, "more_data": b"\xa0"},
    "a new credential": {"flags": UP | UV | 0x40, "more_data": bytes(18)},
    "bytes left over": {"more_data": b"\x00"},
    "no object": {"client": b"[]"},
    "a huge object": {"client": b"{" + b" " * 9000 + b"}"},
}


@pytest.mark.parametrize("name", LIES)
def test_every_other_lie_is_caught(world: World, name: str) -> None:
    text, good = text_of(world, "bo"), world.approval("di")
    with pytest.raises((BadSignature, Malformed)):
        judged(world, [BO.sign(text, **LIES[name]), good])
    assert judged(world, [BO.sign(text), good]).approvers == ("usr_bo", "usr_di")


def test_whose_passkey_it_is(world: World) -> None:
    text, good = text_of(world, "bo"), world.approval("di")
    stranger = Passkey("stranger")
    for signed in (
        DI.sign(text),
        stranger.sign(text),
        stranger.sign(text.replace(BO.fingerprint, stranger.fingerprint)),
        BO.sign(text.replace("usr_bo", "usr_cy")),
        Signed(text, world.approval("bo").signature),
        BO.sign(text.replace(BO.fingerprint, parse(world.approval("bo").text).key)),
    ):
        with pytest.raises(BadSignature):
            judged(world, [signed, good])


def test_the_counter_may_go_back(world: World) -> None:
    phone = Passkey("bo", counter=900)
    first = phone.sign(text_of(world, "bo"))
    phone.counter = 3
    good = world.approval("di")
    for signed in (first, phone.sign(text_of(world, "bo"))):
        assert judged(world, [signed, good]).approvers == ("usr_bo", "usr_di")


def test_every_byte_of_the_signature_counts(world: World) -> None:
    signed, good = BO.sign(text_of(world, "bo")), world.approval("di")
    lines = signed.signature.splitlines()
    for row in range(1, len(lines) - 1):
        for column in range(0, len(lines[row]), 3):
            line = lines[row]
            other = "A" if line[column] != "A" else "B"
            changed = [*lines[:row], line[:column] + other + line[column + 1 :], *lines[row + 1 :]]
            with pytest.raises((BadSignature, Malformed)):
                judged(world, [Signed(signed.text, "\n".join(changed)), good])


def test_a_new_passkey_waits(world: World) -> None:
    phone, estate = Passkey("cy"), world.estate

    def add(wait: timedelta) -> Callable[[dict[str, Any]], None]:
        entry = phone.entry(approves_from=instant.write(world.clock.at + wait))
        return lambda estate: estate["people"]["usr_cy"]["keys"].append(entry)

    with pytest.raises(NotEntitled, match="72 hours"):
        world.change(add(timedelta(0)))
    world.versions.pop()
    world.estate = estate
    world.change(add(timedelta(hours=72, seconds=1)))
    text = replace(world.statement(Kind.APPROVE, "req_1", "cy", world.terms()), key=phone.fingerprint).text()
    with pytest.raises(BadSignature, match="too new"):
        judged(world, [phone.sign(text), world.approval("di")])


def test_a_passkey_that_the_roster_drops_signs_nothing_any_more(world: World) -> None:
    signed, good = BO.sign(text_of(world, "bo")), world.approval("di")
    world.change(lambda estate: estate["people"]["usr_bo"]["keys"].pop())
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(world, [signed, good])


def test_the_whole_vault_grants_and_releases(world: World) -> None:
    """Through its front door: the lying page first, then the honest one."""
    honest = [PHONES[one].sign(text_of(world, one)) for one in ("bo", "di")]
    lied = Signed(honest[0].text, BO.sign(text_of(world, "bo", duration="14400 seconds")).signature)
    with pytest.raises(BreakglassError, match="another text"):
        world.vault.open_grant("grt_1", "req_1", [lied, honest[1]], world.approved())
    token = str(world.vault.open_grant("grt_1", "req_1", honest, world.approved()))
    world.release(token).secret.wipe()


def test_a_replay_by_an_auditors_passkey(world: World) -> None:
    facts = {"session": "ses_1", "stream": "screen"}
    screen = text_of(world, "gus", Kind.REPLAY, "ses_1", **facts)
    keys = text_of(world, "gus", Kind.REPLAY, "ses_1", **{**facts, "stream": "keys"})
    chain = chains.extend(None, world.vault.status().founding, world.versions)
    log = LogView(size=world.log.size, root_at=world.log.root)
    more: dict[str, Any] = {"session": "ses_1", "stream": "screen", "people": (), "now": NOW, "log": log}
    assert judge_replay(chain, [GUS.sign(screen)], **more)
    with pytest.raises(BadSignature, match="another text"):
        judge_replay(chain, [Signed(screen, GUS.sign(keys).signature)], **more)


def test_approvals_that_the_vault_forgot_are_judged_again(world: World) -> None:
    """The papers of an old grant: the passkeys' approvals count among them, and a bent one does not."""
    approvals = (BO.sign(text_of(world, "bo")), DI.sign(text_of(world, "di")))
    note = str(world.vault.open_grant("grt_1", "req_1", list(approvals), world.approved()))
    token, chain = open_token(note, world.made.public.grant), chains.extend(None, world.roster.hash, world.versions)
    assert judge_past(chain, token, approvals) == {"usr_alice", "usr_bo", "usr_di"}
    for lie in ({"origin": "https://evil.example"}, {"rp": "evil.example"}, {"flags": UP}):
        with pytest.raises(NotEntitled, match="do not fit"):
            judge_past(chain, token, (BO.sign(approvals[0].text, **lie), approvals[1]))
    with pytest.raises(NotEntitled, match="another text"):
        longer = BO.sign(text_of(world, "bo", duration="14400 seconds"))
        judge_past(chain, token, (Signed(approvals[0].text, longer.signature), approvals[1]))
