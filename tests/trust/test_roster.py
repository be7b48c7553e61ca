"""Rosters: read strictly, drafted from what people write, refused when they would lock everybody out."""

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import canonical
from breakglass.errors import BreakglassError, Forbidden, Malformed, NotFound
from breakglass.model.ids import UserId
from breakglass.model.people import Role
from breakglass.model.policy import Part
from breakglass.trust import drafting
from breakglass.trust.difference import LONGEST, difference
from breakglass.trust.posture import must_be_usable
from breakglass.trust.roster import DOCUMENT_MAX, Roster, parse
from breakglass.trust.terms import endpoint_of, terms
from tests.audit.kit import BEGAN, KEYS, ORIGIN, estate, fingerprint_of, founding, public_of
from tests.servers.tls import other_pin

ROSTER, VERSION = founding()
DOCUMENT: dict[str, Any] = canonical.read(VERSION.document)


def changed(path: str, value: Any) -> bytes:
    """The document with one member set; `...` takes it away."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = path.split("/")
    place: Any = document
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if value is ...:
        del place[last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return canonical.write(document)


def paths(value: Any, path: str = "") -> list[str]:
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in items:
        found += [f"{path}{name}", *paths(one, f"{path}{name}/")]
    return found


PATHS = paths(DOCUMENT)
OPTIONAL = {"recording", "label", "login"}


def test_the_document_is_what_was_meant() -> None:
    assert ROSTER.people["usr_bo"].keys[0].fingerprint == fingerprint_of("bo")
    assert ROSTER.people["usr_bo"].roles == {Role.APPROVER}
    assert ROSTER.changes == (Part("custodians", 2),)
    assert ROSTER.login("alice") is ROSTER.people["usr_alice"]
    assert ROSTER.policy_hashes["pol_two"] == canonical.digest(DOCUMENT["policies"]["pol_two"])
    assert ROSTER.issued_at == BEGAN
    assert parse(VERSION.document) == ROSTER


@pytest.mark.parametrize("path", PATHS)
def test_no_member_can_be_of_another_type(path: str) -> None:
    """Every member, at every depth: a list, a number, an object where it is not one. None is read as something else."""
    place: Any = DOCUMENT
    for name in path.split("/"):
        place = place[int(name)] if isinstance(place, list) else place[name]
    others: list[Any] = [[[]], 7, {"x": 1}, True, "\u202e", ""]
    for wrong in others:
        if type(wrong) is type(place) and not isinstance(place, str):
            continue
        if isinstance(place, str) and wrong == "" and path == "previous":
            continue
        with pytest.raises(Malformed):
            parse(changed(path, wrong))


@pytest.mark.parametrize("path", PATHS)
def test_no_object_takes_a_member_that_is_not_known(path: str) -> None:
    place: Any = DOCUMENT
    for name in path.split("/"):
        place = place[int(name)] if isinstance(place, list) else place[name]
    if isinstance(place, dict):
        with pytest.raises(Malformed):
            parse(changed(f"{path}/unknown", "x"))


@pytest.mark.parametrize("name", sorted(DOCUMENT))
def test_no_part_can_be_missing(name: str) -> None:
    with pytest.raises(Malformed):
        parse(changed(name, ...))


@given(st.data())
def test_flipped_bytes_are_refused_or_another_roster(data: st.DataObject) -> None:
    document = bytearray(VERSION.document)
    document[data.draw(st.integers(0, len(document) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = parse(bytes(document))
    except Malformed:
        return
    assert found.hash != ROSTER.hash


WRONG = {
    "format": ("format", "breakglass-roster-v2"),
    "deployment": ("deployment", "usr_x"),
    "negative version": ("version", -1),
    "role of the system": ("people/usr_bo/roles", ["system"]),
    "unknown role": ("people/usr_bo/roles", ["king"]),
    "role twice": ("people/usr_bo/roles", ["approver", "approver"]),
    "unknown group": ("people/usr_bo/groups", ["others"]),
    "group with a hidden character": ("groups", ["responders", "custodians", "x\u200b"]),
    "group twice": ("groups", ["responders", "custodians", "custodians"]),
    "login with capitals": ("people/usr_bo/login", "Bo"),
    "login twice": ("people/usr_bo/login", "alice"),
    "key twice": ("people/usr_bo/keys/0/public", public_of("alice")),
    "key with a comment": ("people/usr_bo/keys/0/public", "ssh-ed25519 AAAA bo@home"),
    "no instant": ("people/usr_bo/keys/0/approves_from", "soon"),
    "name not in NFC": ("people/usr_bo/name", "Bo\u0308"),
    "name turned around": ("people/usr_bo/name", "Bo\u202e"),
    "name too long": ("people/usr_bo/name", "B" * 81),
    "port 0": ("targets/tgt_db1/port", 0),
    "port too large": ("targets/tgt_db1/port", 65536),
    "port true": ("targets/tgt_db1/port", True),
    "host key of a host that is none": ("targets/tgt_db1/host_key", "ssh-rsa x"),
    "domain that there is not": ("targets/tgt_db1/domain", "dom_x"),
    "environment": ("targets/tgt_db1/environment", "prod"),
    "target of an account": ("accounts/acc_db1-root/target", "tgt_x"),
    "policy of an account": ("accounts/acc_db1-root/policy", "pol_x"),
    "more SSH signatures than people": ("policies/pol_two/ssh_signatures", 3),
    "less than none": ("policies/pol_two/ssh_signatures", -1),
    "short passwords": ("accounts/acc_db1-root/password", {"length": 8}),
    "few characters": ("accounts/acc_db1-root/password", {"alphabet": "abc"}),
    "rotate at": ("accounts/acc_db1-root/rotate_at", "never"),
    "nobody decides": ("policies/pol_two/quorum", []),
    "quorum of 0": ("policies/pol_two/quorum/0/count", 0),
    "quorum of strangers": ("policies/pol_two/quorum/0/group", "strangers"),
    "group twice in a quorum": (
        "policies/pol_two/quorum",
        [{"group": "responders", "count": 1}, {"group": "responders", "count": 1}],
    ),
    "a second": ("policies/pol_two/max_seconds", 59),
    "a year": ("policies/pol_two/max_seconds", 365 * 86400),
    "permission": ("policies/pol_two/permissions", ["everything"]),
    "recording": ("policies/pol_two/recording", "off"),
    "nobody changes": ("changes", []),
    "playbook": ("conditions/cnd_down/playbook", "\n"),
}


@pytest.mark.parametrize("name", WRONG)
def test_values_that_do_not_belong_there(name: str) -> None:
    path, value = WRONG[name]
    with pytest.raises(Malformed):
        parse(changed(path, value))


def test_ids_are_of_their_kind() -> None:
    for part, prefix in (("people", "usr"), ("targets", "tgt"), ("policies", "pol"), ("conditions", "cnd")):
        document = copy.deepcopy(DOCUMENT)
        document[part][f"{prefix}_X"] = next(iter(document[part].values()))
        with pytest.raises(Malformed):
            parse(canonical.write(document))


def test_too_large_for_the_log() -> None:
    document = copy.deepcopy(DOCUMENT)
    for n in range(20):
        document["conditions"][f"cnd_{n}"] = {"title": "x", "playbook": "x" * 4000}
    with pytest.raises(Malformed, match="bytes") as said:
        parse(canonical.write(document))
    assert str(DOCUMENT_MAX) in said.value.what_to_do


def test_looking_things_up() -> None:
    assert ROSTER.find_account("db1").id == ROSTER.find_account("db1", "root").id == "acc_db1-root"
    for look in (
        lambda: ROSTER.person("usr_x"),
        lambda: ROSTER.account("acc_x"),
        lambda: ROSTER.target("tgt_x"),
        lambda: ROSTER.condition("cnd_x"),
        lambda: ROSTER.find_account("db2"),
        lambda: ROSTER.find_account("db1", "admin"),
    ):
        with pytest.raises(NotFound):
            look()
    two = copy.deepcopy(DOCUMENT)
    two["accounts"]["acc_db1-app"] = two["accounts"]["acc_db1-root"] | {"name": "app"}
    with pytest.raises(NotFound, match="several accounts") as said:
        parse(canonical.write(two)).find_account("db1")
    assert "app, root" in said.value.what_to_do


def test_who_a_key_makes_somebody() -> None:
    assert ROSTER.actor("bo", fingerprint_of("bo"), BEGAN).id == "usr_bo"
    words = set()
    expired = parse(changed("people/usr_bo/expires_at", "2026-11-23T21:00:00Z"))
    for roster, login, name in ((ROSTER, "bo", "cy"), (ROSTER, "x", "bo"), (expired, "bo", "bo")):
        with pytest.raises(Forbidden) as said:
            roster.actor(login, fingerprint_of(name), BEGAN)
        words.add(said.value.message)
    assert len(words) == 1, "an outsider learns which part was wrong"


# -- drafting ---------------------------------------------------------------------------------------------------------
def following(edit: Callable[[dict[str, Any]], Any], at: timedelta = timedelta(hours=1)) -> Roster:
    wanted = drafting.estate_of(VERSION.document)
    edit(wanted)
    return parse(drafting.following(wanted, ROSTER, at=BEGAN + at))


def test_a_following_version_names_the_one_before() -> None:
    after = following(lambda _: None)
    assert (after.version, after.previous, after.deployment) == (1, ROSTER.hash, ROSTER.deployment)
    assert after.keys == ROSTER.keys
    assert difference(ROSTER, after) == "nothing"


def test_new_keys_wait_by_themselves_and_old_ones_keep_their_instant() -> None:
    def edit(wanted: dict[str, Any]) -> None:
        wanted["people"]["usr_bo"]["keys"] = [{"public": f"{public_of('bo')} bo@home"}, {"public": public_of("bo2")}]
        wanted["people"]["usr_cy"]["keys"] = [{"public": public_of("dora")}]
        wanted["people"]["usr_dora"]["keys"] = []

    after = following(edit)
    first, second = after.people["usr_bo"].keys
    assert first.approves_from == BEGAN
    assert second.approves_from == after.issued_at + timedelta(hours=72)
    # In other hands an old key is a new one.
    assert after.people["usr_cy"].keys[0].approves_from == after.issued_at + timedelta(hours=72)


@pytest.mark.parametrize(
    "edit",
    [
        lambda wanted: wanted.pop("groups"),
        lambda wanted: wanted.update(colours=[]),
        lambda wanted: wanted.update(people=[]),
        lambda wanted: wanted.update(people={"usr_x": "y"}),
        lambda wanted: wanted["people"]["usr_bo"].update(keys="ssh-ed25519 AAAA"),
        lambda wanted: wanted["people"]["usr_bo"].update(keys=7),
        lambda wanted: wanted["people"]["usr_bo"].update(keys=["ssh-ed25519 AAAA"]),
        lambda wanted: wanted["people"]["usr_bo"].update(keys=[{"public": 7}]),
        lambda wanted: wanted["people"]["usr_bo"].update(keys=[{"public": "nonsense"}]),
        lambda wanted: wanted["people"]["usr_bo"].update(name=None),
        lambda wanted: wanted["people"]["usr_bo"].update(name=1.5),
        lambda wanted: wanted["targets"]["tgt_db1"].update(port="22"),
        lambda wanted: wanted.update(policies=7),
    ],
)
def test_what_people_write_wrongly_is_explained(edit: Callable[[dict[str, Any]], Any]) -> None:
    with pytest.raises(Malformed) as said:
        following(edit)
    assert said.value.what_to_do


def test_the_difference_names_what_changes() -> None:
    def edit(wanted: dict[str, Any]) -> None:
        del wanted["people"]["usr_dora"]
        wanted["people"]["usr_bo"]["roles"].append("auditor")
        wanted["conditions"]["cnd_drill"] = {"title": "Drill", "playbook": "Say so."}
        wanted["changes"][0]["count"] = 1
        wanted["groups"].append("others")

    said = difference(ROSTER, following(edit))
    for words in (
        "people usr_dora removed",
        "people usr_bo altered",
        "conditions cnd_drill added",
        "who may change the roster altered",
        "groups altered",
    ):
        assert words in said


def test_a_long_difference_is_cut_and_counted() -> None:
    def edit(wanted: dict[str, Any]) -> None:
        for n in range(200):
            wanted["conditions"][f"cnd_{n:03}"] = {"title": "x", "playbook": "x"}

    said = difference(ROSTER, following(edit))
    assert "200 changes" in said
    assert len(said) < LONGEST + 40


# -- posture ----------------------------------------------------------------------------------------------------------
def test_a_usable_roster_passes() -> None:
    must_be_usable(ROSTER, BEGAN)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda e: e["people"]["usr_alice"].update(roles=[]), "requester"),
        (lambda e: e["people"]["usr_alice"].update(keys=[]), "requester"),
        (lambda e: e["people"]["usr_dora"].update(roles=[]), "auditor"),
        (lambda e: e["people"]["usr_dora"].update(expires_at="2026-11-23T20:00:00Z"), "auditor"),
        (lambda e: [e["people"][one].update(roles=["approver"]) for one in ("usr_eve", "usr_finn")], "custodian"),
        (lambda e: e["changes"][0].update(count=3), "Nobody could change this roster"),
        (lambda e: e["people"]["usr_finn"].update(keys=[]), "Nobody could change this roster"),
        (
            lambda e: e["policies"]["pol_two"]["quorum"][0].update(count=3),
            "Nobody could approve access to acc_db1-root",
        ),
        (lambda e: e["people"]["usr_bo"].update(roles=["auditor"]), "Nobody could approve access to acc_db1-root"),
        (lambda e: e["people"]["usr_bo"].update(groups=[]), "1 of responders"),
    ],
)
def test_nobody_can_be_locked_out(edit: Callable[[dict[str, Any]], Any], words: str) -> None:
    roster = following(edit)
    with pytest.raises(Malformed, match=words):
        must_be_usable(roster, BEGAN)


# -- terms ------------------------------------------------------------------------------------------------------------
def test_terms_say_everything_that_decides() -> None:
    drawn = terms(
        ROSTER,
        requester=UserId("usr_alice"),
        key="SHA256:x",
        account="acc_db1-root",
        condition="cnd_down",
        reason="because",
        duration=timedelta(minutes=5),
    )
    facts = drawn.facts()
    assert endpoint_of(facts) == ROSTER.targets["tgt_db1"].endpoint
    assert facts["policy"] == ROSTER.policy_hashes["pol_two"]
    assert (facts["permissions"], facts["duration"], facts["connector"]) == ("exec shell", "300 seconds", "direct")


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda e: e["targets"]["tgt_db1"].update(host="db2.example.org"), "endpoint"),
        (lambda e: e["targets"]["tgt_db1"].update(host="2001:db8::7"), "endpoint"),
        (lambda e: e["targets"]["tgt_db1"].update(port=2222), "endpoint"),
        (lambda e: e["targets"]["tgt_db1"].update(host_key=public_of("other")), "host-key"),
        (lambda e: e["targets"]["tgt_db1"].update(connector="island"), "connector"),
        (lambda e: e["targets"]["tgt_db1"].update(name="db9"), "target"),
        (lambda e: e["accounts"]["acc_db1-root"].update(username="toor"), "username"),
        (lambda e: e["policies"]["pol_two"].update(permissions=["shell"]), "permissions"),
        (lambda e: e["policies"]["pol_two"].update(max_seconds=3600), "policy"),
        (lambda e: e["policies"]["pol_two"].update(bulk_cap=1), "policy"),
    ],
)
def test_whatever_the_roster_changes_shows_in_the_terms(edit: Callable[[dict[str, Any]], Any], line: str) -> None:
    more: dict[str, Any] = {
        "requester": UserId("usr_alice"),
        "key": "k",
        "account": "acc_db1-root",
        "condition": "cnd_down",
        "reason": "r",
        "duration": timedelta(minutes=5),
    }
    before, roster = terms(ROSTER, **more).facts(), following(edit)
    after = terms(roster, **more).facts()
    assert line in {name for name in before if before[name] != after[name]}
    assert endpoint_of(after) == roster.targets["tgt_db1"].endpoint


def test_terms_of_what_there_is_not() -> None:
    for wrong in ({"account": "acc_x"}, {"condition": "cnd_x"}):
        more: dict[str, Any] = {"account": "acc_db1-root", "condition": "cnd_down"} | wrong
        with pytest.raises(BreakglassError):
            terms(ROSTER, requester=UserId("usr_alice"), key="k", reason="r", duration=timedelta(minutes=5), **more)


def test_estates_are_founded_with_the_vaults_keys() -> None:
    document = drafting.founding(estate(), deployment="dep_x", origin=ORIGIN, keys=KEYS, at=BEGAN)
    assert parse(document).keys.log == KEYS["log"]
    assert drafting.estate_of(document)["people"]["usr_bo"]["keys"][0]["approves_from"] == "2026-11-23T21:00:00Z"


def with_target(**members: Any) -> bytes:
    document = copy.deepcopy(DOCUMENT)
    [target, *_] = document["targets"].values()
    del target["host_key"]
    target.update(members)
    return canonical.write(document)


def test_a_target_inside_tls_is_known_by_its_certificate() -> None:
    certificate = other_pin().removeprefix("x509 ")
    roster = parse(with_target(protocol="postgresql", certificate=certificate))
    [target, *_] = roster.targets.values()
    assert target.endpoint.host_key == f"x509 {certificate}"
    account = next(one.id for one in roster.accounts.values() if one.target == target.id)
    drawn = terms(
        roster,
        requester=UserId("usr_alice"),
        key="SHA256:x",
        account=account,
        condition=next(iter(roster.conditions)),
        reason="it is down",
        duration=timedelta(minutes=5),
    )
    assert endpoint_of(drawn.facts()) == target.endpoint


@pytest.mark.parametrize("certificate", ["", "AAAA", "not base64", "ssh-ed25519 AAAA"])
def test_what_is_no_certificate_is_refused(certificate: str) -> None:
    with pytest.raises(Malformed):
        parse(with_target(protocol="postgresql", certificate=certificate))


def test_a_target_inside_tls_needs_a_certificate_and_has_no_host_key() -> None:
    with pytest.raises(Malformed):
        parse(with_target(protocol="ldaps"))
    with pytest.raises(Malformed):
        parse(with_target(protocol="ldaps", certificate=other_pin().removeprefix("x509 "), host_key="ssh-ed25519 A"))


def test_an_accounts_schedule_kind_and_dependants_are_read() -> None:
    document = copy.deepcopy(DOCUMENT)
    [(id, account), *_] = document["accounts"].items()
    document["accounts"]["acc_other"] = {**account, "name": "other"}
    account.update(rotate_every_days=30, secret="ssh-key", rotates_with=["acc_other"])
    found = parse(canonical.write(document)).account(id)
    assert (found.rotate_every, found.secret, found.rotates_with) == (timedelta(days=30), "ssh-key", ("acc_other",))
    for wrong in ([id], ["acc_nowhere"], ["acc_other", "acc_other"]):
        account["rotates_with"] = wrong
        with pytest.raises(Malformed):
            parse(canonical.write(document))


def test_an_account_that_sleeps_needs_a_helper_on_its_own_target() -> None:
    document = copy.deepcopy(DOCUMENT)
    [(id, account), *_] = document["accounts"].items()
    others = {"name": "helper", "username": "helper"}
    document["accounts"]["acc_helper"] = {**account, **others}
    account.update(dormant=True, helper="acc_helper")
    found = parse(canonical.write(document)).account(id)
    assert (found.dormant, found.helper) == (True, "acc_helper")
    elsewhere = "tgt_elsewhere"
    document["targets"][elsewhere] = {**document["targets"][account["target"]], "name": "elsewhere"}
    for wrong, of in (
        ({"helper": id}, account),
        ({"helper": "acc_nowhere"}, account),
        ({"kit": True}, account),
        ({"target": elsewhere}, document["accounts"]["acc_helper"]),
        ({"dormant": True, "helper": id}, document["accounts"]["acc_helper"]),
    ):
        before = dict(of)
        of.update(wrong)
        with pytest.raises(Malformed):
            parse(canonical.write(document))
        of.clear()
        of.update(before)
    del account["helper"]
    with pytest.raises(Malformed, match="has no helper"):
        parse(canonical.write(document))
