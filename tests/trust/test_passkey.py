"""Passkeys in the roster and under statements: judged like SSH keys, by what the roster says, and never mixed up."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given
from hypothesis import strategies as st

from breakglass.codec import base64url, canonical, sshsig, sshwire, webauthn
from breakglass.errors import BadSignature, Expired, Forbidden, Malformed, NotEntitled, Tampered
from breakglass.identity import sign_in
from breakglass.trust import chain as chains
from breakglass.trust import drafting, signature
from breakglass.trust.chain import Version
from breakglass.trust.difference import difference
from breakglass.trust.posture import must_be_usable
from breakglass.trust.roster import Roster, parse
from breakglass.trust.signature import check_signature, may_approve, verify
from breakglass.trust.statement import FIELDS, NAMESPACE, Kind, Signed, Statement
from tests.audit.kit import BEGAN, estate, fingerprint_of, founding, key_of, public_of, sign, statement
from tests.authenticator import BE, UP, UV, Passkey, private

Edit = Callable[[dict[str, Any]], Any]
PHONES = {name: Passkey(name) for name in ("bo", "cy", "eve", "finn", "stranger")} | {"dora": Passkey("dora", "EdDSA")}
BO, CY, DORA, EVE = PHONES["bo"], PHONES["cy"], PHONES["dora"], PHONES["eve"]


def people(*with_phones: str, alone: bool = False) -> dict[str, Any]:
    """The estate's people; these have a passkey beside their SSH key, or instead of it."""
    found: dict[str, Any] = estate()["people"]
    for name in with_phones:
        keys = found[f"usr_{name}"]["keys"]
        found[f"usr_{name}"]["keys"] = [*([] if alone else keys), PHONES[name].entry()]
    return found


ROSTER, VERSION = founding(people=people("bo", "cy", "dora", "eve"))
CHAIN = chains.found(VERSION, ROSTER.hash)
KNOWN = {0: ROSTER.hash}
DENIAL: dict[str, Any] = {"requester": "usr_alice", "account": "acc_db1-root", "reason": "It is up again."}


def drawn(name: str, kind: Kind = Kind.DENY, roster: Roster = ROSTER, **facts: Any) -> Statement:
    """A statement for this person's passkey."""
    given = {one: f"some {one}" for one in FIELDS[kind]} | facts
    return replace(statement(kind, roster, name, "req_1", given), key=PHONES[name].fingerprint)


TEXT = drawn("bo", **DENIAL).text()
SIGNED = BO.sign(TEXT)


def judged(signed: Signed, roster: Roster = ROSTER, **more: object) -> Statement:
    asked: dict = {"kind": Kind.DENY, "subject": "req_1", "now": BEGAN, "known": {0: roster.hash}, **more}
    return verify(signed, roster, **asked)


# -- statements -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", ["bo", "dora"])
def test_a_passkey_signs_every_kind_when_its_person_was_verified(kind: Kind, name: str) -> None:
    text = drawn(name, kind).text()
    assert judged(PHONES[name].sign(text), kind=kind).text() == text
    for flags in (UP, UP | BE, UV, 0):
        with pytest.raises(BadSignature):
            judged(PHONES[name].sign(text, flags=flags), kind=kind)


def test_a_page_that_shows_one_text_and_has_another_signed() -> None:
    other = TEXT.replace("It is up again.", "It is down.")
    for shown, asked in ((TEXT, other), (other, TEXT)):
        with pytest.raises(BadSignature, match="another text"):
            judged(Signed(shown, BO.sign(asked).signature))
    assert judged(BO.sign(other)).facts["reason"] == "It is down."


@pytest.mark.parametrize(
    "lie",
    [{"origin": "https://evil.example"}, {"rp": "evil.example"}, {"crossOrigin": True}, {"type": "webauthn.create"}],
)  # fmt: skip
def test_other_pages(lie: dict[str, Any]) -> None:
    with pytest.raises(BadSignature):
        judged(BO.sign(TEXT, **lie))


def test_the_key_that_the_text_names_is_the_one_that_counts() -> None:
    with pytest.raises(BadSignature, match="another passkey"):
        judged(CY.sign(TEXT))
    cloned = Passkey("cy")
    with pytest.raises(BadSignature, match="does not fit"):  # cy's key under the name of bo's credential
        judged(Signed(TEXT, armored_as(cloned, BO.credential, TEXT)))
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(BO.sign(TEXT.replace("usr_bo", "usr_cy")))
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(BO.sign(TEXT.replace("usr_bo", "usr_nobody")))
    stranger = PHONES["stranger"]
    with pytest.raises(BadSignature, match="does not give the key"):
        judged(stranger.sign(TEXT.replace(BO.fingerprint, stranger.fingerprint)))


def armored_as(passkey: Passkey, credential: bytes, text: str) -> str:
    return webauthn.armor(replace(passkey.assertion(text.encode()), credential=credential))


def test_an_ssh_key_does_not_sign_for_a_passkey_nor_the_other_way_round() -> None:
    by_ssh = sshsig.sign_ed25519(key_of("bo"), TEXT.encode(), NAMESPACE)
    with pytest.raises(BadSignature, match="is for the key"):
        judged(Signed(TEXT, by_ssh))
    for_ssh = TEXT.replace(BO.fingerprint, fingerprint_of("bo"))
    with pytest.raises(BadSignature, match="is for the SSH key"):
        judged(BO.sign(for_ssh))
    assert judged(sign(for_ssh, "bo")).key == fingerprint_of("bo")


def test_the_same_curve_point_as_ssh_key_and_as_passkey_are_two_keys() -> None:
    """An Ed25519 key that is used both ways: two fingerprints, and neither signature passes for the other."""
    same = private("dora", "EdDSA")
    assert isinstance(same, Ed25519PrivateKey)
    used = sshwire.fingerprint(sshwire.ed25519_blob(same.public_key()))
    assert used != DORA.fingerprint
    with pytest.raises(Forbidden):  # what the SSH door and the sign-in ask
        ROSTER.actor("dora", used, BEGAN)
    text = drawn("dora", **DENIAL).text()
    with pytest.raises(BadSignature, match="is for the key"):
        judged(Signed(text, sshsig.sign_ed25519(same, text.encode(), NAMESPACE)))


def test_a_passkey_signs_its_person_in_and_nobody_else() -> None:
    text = sign_in.challenge(ROSTER.deployment, BEGAN)
    signature = BO.sign(text).signature
    for login in ("", "bo"):  # it says itself whose it is
        found, actor = sign_in.verify(ROSTER, login, text, signature, BEGAN)
        assert (found, actor.id, actor.key) == ("bo", "usr_bo", BO.fingerprint)
    with pytest.raises(Forbidden, match="not known"):
        sign_in.verify(ROSTER, "dora", text, signature, BEGAN)
    with pytest.raises(Forbidden, match="not known"):
        sign_in.verify(ROSTER, "bo", text, Passkey("stranger").sign(text).signature, BEGAN)
    other = sign_in.challenge(ROSTER.deployment, BEGAN)
    for signed in (BO.sign(other), BO.sign(text, origin="https://evil.example"), BO.sign(text, type="webauthn.create")):
        with pytest.raises(BadSignature):
            sign_in.verify(ROSTER, "", text, signed.signature, BEGAN)
    with pytest.raises(BadSignature):
        sign_in.verify(ROSTER, "", text, BO.sign(text, flags=UP).signature, BEGAN)
    # A decision is no sign-in, and a sign-in no decision.
    with pytest.raises(Malformed):
        sign_in.verify(ROSTER, "", TEXT, BO.sign(TEXT).signature, BEGAN)
    with pytest.raises(Malformed):
        judged(Signed(text, signature))


@given(st.data())
def test_every_changed_character_is_refused(data: st.DataObject) -> None:
    which = data.draw(st.sampled_from(["text", "signature"]))
    whole = getattr(SIGNED, which)
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:place] + data.draw(st.characters()) + whole[place + 1 :]
    assume(changed.replace("\n", "") != whole.replace("\n", ""))
    with pytest.raises((Malformed, BadSignature)):
        judged(replace(SIGNED, **{which: changed}))


def test_its_time_and_its_subject() -> None:
    with pytest.raises(Expired):
        judged(SIGNED, now=BEGAN + timedelta(days=40))
    with pytest.raises(BadSignature, match="not about"):
        judged(SIGNED, subject="req_2")
    assert judged(SIGNED, now=None).text() == TEXT


def test_which_text_a_signature_is_for() -> None:
    assert signature.is_for(TEXT, SIGNED.signature)
    assert not signature.is_for(TEXT + "x", SIGNED.signature)
    assert not signature.is_for(TEXT, "-----BEGIN WEBAUTHN ASSERTION-----\nAA\n")
    ours = sign(TEXT, "bo")
    assert signature.is_for(TEXT, ours.signature)
    assert not signature.is_for(TEXT + "x", ours.signature)


def test_the_roster_decides_on_which_pages() -> None:
    """The signature is the same; the roster of the day has another origin, domain or credential for the key."""
    for change in (
        {"origins": ["https://gate.host.example"]},
        {"rp": "example", "origins": ["https://host.example"]},
        {"credential": base64url.write(b"c" * 32)},
    ):
        roster, _ = founding(people=people_with(change))
        text = drawn("bo", roster=roster, **DENIAL).text()
        with pytest.raises(BadSignature):
            judged(BO.sign(text), roster)
        with pytest.raises(BadSignature):
            check_signature(BO.sign(text), roster)


def people_with(change: dict[str, Any]) -> dict[str, Any]:
    found = people("bo")
    found["usr_bo"]["keys"][1] |= change
    return found


# -- the roster -------------------------------------------------------------------------------------------------------
def test_what_the_roster_says_of_it() -> None:
    ssh, passkey = ROSTER.people["usr_bo"].keys
    assert (ssh.passkey, ssh.public) == (None, public_of("bo"))
    assert passkey.fingerprint == BO.fingerprint
    assert passkey.public == base64url.write(BO.cose)
    assert passkey.passkey is not None
    assert passkey.passkey.origins == (BO.origin,)
    assert (passkey.passkey.rp, passkey.passkey.credential) == (BO.rp, base64url.write(BO.credential))
    assert ROSTER.actor("bo", BO.fingerprint, BEGAN).key == BO.fingerprint
    with pytest.raises(Forbidden):
        ROSTER.actor("cy", BO.fingerprint, BEGAN)


def test_a_key_without_a_kind_is_an_ssh_key() -> None:
    """Documents and hashes from before there were passkeys stay what they were."""
    before, version = founding()
    assert b'"kind"' not in version.document
    document = canonical.read(version.document)
    document["people"]["usr_bo"]["keys"][0]["kind"] = "ssh"
    assert parse(canonical.write(document)).people == before.people


DOCUMENT = canonical.read(VERSION.document)
WRONG: dict[str, dict[str, Any]] = {
    "a kind that is not known": {"kind": "totp"},
    "an SSH line as a passkey": {"public": public_of("bo")},
    "a passkey as an SSH key": {"kind": "ssh"},
    "no kind": {"kind": ...},
    "padded": {"public": base64url.write(BO.cose) + "="},
    "cut short": {"public": base64url.write(BO.cose[:-1])},
    "not canonical": {"public": base64url.write(b"\xb8\x05" + BO.cose[1:])},
    "no key": {"public": "AAAA"},
    "no credential": {"credential": ...},
    "a short credential": {"credential": base64url.write(b"x" * 15)},
    "a long credential": {"credential": base64url.write(b"x" * 1024)},
    "a credential that is no base64url": {"credential": "++++++++++++++++++++++++"},
    "no domain": {"rp": ...},
    "an address": {"rp": "192.0.2.7", "origins": ["https://192.0.2.7"]},
    "a domain in capitals": {"rp": "Host.example"},
    "a domain with a port": {"rp": "host.example:443"},
    "no origins": {"origins": ...},
    "an empty list": {"origins": []},
    "too many": {"origins": [f"https://host.example:{port}" for port in range(8000, 8009)]},
    "one twice": {"origins": ["https://host.example"] * 2},
    "a number": {"origins": [443]},
    "a text": {"origins": "https://host.example"},
    "an origin elsewhere": {"origins": ["https://host.example", "https://evil.example"]},
    "an origin without TLS": {"origins": ["http://host.example"]},
    "an origin with a path": {"origins": ["https://host.example/"]},
    "a member more": {"counter": 0},
}


@pytest.mark.parametrize("name", WRONG)
def test_passkeys_that_are_not_well_formed(name: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    key = document["people"]["usr_bo"]["keys"][1]
    for member, value in WRONG[name].items():
        if value is ...:
            del key[member]
        else:
            key[member] = value
    with pytest.raises(Malformed):
        parse(canonical.write(document))


def test_a_wrong_domain_is_named_as_such() -> None:
    for wrong in ("Host.example", "host.example:443", "192.0.2.7"):
        with pytest.raises(Malformed, match="no domain"):
            founding(people=people_with({"rp": wrong}))


def test_an_ssh_key_has_none_of_a_passkeys_members() -> None:
    for member in ("credential", "rp", "origins"):
        document = copy.deepcopy(DOCUMENT)
        document["people"]["usr_bo"]["keys"][0][member] = BO.entry()[member]
        with pytest.raises(Malformed):
            parse(canonical.write(document))


def test_a_passkey_belongs_to_one_person_and_stands_once() -> None:
    with pytest.raises(Malformed, match="stands twice"):
        founding(people=people("bo") | {"usr_cy": estate()["people"]["usr_cy"] | {"keys": [BO.entry()]}})
    same_id = CY.entry(credential=base64url.write(BO.credential))
    with pytest.raises(Malformed, match="credential"):
        founding(people=people("bo") | {"usr_cy": estate()["people"]["usr_cy"] | {"keys": [same_id]}})


# -- versions ---------------------------------------------------------------------------------------------------------
def following(edit: Edit, *, before: Roster = ROSTER, at: timedelta = timedelta(hours=1)) -> bytes:
    wanted = drafting.estate_of(VERSION.document)
    edit(wanted)
    return drafting.following(wanted, before, at=BEGAN + at)


def carried(document: bytes, *names: str, lie: dict[str, Any] | None = None) -> Version:
    """Signed with passkeys by those who have one, with SSH keys by the others."""
    after, statements = parse(document), []
    facts = {"next": chains.next_line(after), "changes": "a test"}
    for name in names:
        one = statement(Kind.ROSTER, ROSTER, name, chains.subject(after), facts)
        if any(key.passkey for key in ROSTER.people[f"usr_{name}"].keys):
            one = replace(one, key=PHONES[name].fingerprint)
            statements.append(PHONES[name].sign(one.text(), **(lie or {})))
        else:
            statements.append(sign(one, name))
    return Version(document, tuple(statements))


def keys_of(wanted: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wanted["people"][f"usr_{name}"]["keys"]
    return found


def test_passkeys_carry_a_version() -> None:
    document = following(lambda _: None)
    assert chains.step(CHAIN, carried(document, "eve", "finn")).head.version == 1
    with pytest.raises(NotEntitled, match="1 of custodians"):
        chains.step(CHAIN, carried(document, "eve"))
    for lie in ({"flags": UP}, {"origin": "https://evil.example"}, {"challenge": "x"}):
        with pytest.raises(Tampered, match="does not hold"):
            chains.step(CHAIN, carried(document, "eve", "finn", lie=lie))


def test_passkeys_found() -> None:
    roster, version = founding(people=people("eve", "finn", alone=True))
    facts = {"next": chains.next_line(roster), "changes": "a test"}
    texts = {
        name: replace(
            statement(Kind.ROSTER, roster, name, chains.subject(roster), facts), key=PHONES[name].fingerprint
        ).text()
        for name in ("eve", "finn")
    }
    signed = tuple(PHONES[name].sign(text) for name, text in texts.items())
    assert chains.found(Version(version.document, signed), roster.hash).head == roster


LONG = BEGAN + timedelta(hours=73)
NEW: dict[str, Edit] = {
    "a new passkey": lambda e: keys_of(e, "finn").append(PHONES["finn"].entry()),
    "a passkey in other hands": lambda e: keys_of(e, "finn").append(keys_of(e, "cy").pop()),
    "a new page for an old one": lambda e: keys_of(e, "bo")[1].update(
        origins=["https://host.example", "https://new.host.example"]
    ),
    "another page": lambda e: keys_of(e, "bo")[1].update(origins=["https://new.host.example"]),
    "another domain": lambda e: keys_of(e, "bo")[1].update(rp="example"),
    "another credential": lambda e: keys_of(e, "bo")[1].update(credential=base64url.write(b"c" * 32)),
}


@pytest.mark.parametrize("name", NEW)
def test_what_is_new_waits_unless_two_approvers_countersign(name: str) -> None:
    def undated(wanted: dict[str, Any]) -> None:
        NEW[name](wanted)
        for one in wanted["people"].values():
            for key in one["keys"]:
                if key.get("kind") == "passkey":
                    key.pop("approves_from", None)

    def hurried(wanted: dict[str, Any]) -> None:
        NEW[name](wanted)
        for one in wanted["people"].values():
            for key in one["keys"]:
                key["approves_from"] = "2026-11-23T22:00:00Z"

    patient = parse(following(undated))
    waiting = [
        key for one in patient.people.values() for key in one.keys if key.approves_from == BEGAN + timedelta(hours=73)
    ]
    assert [key.passkey is not None for key in waiting] == [True]
    chains.step(CHAIN, carried(following(undated), "eve", "finn"))
    [new] = waiting
    holder = next(one.id for one in patient.people.values() if new in one.keys)
    late = replace(drawn("bo"), person=holder, key=new.fingerprint)
    with pytest.raises(BadSignature, match="too new"):
        may_approve(late, patient, LONG - timedelta(microseconds=1))
    may_approve(late, patient, LONG)

    with pytest.raises(NotEntitled, match="before 72 hours"):
        chains.step(CHAIN, carried(following(hurried), "eve", "finn"))
    with pytest.raises(NotEntitled, match="before 72 hours"):
        chains.step(CHAIN, carried(following(hurried), "eve", "finn", "bo"))
    chains.step(CHAIN, carried(following(hurried), "eve", "finn", "bo", "cy"))


OLD: dict[str, Edit] = {
    "nothing": lambda _: None,
    "another label": lambda e: keys_of(e, "bo")[1].update(label="the old phone"),
    "a page fewer": lambda e: keys_of(e, "bo")[1].update(origins=["https://host.example"]),
    "the other order": lambda e: keys_of(e, "bo")[1]["origins"].reverse(),
}


@pytest.mark.parametrize("name", OLD)
def test_what_is_not_new_does_not_wait(name: str) -> None:
    two = ["https://host.example", "https://gate.host.example"]
    before, version = founding(people=people_with({"origins": two}))
    wanted = drafting.estate_of(version.document)
    OLD[name](wanted)
    for key in keys_of(wanted, "bo"):
        del key["approves_from"]
    document = drafting.following(wanted, before, at=BEGAN + timedelta(hours=1))
    after = parse(document)
    assert [key.approves_from for key in after.people["usr_bo"].keys] == [BEGAN, BEGAN]
    facts = {"next": chains.next_line(after), "changes": "a test"}
    signed = [sign(statement(Kind.ROSTER, before, one, chains.subject(after), facts), one) for one in ("eve", "finn")]
    chains.step(chains.found(version, before.hash), Version(document, tuple(signed)))


def test_a_passkey_that_waits_is_not_let_in_earlier_by_the_next_version() -> None:
    first = following(NEW["a new passkey"])
    chain = chains.step(CHAIN, carried(first, "eve", "finn"))

    def sooner(wanted: dict[str, Any]) -> None:
        keys_of(wanted, "finn").append(PHONES["finn"].entry(approves_from="2026-11-24T00:00:00Z"))

    document = following(sooner, before=chain.head, at=timedelta(hours=2))
    after, facts = parse(document), {"next": chains.next_line(parse(document)), "changes": "a test"}
    signed = [
        sign(statement(Kind.ROSTER, chain.head, one, chains.subject(after), facts), one) for one in ("eve", "finn")
    ]
    with pytest.raises(NotEntitled, match="before 72 hours"):
        chains.step(chain, Version(document, tuple(signed)))


def test_the_difference_shows_a_passkey_that_comes_changes_and_goes() -> None:
    for edit in (*NEW.values(), lambda e: keys_of(e, "bo").pop(), lambda e: keys_of(e, "bo")[1].update(label="x")):
        said = difference(ROSTER, parse(following(edit)))
        assert "altered" in said
        assert "usr_bo" in said or "usr_finn" in said


def test_who_has_only_a_passkey_is_no_less_a_way_in() -> None:
    alone = people("bo", "cy", "dora", "eve", "finn", alone=True)
    roster, _ = founding(people=alone)
    must_be_usable(roster, BEGAN)
    for name, words in (("dora", "auditor"), ("bo", "approve access"), ("finn", "change this roster")):
        lost = copy.deepcopy(alone)
        lost[f"usr_{name}"]["keys"] = []
        with pytest.raises(Malformed, match=words):
            must_be_usable(founding(people=lost)[0], BEGAN)


@pytest.mark.parametrize("change", [{"rp": 7}, {"origins": [[]]}, {"kind": []}, {"credential": None}, {"public": None}])
def test_what_people_write_wrongly_of_a_passkey_is_explained(change: dict[str, Any]) -> None:
    def edit(wanted: dict[str, Any]) -> None:
        wrong = PHONES["finn"].entry(**change)
        keys_of(wanted, "finn").append({name: one for name, one in wrong.items() if one is not None})

    with pytest.raises(Malformed) as said:
        following(edit)
    assert said.value.what_to_do
