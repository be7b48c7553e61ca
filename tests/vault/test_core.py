"""The vault's calls: grants that stay one, releases to one place, replays by strangers, a clock that goes back."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from breakglass.codec import instant
from breakglass.errors import (
    BadSignature,
    Expired,
    Forbidden,
    Malformed,
    NotEntitled,
    NotFound,
    Replayed,
    Sealed,
    Tampered,
    Unavailable,
    WrongState,
)
from breakglass.model.ids import CredentialId
from breakglass.model.secret import Secret
from breakglass.trust.grant import open_token
from breakglass.trust.statement import Kind
from breakglass.vault import recording_key
from breakglass.vault.asking import Deposited, Past, Purpose
from breakglass.vault.clock import ClockWentBack
from breakglass.vault.core import Vault
from breakglass.vault.opened import RosterNotLoaded
from breakglass.vault.state import PEOPLE_KEPT_FOR
from tests.vault.rig import DEPLOYMENT, NOW, OTHER_PLACE, PLACE, event, fingerprint, new_world, sign


# -- grants -----------------------------------------------------------------------------------------------------------
def test_asking_again_gives_the_same_token_and_prolongs_nothing(world):
    token = world.open_grant("grt_1")
    world.clock.go(minutes=20)
    evidence = world.approved()
    assert world.vault.open_grant("grt_1", "req_1", world.approvals(), evidence) == token
    assert world.vault.open_grant("grt_other", "req_1", world.approvals("req_1", "cy", "di"), evidence) == token
    assert world.vault.open_grant("grt_1", "req_1", [], replace(evidence, note=b"")) == token
    world.restart()
    assert world.vault.open_grant("grt_1", "req_1", [], evidence) == token
    found = open_token(token, world.made.public.grant)
    assert (found.grant, found.not_after) == ("grt_1", instant.read("2026-11-23T22:00:30Z"))


def test_a_request_never_gets_a_second_grant(world):
    """Not after its end, and not when the people of the first one are long forgotten."""
    world.open_grant("grt_1")
    far = world.clock.at.replace(microsecond=0) + timedelta(days=1000)
    approvals = [world.approval(by, not_after=far) for by in ("bo", "di")]
    for days in (1, PEOPLE_KEPT_FOR.days + 1):
        world.clock.go(days=days)
        world.vault.tick()
        world.vault.void_grant(f"grt_tidy{days}")
        with pytest.raises(Expired):
            world.vault.open_grant("grt_2", "req_1", approvals, world.approved())
    assert world.vault._open.state.grants == {}
    world.restart()
    with pytest.raises(Expired):
        world.vault.open_grant("grt_2", "req_1", approvals, world.approved())


def test_a_grants_id_serves_one_request(world):
    world.open_grant("grt_1", "req_1")
    with pytest.raises(NotEntitled):
        world.open_grant("grt_1", "req_2")


def test_a_grant_needs_the_log_to_say_that_it_is_approved(world):
    evidence = world.approved("req_2")
    with pytest.raises(NotEntitled):
        world.vault.open_grant("grt_1", "req_1", world.approvals(), evidence)
    world.log.append(world.vault, event("request.approval", "req_1", NOW))
    with pytest.raises(NotEntitled):
        world.vault.open_grant("grt_1", "req_1", world.approvals(), world.log.evidence(world.log.size - 1))


def test_a_false_log_shown_to_people_is_found(world):
    world.log.append(world.vault, event("tick", "", NOW))
    approvals = [world.approval("bo", log_root="A" * 43 + "="), world.approval("di")]
    with pytest.raises(Tampered, match="another log"):
        world.vault.open_grant("grt_1", "req_1", approvals, world.approved())


def test_a_voided_grant_releases_nothing_and_is_not_given_again(world):
    token = world.open_grant()
    world.vault.void_grant("grt_1")
    world.vault.void_grant("grt_1")
    with pytest.raises(NotEntitled, match="ended"):
        world.release(token)
    with pytest.raises(NotEntitled, match="ended"):
        world.vault.open_grant("grt_1", "req_1", world.approvals(), world.approved())
    world.restart()
    with pytest.raises(NotEntitled, match="ended"):
        world.release(token)


def test_a_grant_can_be_voided_before_the_vault_knows_it(world):
    world.vault.void_grant("grt_1")
    world.restart()
    with pytest.raises(NotEntitled):
        world.open_grant("grt_1")
    world.open_grant("grt_2", "req_2")


@pytest.mark.parametrize(
    ("grant", "request_id"), [("req_1", "req_1"), ("grt_1", "grt_1"), ("grt_1", "req_" + "1" * 60)]
)
def test_ids_have_their_shape(world, grant, request_id):
    with pytest.raises(Malformed):
        world.vault.open_grant(grant, request_id, world.approvals(), world.approved())


# -- sessions ---------------------------------------------------------------------------------------------------------
def test_a_session_gets_the_login_until_the_grant_ends(world):
    token, deposited = world.open_grant(), world.deposit()
    first = world.release(token, "ses_1", deposited)
    again = world.release(token, "ses_2", deposited)
    assert first.username == "root"
    assert first.secret.reveal() == again.secret.reveal()
    world.clock.go(minutes=59, seconds=59)
    world.release(token, "ses_1", deposited)
    world.clock.go(seconds=1)
    with pytest.raises(Expired):
        world.release(token, "ses_3", deposited)


def test_a_token_is_this_vaults_and_unaltered(world, tmp_path):
    token = world.open_grant()
    other = new_world(tmp_path / "other")
    twin = other.open_grant()
    later = token.replace("not-after: 2026-11-23T22", "not-after: 2026-11-24T22")
    for bad in (twin, later, "", token[:-1], token + "x", token.replace("grt_1", "grt_2"), token.replace("db1", "db2")):
        with pytest.raises(NotEntitled):
            world.release(bad)


def test_a_token_that_the_state_does_not_know_opens_nothing(world):
    """The state was restored from before the grant: the signature alone is not enough."""
    before = (world.folder / "state.json").read_bytes()
    token = world.open_grant()
    (world.folder / "state.json").write_bytes(before)
    world.restart()
    with pytest.raises(NotEntitled, match="does not know"):
        world.release(token)


def test_a_secret_goes_to_its_own_account_only(world):
    token = world.open_grant()
    other = world.deposit(OTHER_PLACE)
    with pytest.raises(NotEntitled):
        world.release(token, endpoint=world.endpoint(OTHER_PLACE))
    with pytest.raises(Tampered):
        world.release(token, deposited=other)
    good = world.deposit()
    for bad in (
        replace(good, credential="crd_2"),
        replace(good, version=2),
        replace(good, blob=good.blob[:-1] + bytes([good.blob[-1] ^ 1])),
        replace(good, blob=b""),
    ):
        with pytest.raises(Tampered):
            world.release(token, deposited=bad)
    world.release(token, deposited=good)


def test_a_session_belongs_to_one_grant(world):
    world.release(world.open_grant("grt_1", "req_1"), "ses_1")
    token = world.open_grant("grt_2", "req_2")
    evidence = world.told_session("ses_1", "grt_2")
    with pytest.raises(NotEntitled, match="another grant"):
        world.release(token, "ses_1", evidence=evidence)


def test_a_repointed_target_gets_nothing(world):
    token, deposited = world.open_grant(), world.deposit()
    world.change(lambda estate: estate["targets"]["tgt_db1"].update(host="evil.example.test"))
    for host in ("evil.example.test", "db1.example.test"):
        with pytest.raises(NotEntitled):
            world.release(token, deposited=deposited, endpoint=replace(world.endpoint(), host=host))


# -- rotation ---------------------------------------------------------------------------------------------------------
def rotate(world, purpose=Purpose.ROTATION, endpoint=None, deposited=None, account=PLACE, said=None):
    evidence = world.told("rot_1", **{"purpose": purpose.value, "account": account, **(said or {})})
    return world.vault.release_rotation(
        "rot_1", account, endpoint or world.endpoint(account), deposited or [world.deposit()], purpose, evidence
    )


@pytest.mark.parametrize("purpose", [Purpose.ROTATION, Purpose.PROBE])
def test_a_rotation_gets_old_and_new(world, purpose):
    old, new = world.deposit(version=1), world.deposit(credential="crd_2", version=2)
    a, b = rotate(world, purpose, deposited=[old, new])
    assert len(a) == len(b) == 32
    assert a.reveal() != b.reveal()


def test_a_rotation_goes_only_where_the_roster_says(world):
    for endpoint in (world.endpoint(OTHER_PLACE), replace(world.endpoint(), port=2222)):
        with pytest.raises(NotEntitled):
            rotate(world, endpoint=endpoint)
    with pytest.raises(NotEntitled):
        rotate(world, account=PLACE, deposited=[world.deposit()], said={"account": OTHER_PLACE})
    world.change(lambda estate: estate["targets"]["tgt_db1"].update(host="db9.example.test"))
    rotate(world)


@pytest.mark.parametrize("purpose", [Purpose.SESSION, Purpose.REPLAY])
def test_the_purposes_are_closed(world, purpose):
    with pytest.raises(Malformed):
        rotate(world, purpose)


def test_a_rotation_is_not_told_as_something_else(world):
    with pytest.raises(NotEntitled):
        rotate(world, Purpose.ROTATION, said={"purpose": "probe"})


def test_one_foreign_blob_and_none_is_released(world):
    with pytest.raises(Tampered):
        rotate(world, deposited=[world.deposit(), world.deposit(OTHER_PLACE)])
    for number in (0, 65):
        with pytest.raises(Malformed):
            evidence = world.told("rot_1", purpose="rotation", account=PLACE)
            world.vault.release_rotation(
                "rot_1", PLACE, world.endpoint(), [world.deposit()] * number, Purpose.ROTATION, evidence
            )


# -- help -------------------------------------------------------------------------------------------------------------
def helped(world):
    """The roster names another account of the same target as the helper of `PLACE`."""

    def change(estate):
        accounts = estate["accounts"]
        accounts["acc_db1-helper"] = {**accounts[PLACE], "name": "helper", "username": "helper"}
        accounts[PLACE]["helper"] = "acc_db1-helper"

    world.change(change)


def help_it(world, account=PLACE, deposited=None, endpoint=None, **said):
    deposited = deposited or world.deposit("acc_db1-helper")
    told = {"purpose": "help", "account": "acc_db1-helper", "credential": deposited.credential, **said}
    return world.vault.release_help(account, endpoint or world.endpoint(), deposited, world.told(account, **told))


def test_a_helper_is_released_for_the_account_that_names_it(world):
    helped(world)
    found = help_it(world)
    assert found.username == "helper"
    assert len(found.secret) == 32


def test_nobody_helps_whom_the_roster_does_not_name(world):
    with pytest.raises(NotEntitled):
        help_it(world, deposited=world.deposit(PLACE))
    helped(world)
    for wrong in ({"account": "acc_db1-helper"}, {"endpoint": world.endpoint(OTHER_PLACE)}, {"purpose": "rotation"}):
        with pytest.raises(NotEntitled):
            help_it(world, **wrong)
    with pytest.raises(NotEntitled):
        help_it(world, credential="crd_other")
    with pytest.raises(Tampered):
        help_it(world, deposited=world.deposit(PLACE))


def test_a_release_to_help_serves_once_and_not_with_what_was_replaced(world):
    helped(world)
    deposited = world.deposit("acc_db1-helper")
    told = world.told(PLACE, purpose="help", account="acc_db1-helper", credential=deposited.credential)
    world.vault.release_help(PLACE, world.endpoint(), deposited, told)
    with pytest.raises(Replayed):
        world.vault.release_help(PLACE, world.endpoint(), deposited, told)
    gone = {"account": "acc_db1-helper", "version": 1}
    world.log.append(world.vault, event("credential.previous", deposited.credential, world.clock.at, **gone))
    world.vault.retire_credential(deposited.credential, world.log.evidence(world.log.size - 1))
    with pytest.raises(Tampered):
        help_it(world, deposited=deposited)


# -- replay -----------------------------------------------------------------------------------------------------------
def wrapped(world, stream="screen", session="ses_1"):
    public = b64decode(world.made.public.recording)
    return recording_key.wrap(public, Secret(bytes(range(32))), recording_key.recording_info(session, stream))


def replay(world, *by, stream="screen", session="ses_1", statements=None, evidence=None, past=None, blob=None):
    evidence = evidence or world.told(session, purpose="replay", account=PLACE)
    said = statements or [world.replay(one, session, stream) for one in by]
    return world.vault.release_replay(said, session, stream, blob or wrapped(world, stream, session), evidence, past)


@pytest.fixture(name="recorded")
def _recorded(world):
    world.release(world.open_grant()).secret.wipe()
    return world


def test_an_independent_auditor_replays(recorded):
    with replay(recorded, "gus") as key:
        assert key.reveal() == bytes(range(32))
    recorded.restart()
    replay(recorded, "hal")


@pytest.mark.parametrize(
    ("by", "error"),
    [("di", NotEntitled), ("cy", Forbidden), ("alice", Forbidden), ("ed", Forbidden), ("stranger", BadSignature)],
)
def test_nobody_else_replays(recorded, by, error):
    with pytest.raises(error):
        replay(recorded, by)


def test_a_requester_who_is_auditor_does_not_replay_their_own_session(world):
    terms = world.terms(requester="usr_hal", key=fingerprint(world.keys["hal"]))
    approvals = [world.approval(by, facts=terms) for by in ("bo", "cy")]
    token = world.vault.open_grant("grt_1", "req_1", approvals, world.approved())
    world.release(token)
    with pytest.raises(NotEntitled, match="asked for or approved"):
        replay(world, "hal")
    replay(world, "di").wipe()


def test_the_keyboard_needs_two_auditors(recorded):
    for by in (["gus"], ["gus", "gus"]):
        with pytest.raises(NotEntitled):
            replay(recorded, *by, stream="keys")
    with pytest.raises(NotEntitled):
        replay(recorded, "gus", "di", stream="keys")
    replay(recorded, "gus", "hal", stream="keys").wipe()


def test_a_replay_statement_is_for_one_stream_of_one_session_once(recorded):
    screen = recorded.replay("gus", "ses_1")
    for stream, session, error in (
        ("keys", "ses_1", NotEntitled),
        ("screen", "ses_2", NotEntitled),
        ("x", "ses_1", Malformed),
    ):
        with pytest.raises(error):
            replay(recorded, statements=[screen], stream=stream, session=session)
    with pytest.raises(Tampered):
        replay(recorded, statements=[screen], blob=wrapped(recorded, "keys"))
    with pytest.raises(Tampered):
        replay(recorded, statements=[screen], blob=wrapped(recorded, "screen", "ses_2"))
    with pytest.raises(NotEntitled):
        replay(
            recorded,
            statements=[screen],
            evidence=recorded.told("ses_1", purpose="session", account=PLACE, grant="grt_1"),
        )
    replay(recorded, statements=[screen])
    with pytest.raises(Replayed):
        replay(recorded, statements=[screen])
    recorded.restart()
    with pytest.raises(Replayed):
        replay(recorded, statements=[screen])


def forgotten(world):
    """A vault that has lost its state since, and the node's proof of whose session it was."""
    before = (world.folder / "state.json").read_bytes()
    approvals = tuple(world.approvals())
    token = world.vault.open_grant("grt_1", "req_1", approvals, world.approved())
    entry = world.told_session()
    world.release(token, evidence=entry)
    (world.folder / "state.json").write_bytes(before)
    world.restart()
    world.log.append(world.vault, event("tick", "", NOW))
    return Past(entry=world.log.evidence(entry.index), token=token, approvals=approvals)


def test_a_forgotten_session_is_judged_by_its_own_papers(world):
    past = forgotten(world)
    with pytest.raises(NotEntitled, match="does not know"):
        replay(world, "gus")
    with pytest.raises(NotEntitled, match="asked for or approved"):
        replay(world, "di", past=past)
    replay(world, "gus", past=past).wipe()


def test_the_papers_of_a_forgotten_session_must_be_whole(world):
    past = forgotten(world)
    bo, di = past.approvals
    other = world.open_grant("grt_9", "req_9", "bo", "cy")
    for bad in (
        replace(past, approvals=(bo,)),
        replace(past, approvals=(di,)),
        replace(past, approvals=()),
        replace(past, approvals=(bo, world.approval("cy", "req_2"))),
        replace(past, approvals=(bo, replace(di, signature=bo.signature))),
        replace(past, approvals=(bo, world.approval("stranger", person="usr_di"))),
        replace(past, approvals=(bo, world.approval("di", facts={**world.terms(), "requester": "usr_hal"}))),
        replace(past, approvals=(bo, world.approval("di", facts={**world.terms(), "account": OTHER_PLACE}))),
        replace(past, token=other),
        replace(past, token=past.token.replace("usr_alice", "usr_hal")),
        replace(past, entry=world.told("ses_1", purpose="session", account=PLACE, grant="grt_2")),
        replace(past, entry=world.told("ses_2", purpose="session", account=PLACE, grant="grt_1")),
    ):
        with pytest.raises(NotEntitled):
            replay(world, "gus", past=bad)


def test_a_replay_that_is_told_of_another_account_or_stream(recorded):
    for said in ({"account": OTHER_PLACE}, {}, {"account": PLACE, "stream": "keys"}):
        with pytest.raises(NotEntitled):
            replay(recorded, "gus", evidence=recorded.told("ses_1", purpose="replay", **said))


def test_a_statement_for_the_keyboard_does_not_open_the_screen(recorded):
    with pytest.raises(NotEntitled, match="stream"):
        replay(recorded, statements=[recorded.replay("gus", "ses_1", "keys")])


def test_a_replay_statement_that_contradicts_itself(recorded):
    said = recorded.statement(Kind.REPLAY, "ses_1", "gus", {"session": "ses_2", "stream": "screen"})
    with pytest.raises(NotEntitled, match="another session"):
        replay(recorded, statements=[sign(said, recorded.keys["gus"])])


# -- secrets that are made and stored ---------------------------------------------------------------------------------
def test_a_minted_password_obeys_the_accounts_rules(world):
    world.change(
        lambda estate: estate["accounts"][PLACE].update(password={"length": 20, "alphabet": "ABCDEFGHJKLMNPQR"})
    )
    seen = set()
    for version in range(1, 30):
        (secret,) = rotate(world, deposited=[world.deposit(version=version)])
        password = secret.reveal().decode()
        assert len(password) == 20
        seen |= set(password)
    assert seen == set("ABCDEFGHJKLMNPQR")


def test_a_deposited_secret_comes_back_and_is_wiped_here(world):
    given = Secret(b"S3cret: w\xc3\xb6rd")
    blob = world.vault.store(PLACE, "crd_1", 1, given)
    assert len(given) == 0
    deposited = replace(world.deposit(), blob=blob)
    world.vault.check(PLACE, deposited)
    with pytest.raises(Tampered):
        world.vault.check(OTHER_PLACE, deposited)
    (secret,) = rotate(world, deposited=[deposited])
    assert secret.reveal() == b"S3cret: w\xc3\xb6rd"
    key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"
    assert world.vault.store(PLACE, "crd_1", 1, Secret(key))


@pytest.mark.parametrize(
    "bad", [b"", b"x" * 16385, b"pass\n", b"pa\rss", b"pa\x00ss", b"\x1b[2J", b"\xff\xfe", b"-----BEGIN K\x00"]
)
def test_what_no_target_takes_is_not_stored_and_not_shown(world, bad):
    given = Secret(bad)
    with pytest.raises(Malformed) as caught:
        world.vault.store(PLACE, "crd_1", 1, given)
    assert len(given) == 0
    assert caught.value.__cause__ is None
    if len(bad) > 2:
        assert bad.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize(
    ("account", "credential", "version", "error"),
    [("acc_none", "crd_1", 1, NotFound), (PLACE, "x", 1, Malformed), (PLACE, "crd_1", 0, Malformed)],
)
def test_a_secret_is_made_for_a_place_that_there_is(world, account, credential, version, error):
    with pytest.raises(error):
        world.vault.mint(account, credential, version)
    with pytest.raises(error):
        world.vault.store(account, credential, version, Secret(b"password"))


# -- roster -----------------------------------------------------------------------------------------------------------
def test_nothing_is_granted_before_the_roster_is_loaded(world):
    token = world.open_grant()
    versions = world.versions
    world.vault = Vault(world.folder, wall=world.clock)
    world.vault.try_local_slots()
    evidence = world.told_session()
    for act in (
        lambda: world.release(
            token, evidence=evidence, deposited=Deposited(credential=CredentialId("crd_1"), version=1, blob=b"")
        ),
        lambda: world.vault.mint(PLACE, "crd_1", 1),
        lambda: world.vault.open_grant("grt_2", "req_2", world.approvals("req_2"), evidence),
    ):
        with pytest.raises(RosterNotLoaded):
            act()
    world.vault.load_roster(versions)
    world.release(token, evidence=evidence)


def test_the_founding_is_pinned_once_and_only_with_its_hash(tmp_path):
    world = new_world(tmp_path, found=False)
    version = world.founding()
    with pytest.raises(WrongState):
        world.vault.load_roster([version])
    with pytest.raises(Tampered):
        world.vault.load_roster([version], found_pin="0" * 64)
    with pytest.raises(Malformed):
        world.vault.load_roster([], found_pin="0" * 64)
    assert world.vault.status().founding == ""
    world.found()
    assert world.vault.status().founding == world.roster.hash
    other = replace(world, versions=[], estate={**world.estate, "domains": {"dom_main": {"name": "Other"}}})
    twin = other.founding()
    for pin in (None, sha256(twin.document).hexdigest(), world.roster.hash):
        with pytest.raises(Tampered):
            world.vault.load_roster([twin], found_pin=pin)
    with pytest.raises(Tampered, match="pinned already"):
        world.vault.load_roster(world.versions, found_pin="0" * 64)
    world.vault.load_roster(world.versions, found_pin=world.roster.hash)


def test_a_roster_of_another_deployment_is_not_this_vaults(tmp_path):
    world = new_world(tmp_path, found=False)
    document = world.document(world.estate, 0, "", NOW).replace(DEPLOYMENT.encode(), b"dep_other")
    version = world.version_of(document, "ed", "flo", deployment="dep_other")
    with pytest.raises(Tampered, match="another deployment"):
        world.vault.load_roster([version], found_pin=sha256(document).hexdigest())
    assert world.vault.status().founding == ""


@pytest.mark.parametrize("member", ["log", "grant", "recording"])
def test_a_roster_for_other_keys_is_not_this_vaults(tmp_path, member):
    world = new_world(tmp_path / "a", found=False)
    public = new_world(tmp_path / "b", found=False).made.public
    world.made = replace(world.made, public=replace(world.made.public, **{member: getattr(public, member)}))
    with pytest.raises(Tampered, match="other keys"):
        world.found()


def test_the_roster_never_goes_back_also_after_a_restart(world):
    world.change(lambda estate: estate["people"]["usr_hal"].update(department="A"))
    old = list(world.versions)
    world.change(lambda estate: estate["people"]["usr_hal"].update(department="B"))
    for _ in range(2):
        with pytest.raises(Tampered, match="has seen"):
            world.vault.load_roster(old)
        world.restart()
    world.versions = old
    world.next_version(lambda estate: estate["people"]["usr_hal"].update(department="C"))
    with pytest.raises(Tampered, match="another way"):
        world.vault.load_roster(old)
    assert world.vault.status().roster == 2


def test_a_roster_step_needs_its_signatures(world):
    version = world.next_version(lambda estate: estate["groups"].append("new"), "bo")
    with pytest.raises(NotEntitled):
        world.vault.load_roster([version])
    assert world.vault.status().roster == 0


def test_following_versions_alone_extend_what_is_loaded(world):
    version = world.next_version(lambda estate: estate["people"]["usr_hal"].update(department="A"))
    assert world.vault.load_roster([version]) == 1
    world.vault = Vault(world.folder, wall=world.clock)
    world.vault.try_local_slots()
    with pytest.raises(Malformed, match="version 0"):
        world.vault.load_roster([version])
    assert world.vault.load_roster(world.versions) == 1


# -- the clock --------------------------------------------------------------------------------------------------------
def test_a_clock_that_goes_back_freezes_grants_and_releases_but_not_the_log(world):
    token, deposited = world.open_grant(), world.deposit()
    world.clock.go(seconds=-61)
    assert world.vault.status().clock_frozen
    evidence = world.told_session()
    with pytest.raises(ClockWentBack) as caught:
        world.release(token, deposited=deposited, evidence=evidence)
    assert isinstance(caught.value, Unavailable)
    assert caught.value.code == "clock_went_back"
    with pytest.raises(ClockWentBack):
        world.open_grant("grt_2", "req_2")
    world.vault.void_grant("grt_9")
    world.clock.go(seconds=2)
    assert not world.vault.status().clock_frozen
    world.release(token, deposited=deposited)


def test_turning_the_clock_back_lengthens_no_grant(world):
    token, deposited = world.open_grant(), world.deposit()
    world.clock.go(minutes=59, seconds=30)
    world.vault.tick()
    world.clock.go(seconds=30)
    with pytest.raises(Expired):
        world.release(token, deposited=deposited)
    world.clock.go(seconds=-45)
    with pytest.raises(Expired):
        world.release(token, deposited=deposited)


def test_the_latest_instant_survives_a_restart(world):
    world.clock.go(hours=2)
    world.vault.tick()
    world.clock.go(hours=-1)
    world.restart()
    with pytest.raises(ClockWentBack):
        world.open_grant()


def went_back(world, hours=0.5):
    """The clock stood wrong, a grant was opened in that time, and the clock was set right."""
    world.clock.go(hours=hours)
    token = world.open_grant("grt_future", "req_future")
    world.clock.go(hours=-hours)
    assert world.vault.status().clock_frozen
    return token


def test_custodians_confirm_the_time_and_the_future_is_voided(world):
    before = world.open_grant("grt_1", "req_1")
    future = went_back(world)
    assert world.vault.confirm_clock([world.clock_word("ed"), world.clock_word("flo")]) == world.clock.at
    world.release(before)
    with pytest.raises(NotEntitled, match="ended"):
        world.release(future, evidence=world.told_session("ses_1", "grt_future"))
    world.restart()
    assert not world.vault.status().clock_frozen


@pytest.mark.parametrize("by", [["ed"], ["ed", "ed"], ["ed", "gus"], ["gus", "hal"]])
def test_one_custodian_or_others_do_not_confirm_it(world, by):
    went_back(world)
    with pytest.raises((NotEntitled, Forbidden)):
        world.vault.confirm_clock([world.clock_word(one) for one in by])
    assert world.vault.status().clock_frozen


def test_a_single_custodian_is_all_of_them(world):
    world.change(lambda estate: estate["people"]["usr_flo"].update(roles=["approver"]))
    went_back(world)
    world.vault.confirm_clock([world.clock_word("ed")])


def test_a_word_about_the_time_is_for_now_fresh_and_once(world):
    early = [world.clock_word("ed"), world.clock_word("flo")]
    assert world.vault.confirm_clock(early) == world.clock.at, "while it runs, nothing changes and nothing is used up"
    with pytest.raises(NotEntitled):
        world.vault.confirm_clock(early[:1])
    went_back(world)
    with pytest.raises(NotEntitled, match="before the clock"):
        world.vault.confirm_clock(early)
    wrong = [world.clock_word(by, world.clock.at + timedelta(minutes=11)) for by in ("ed", "flo")]
    with pytest.raises(NotEntitled, match="the statement"):
        world.vault.confirm_clock(wrong)
    words = [world.clock_word("ed"), world.clock_word("flo")]
    world.vault.confirm_clock(words)
    went_back_again = world.clock.at
    world.clock.go(days=3)
    world.vault.tick()
    world.clock.at = went_back_again
    with pytest.raises(Replayed):
        world.vault.confirm_clock(words)


# -- sealed -----------------------------------------------------------------------------------------------------------
def test_a_sealed_vault_says_only_how_it_stands(world):
    token = world.open_grant()
    keyring = world.vault._open.keyring
    world.vault.seal()
    world.vault.seal()
    for secret in (*keyring._private.values(), *(kek.key for kek in keyring.keks.values()), keyring.state_key):
        assert len(secret) == 0
    for act in (
        lambda: world.vault.sign(0, [], b""),
        lambda: world.vault.void_grant("grt_1"),
        lambda: world.vault.mint(PLACE, "crd_1", 1),
        lambda: world.vault.load_roster(world.versions),
        lambda: world.vault.confirm_clock([]),
    ):
        with pytest.raises(Sealed):
            act()
    status = world.vault.status()
    assert (status.sealed, status.deployment, status.slots) == (True, DEPLOYMENT, ("custodians", "file"))
    assert status.log_key == world.made.public.log
    for n, text in enumerate(world.made.shares[1:], 1):
        progress = world.vault.unseal_share(Secret(text.encode()))
        assert progress.sealed == (n < 2)
    with pytest.raises(WrongState):
        world.vault.unseal_share(Secret(world.made.shares[0].encode()))
    world.vault.load_roster(world.versions)
    world.log.append(world.vault, event("tick", "", NOW))
    world.release(token)


def test_sealing_writes_the_mark(world):
    world.log.append(world.vault, event("tick", "", NOW))
    world.vault.confirm(world.log.notes[1])
    world.vault.seal()
    world.restart()
    assert world.vault.status().mark == 1


def test_the_mark_is_written_within_a_second(world):
    world.log.append(world.vault, event("tick", "", NOW))
    world.vault.confirm(world.log.notes[1])
    world.vault._open.written_at = 0
    world.vault.tick()
    assert world.restart().status().mark == 1
