"""What becomes of a rotation, case by case: each trouble that the state table names, and what people are told of it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from breakglass.errors import HostKeyMismatch, Malformed, OutcomeUnknown, TargetDown, Unavailable
from breakglass.flow import rotate
from breakglass.model import credential as credentials
from breakglass.model import proof as proofs
from breakglass.model import session as sessions
from breakglass.model.people import SYSTEM
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.secret import Secret
from breakglass.model.trace import Look, Trace
from breakglass.plugin_api.rotator import ChangeRefused, Place, Remainder
from breakglass.rotation import hold
from tests.rotation.proving import must_be_proven
from tests.rotation.test_marks import put_session
from tests.rotation.world import CUSTODIAN, LIFE, Case, World


def kinds(case: Case) -> list[str]:
    return [kind.removeprefix("rotation.") for kind in case.world.log.kinds(case.id)]


def demand(case: Case) -> None:
    """A custodian asks for another change; the case goes on with that one."""
    case.id = case.world.store.submit(CUSTODIAN, rotate.demand, case.account.id).result(10).value.id


def replace_act(case: Case, name: str, act: Any) -> None:
    """Let the target do this instead; `del case.target.NAME` undoes it."""
    setattr(case.target, name, act)


async def until_done(case: Case, turns: int = 20) -> None:
    for _ in range(turns):
        await case.turn()
        if case.rotation().state is State.DONE:
            return
        case.wait()
    raise AssertionError(case.rotation())


async def test_a_change_that_meets_no_trouble(world: World) -> None:
    case = world.case()
    await case.turn()
    assert case.rotation().state is State.DONE
    assert case.target.calls == ["change", "works", "works"]
    assert kinds(case) == [
        "owed",
        "claimed",
        "staged",
        "secret.release",
        "applying",
        "applied",
        "login_tried",
        "login_tried",
        "verified",
        "done",
    ]
    states = {one.version: one.state for one in case.credentials()}
    assert states == {1: credentials.State.PREVIOUS, 2: credentials.State.CURRENT}
    assert case.current() == case.target.password
    assert case.rotation().guesses == 0


async def test_the_log_says_which_secrets_were_taken_out_and_none_of_them(world: World) -> None:
    case = world.case()
    await until_done(case)
    released = [one.fact for one in world.log.facts if one.fact.kind == "secret.release" and one.fact.about == case.id]
    [fact] = released
    ids = {one.version: one.id for one in case.credentials()}
    assert fact.data == {"purpose": "rotation", "account": case.account.id, "credentials": f"{ids[1]} {ids[2]}"}
    everything = repr(world.log.facts)
    assert not any(secret.decode() in everything for secret in case.stored())


async def test_what_was_observed_stands_in_the_log_twice(world: World) -> None:
    case = world.case()
    await until_done(case)
    facts = {one.fact.kind: one.fact.data for one in world.log.facts if one.fact.about == case.id}
    ids = {one.version: one.id for one in case.credentials()}
    text = str(facts["rotation.verified"]["proof"])
    proof = proofs.read(text)
    assert proof.old is not None
    assert (proof.new.credential, proof.new.version, proof.new.how) == (ids[2], 2, "model")
    assert (proof.old.credential, proof.old.version) == (ids[1], 1)
    assert facts["rotation.done"]["proof"] == text == case.rotation().proof
    assert (facts["rotation.done"]["new"], facts["rotation.done"]["old"]) == ("accepted", "refused")


@pytest.mark.parametrize(
    ("word", "other"),
    [("accepted", "refused"), ("refused", "accepted"), ("new", "old"), ("crd_b 2", "crd_a 1"), ("2", "0"), ("\n", " ")],
)
def test_what_is_no_proof(word: str, other: str) -> None:
    text = "new crd_b 2 accepted 2026-01-01T00:00:00Z model\nold crd_a 1 refused 2026-01-01T00:00:00Z model"
    assert proofs.read(text).text() == text
    with pytest.raises(Malformed):
        proofs.read(text.replace(word, other, 1))


def test_nothing_to_refuse_is_said() -> None:
    text = "new crd_b 2 accepted 2026-01-01T00:00:00Z model\nold none"
    assert proofs.read(text).old is None
    assert proofs.read(text).text() == text


async def test_a_lost_answer_sends_the_same_candidate_again(world: World) -> None:
    case = world.case([12], ("change",))  # dropped: the target never saw it
    await case.turn()
    assert case.rotation().state is State.DONE
    assert len(case.credentials()) == 2, "a retry made another candidate"
    assert case.target.calls == ["change", "works", "works", "change", "works", "works"]
    assert "unknown" in kinds(case)


async def test_a_change_that_nobody_answered_but_that_happened(world: World) -> None:
    case = world.case([11], ("change",))
    await case.turn()
    assert case.rotation().state is State.DONE
    assert case.target.calls.count("change") == 1


async def test_a_refused_candidate_is_kept_and_another_is_made_later(world: World) -> None:
    case = world.case([14], ("change",))
    await case.turn()
    rotation = case.rotation()
    assert (rotation.state, rotation.problem, rotation.candidate) == (State.REFUSED, "too short", None)
    assert not rotation.touched, "the account stays usable"
    await until_done(case)
    states = {one.version: one.state for one in case.credentials()}
    assert states[2] is credentials.State.UNUSED
    assert states[3] is credentials.State.CURRENT


async def test_another_candidate_waits_until_the_first_can_come_no_more(world: World) -> None:
    case = world.case()
    real, said = case.target.change, 0

    async def change(place: Place, current: Secret, new: Secret) -> None:
        nonlocal said
        said += 1
        if said == 1:
            case.target.under_way.append((99, world.clock.at + LIFE, new.reveal()))
            raise OutcomeUnknown("no answer", what_to_do="")
        if said == 2:
            raise ChangeRefused("not twice a minute", what_to_do="")
        await real(place, current, new)

    replace_act(case, "change", change)
    await case.turn()
    assert case.rotation().state is State.REFUSED
    case.wait()
    await until_done(case)
    world.clock.at += LIFE
    case.target.settle()
    assert case.current() == case.target.password


async def test_refusals_come_ever_more_rarely(world: World) -> None:
    case = world.case([14] * 14, ("change",))
    waits = []
    for _ in range(14):
        await case.turn()
        waits.append(case.rotation().next_at - world.clock.at)
        case.wait()
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=1)
    assert waits[-1] == timedelta(hours=1)


async def test_a_target_that_is_down_is_put_off_and_nothing_counts_as_touched(world: World) -> None:
    case = world.case([10, 10, 10], ("change", "dial"))
    await case.turn()
    rotation = case.rotation()
    assert (rotation.state, rotation.tries, rotation.problem) == (State.STAGED, 1, "down")
    assert not rotation.touched
    releases = kinds(case).count("secret.release")
    case.wait()
    await case.turn()
    assert kinds(case).count("secret.release") == releases, "a secret was taken out for a target that is down"
    assert case.rotation().tries == 2
    await until_done(case)


async def test_pauses_grow_to_five_minutes() -> None:
    waits = [hold.pause(n).total_seconds() for n in range(12)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 300 == hold.pause(10**6).total_seconds()


async def test_a_sealed_vault_writes_nothing_and_counts_no_try(world: World) -> None:
    case = world.case([10], ("mint",))
    before = world.log.size
    await case.turn()
    assert world.log.size == before
    assert case.rotation().tries == 0
    await until_done(case)


async def test_a_vault_that_is_sealed_in_the_middle_counts_no_try(world: World) -> None:
    case = world.case([10], ("release",))
    await case.turn()
    assert (case.rotation().state, case.rotation().tries, case.rotation().problem) == (State.STAGED, 0, "sealed")
    await until_done(case)


async def test_a_damaged_candidate_is_never_sent(world: World) -> None:
    case = world.case([11], ("mint",))
    await case.turn()
    assert case.rotation().state is State.OWED
    assert case.target.calls == []
    assert case.credentials()[-1].state is credentials.State.UNUSED
    await until_done(case)


async def test_an_old_password_that_still_works_is_not_done(world: World) -> None:
    case = world.case()
    real, lags = case.target.works, [True]

    async def works(place: Place, secret: Secret) -> bool:
        return await real(place, secret) or (lags[0] and secret.reveal() == b"first")

    replace_act(case, "works", works)
    await case.turn()
    rotation = case.rotation()
    assert rotation.state is State.APPLIED
    assert "old one still" in rotation.problem
    assert case.current() == b"first", "labels moved without proof"
    lags[0] = False
    case.wait()
    await case.turn()
    assert case.rotation().state is State.DONE
    assert case.target.calls.count("change") == 1


async def test_a_yes_that_was_none_is_found_out(world: World) -> None:
    case = world.case()
    real, lies = case.target.change, [True]

    async def change(place: Place, current: Secret, new: Secret) -> None:
        if lies.pop() if lies else False:
            return
        await real(place, current, new)

    replace_act(case, "change", change)
    await case.turn()
    assert case.rotation().state is State.UNKNOWN
    assert "takes the old password" in case.rotation().problem
    await until_done(case)
    assert len(case.credentials()) == 2


async def test_where_nothing_works_a_person_helps_it_on(world: World) -> None:
    case = world.case()
    case.target.password = b"changed by hand"
    await case.turn()
    rotation = case.rotation()
    assert rotation.state is State.RECONCILE
    assert rotation.next_at > world.clock.at + timedelta(minutes=14), "the target would lock the account"
    assert "reconcile" in kinds(case)
    assert not case.target.locked

    world.clock.at += timedelta(seconds=5)
    case.deposit("changed by hand")
    assert case.rotation().next_at <= world.clock.at
    await case.turn()
    assert case.rotation().state is State.DONE
    assert case.current() == case.target.password
    assert case.target.password != b"changed by hand"
    open_ones = case.look(lambda look: [r for r in look.find(Rotation, account=case.account.id) if r.state != "done"])
    assert open_ones == []


async def test_where_nothing_works_the_helper_resets_it_to_the_same_candidate(world: World) -> None:
    case = world.case(helped=True)
    case.target.password = b"changed by hand"
    await until_done(case)
    assert len(case.credentials()) == 2, "the candidate is the one that was staged"
    assert case.target.calls.count("reset") == 1
    assert case.current() == case.target.password
    said = kinds(case)
    assert said.index("reconcile") < said.index("applied") < said.index("verified"), "people are told all the same"
    facts = [one.fact for one in world.log.facts if one.fact.about == case.id and one.fact.kind == "rotation.applying"]
    assert [fact.data.get("by") for fact in facts] == [None, case.helper.id]
    assert not case.target.locked


async def test_a_helper_that_may_not_reset_leaves_it_to_a_person(world: World) -> None:
    case = world.case([14] * 3, ("reset",), helped=True)
    case.target.password = b"changed by hand"
    for _ in range(3):
        await case.turn()
        case.wait()
    assert case.rotation().touched
    assert case.target.password == b"changed by hand"
    assert len(case.credentials()) == 2
    case.deposit("changed by hand")
    await until_done(case)
    assert case.current() == case.target.password


async def test_a_target_restored_from_a_backup_is_found_by_an_older_password(world: World) -> None:
    case = world.case()
    await until_done(case)
    for _ in range(4):
        demand(case)
        await until_done(case)
    case.target.password = b"first"
    demand(case)
    await until_done(case, 60)
    assert not case.target.locked
    assert case.current() == case.target.password != b"first"
    must_be_proven(world, case.account.id)


@pytest.mark.parametrize("limit", ["2/60", "3/600", "5/900"])
async def test_no_probing_locks_the_account(world: World, limit: str) -> None:
    case = world.case(lockout=limit)
    await until_done(case)
    for _ in range(3):
        demand(case)
        await until_done(case)
    case.target.password = b"changed by hand"
    demand(case)
    tried: set[Any] = set()
    for n in range(40):
        if n % 3 == 2:
            case.engine = case.new_engine()  # another node: the count is in the database
        await case.turn()
        assert not case.target.locked, n
        case.wait()
    facts = [one.fact for one in world.log.facts if one.fact.about == case.id]
    tried = {fact.data["credential"] for fact in facts if fact.kind == "rotation.login_tried"}
    assert tried == {one.id for one in case.credentials()}, "some stored password was never tried"


async def test_an_engine_that_was_taken_over_does_nothing_more(world: World) -> None:
    case = world.case()
    real = case.target.change

    async def change(place: Place, current: Secret, new: Secret) -> None:
        await real(place, current, new)
        # It stood still for longer than its lease; another node goes on meanwhile.
        world.clock.at += rotate.LEASE
        case.target.inside, inside = 0, case.target.inside
        await case.new_engine().run_one(case.rotation().id)
        case.target.inside = inside

    replace_act(case, "change", change)
    calls = len(case.target.calls)
    await case.turn()
    rotation = case.rotation()
    assert rotation.state is State.DONE
    assert rotation.fence == 2
    assert case.target.calls[calls:] == ["change", "works", "works", "works"], "the old engine acted on"
    assert case.current() == case.target.password


async def test_two_engines_never_act_at_once(world: World) -> None:
    for _ in range(10):
        case = world.case()
        others = [case.new_engine() for _ in range(3)]
        worked = await asyncio.gather(*[engine.run_one(case.rotation().id) for engine in [case.engine, *others]])
        assert worked.count(True) == 1
        assert case.target.calls.count("change") == 1


async def test_a_target_that_never_answers_is_left_before_the_lease_ends(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "ACT_WITHIN", 0.2)
    case = world.case()

    async def never(place: Place, *secrets: Secret) -> Any:
        case.target.calls.append("never")
        await asyncio.sleep(30)

    replace_act(case, "change", never)
    replace_act(case, "works", never)
    async with asyncio.timeout(10):
        await case.turn()
    rotation = case.rotation()
    assert rotation.state is State.UNKNOWN
    assert "in time" in rotation.problem
    assert rotation.guesses == 1, "an unanswered login may have been counted"
    del case.target.change, case.target.works
    await until_done(case)


async def test_another_host_key_is_told_as_an_alarm_and_costs_no_login(world: World) -> None:
    case = world.case()

    async def elsewhere(place: Place, *secrets: Secret) -> Any:
        raise HostKeyMismatch("another key", what_to_do="Stop.")

    replace_act(case, "change", elsewhere)
    replace_act(case, "works", elsewhere)
    await case.turn()
    assert case.rotation().guesses == 0
    [fact] = [one.fact for one in world.log.facts if one.fact.about == case.id and one.fact.kind == "rotation.put_off"]
    assert fact.data["code"] == "host_key_mismatch"
    del case.target.change, case.target.works
    await until_done(case)


async def test_a_plugin_that_fails_wildly_shows_no_secret(world: World, caplog: pytest.LogCaptureFixture) -> None:
    case = world.case([15, 15], ("change",))
    with caplog.at_level(logging.DEBUG):
        await until_done(case)
    said = caplog.text + repr(world.log.facts) + case.rotation().problem
    assert not any(secret.decode() in said for secret in case.stored())


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ((), ""),
        (
            (Remainder(kind="process", what="sleep (pid 7)"), Remainder(kind="detached", what="sshd (pid 9)")),
            "process sleep",
        ),
        (TargetDown("gone", what_to_do=""), "not looked at: gone"),
        (OutcomeUnknown("silence", what_to_do=""), "not looked at: silence"),
        (ChangeRefused("no", what_to_do=""), "not looked at: no"),
        (ZeroDivisionError("secret words"), "not looked at: It met ZeroDivisionError."),
    ],
)
async def test_what_remains_is_told_and_blocks_nothing(
    world: World, outcome: Sequence[Remainder] | Exception, told: str
) -> None:
    case = world.case(because=Because.CLOSE)

    async def end_remains(place: Place, secret: Secret) -> Sequence[Remainder]:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    replace_act(case, "end_remains", end_remains)
    await case.turn()
    rotation = case.rotation()
    assert rotation.state is State.DONE
    assert rotation.remains.startswith(told)
    assert bool(rotation.remains) == bool(told)
    assert len(rotation.remains.splitlines()) == (len(outcome) if isinstance(outcome, tuple) else 1)


async def test_only_a_close_ends_what_remains(world: World) -> None:
    case = world.case(because=Because.LOGIN)
    await case.turn()
    assert "end_remains" not in case.target.calls


async def test_a_crash_before_the_end_looks_for_what_remains_again(world: World) -> None:
    case = world.case([12], ("end_remains",), because=Because.CLOSE)
    await case.turn()
    assert case.rotation().state is State.VERIFIED
    case.wait()
    await case.turn()
    assert case.rotation().state is State.DONE
    assert case.target.calls.count("end_remains") == 2


async def test_an_account_that_left_the_roster_waits(world: World) -> None:
    case = world.case()
    engine: Any = case.engine
    account = case.account
    case.account = replace(account, rotator="gone")
    assert await engine.run_one(case.rotation().id)
    assert "not loaded" in case.rotation().problem
    assert case.target.calls == []
    case.account = account
    case.wait()
    await until_done(case)


async def test_a_limit_that_cannot_be_read_is_said(world: World) -> None:
    case = world.case()
    case.account = replace(case.account, rotator_options={"lockout": "many"})
    await case.turn()
    assert "lockout" in case.rotation().problem
    assert case.target.calls == []


async def test_a_database_that_takes_no_mark_stops_the_act(world: World) -> None:
    case = world.case()
    store: Any = case.engine.store
    real = store.run

    async def run(actor: Any, step: Any, *args: Any, **kwargs: Any) -> Any:
        if step is rotate.apply:
            raise Unavailable("The database did not take it.", what_to_do="")
        return await real(actor, step, *args, **kwargs)

    store.run = run
    await case.turn()
    assert case.target.calls == [], "an act without its durable mark"
    assert case.rotation().state is State.STAGED
    store.run = real
    case.wait()
    await until_done(case)


class Looking:
    """Lets the model target look around, and keeps what stands there."""

    def __init__(self, case: Case) -> None:
        self.case, self.there = case, [Trace("key", "root: SHA256:own"), Trace("cron", "root: backup")]
        case.target.traces = self.traces  # type: ignore[attr-defined]

    async def traces(self, place: Place, secret: Secret) -> Sequence[Trace]:
        assert secret.reveal() == self.case.target.password
        return self.there


async def test_what_is_new_since_the_last_look_is_told_at_a_close(world: World) -> None:
    case = world.case(because=Because.DEPOSIT)
    looking = Looking(case)
    await until_done(case)
    assert case.rotation().remains == "", "there was nothing to compare with"
    looking.there = [looking.there[0], Trace("key", "root: SHA256:new"), Trace("user", "eve (uid 0, /bin/sh)")]
    close(case)
    await until_done(case)
    [since, *lines] = case.rotation().remains.split("\n")
    assert since.startswith("left behind since 2026-")
    assert lines == ["+ key root: SHA256:new", "+ user eve (uid 0, /bin/sh)", "- 1 cron"]
    done = [one.fact for one in world.log.facts if one.fact.about == case.id and one.fact.kind == "rotation.done"]
    assert done[0].data["remains"] == case.rotation().remains, "the review must be able to check it"
    looks = [one.fact.data["traces"] for one in world.log.facts if one.fact.kind == "target.looked"]
    assert [done[0].data["looked_before"], done[0].data["looked_after"]] == looks[-2:]
    close(case)
    await until_done(case)
    assert case.rotation().remains == "", "it was told once, and is what the next look is compared with"


async def test_a_look_while_somebody_works_there_is_no_look_of_before(world: World) -> None:
    case = world.case(because=Because.DEPOSIT)
    looking = Looking(case)
    put_session(case, sessions.State.RUNNING)
    looking.there.append(Trace("key", "root: SHA256:left-just-now"))
    await until_done(case)
    assert case.look(lambda look: look.find(Look, id=case.account.id)) == []


@pytest.mark.parametrize("trouble", [TargetDown("down", what_to_do=""), ValueError("with a secret in it")])
async def test_a_look_that_fails_blocks_nothing_and_is_told(world: World, trouble: Exception) -> None:
    case = world.case(because=Because.DEPOSIT)
    looking = Looking(case)
    await until_done(case)

    async def traces(place: Place, secret: Secret) -> Sequence[Trace]:
        raise trouble

    close(case)
    case.target.traces = traces  # type: ignore[attr-defined]
    await until_done(case)
    assert case.rotation().remains.startswith("what was left behind was not looked at: ")
    assert "secret in it" not in case.rotation().remains
    assert looking.there


async def test_accounts_that_depend_on_it_are_owed_a_change_and_a_circle_comes_to_rest(world: World) -> None:
    one, two = (world.case(because=Because.DEPOSIT) for _ in range(2))
    await until_done(two)
    one.account = replace(one.account, rotates_with=(two.account.id,))
    two.account = replace(two.account, rotates_with=(one.account.id,))
    await until_done(one)
    [follows] = two.look(lambda look: look.find(Rotation, account=two.account.id, state=State.OWED))
    assert follows.because is Because.DEPENDENT
    two.id = follows.id
    await until_done(two)
    assert not one.look(lambda look: look.find(Rotation, account=one.account.id, state=State.OWED))


def close(case: Case) -> None:
    """A grant of the account ends; the case goes on with its rotation."""
    grant = f"grt_{len(case.world.log.facts)}"
    step = rotate.owe_after
    case.id = case.world.store.submit(SYSTEM, step, case.account.id, Because.CLOSE, grant).result(10).value.id


async def test_a_login_is_no_time_for_a_look_of_before(world: World) -> None:
    """The session may be over already: what it left behind would be taken for what stood there before."""
    case = world.case(because=Because.LOGIN)
    Looking(case)
    await until_done(case)
    assert case.look(lambda look: look.find(Look, id=case.account.id)) == []
