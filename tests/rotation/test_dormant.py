"""An account that sleeps between uses: enabled for a change, disabled and proven at its end, whatever breaks."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from breakglass.flow import dormant, rotate
from breakglass.model import session as sessions
from breakglass.model.dormancy import State as Standing
from breakglass.model.people import SYSTEM
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from tests.rotation.test_marks import put_session
from tests.rotation.test_turns import close, demand, replace_act, until_done
from tests.rotation.world import Case, World


def standing(case: Case) -> Standing | None:
    found: Standing | None = case.look(lambda look: dormant.standing(look, case.account.id))
    return found


def told(case: Case, kind: str) -> list[dict[str, object]]:
    facts = (one.fact for one in case.world.log.facts if one.fact.about == case.account.id)
    return [dict(fact.data) for fact in facts if fact.kind == kind]


def owed(case: Case) -> list[Rotation]:
    found: list[Rotation] = case.look(
        lambda look: [r for r in look.find(Rotation, account=case.account.id) if r.state is not State.DONE]
    )
    return found


async def test_it_is_enabled_for_the_change_and_disabled_at_its_end(world: World) -> None:
    case = world.case(dormant=True, because=Because.CLOSE)
    case.target.asleep = True
    await until_done(case)
    assert case.target.asleep
    assert standing(case) is Standing.DISABLED
    calls = case.target.calls
    assert calls[:3] == ["enable", "enabled", "change"]
    assert calls[-4:] == ["works", "disable", "enabled", "admits"]
    assert calls.index("end_remains") < calls.index("disable")
    kinds = [one.fact.kind for one in world.log.facts if one.fact.about == case.account.id]
    assert [kind for kind in kinds if kind.startswith("account.")] == [
        "account.enabling", "account.enabled", "account.disabling", "account.disabled",
    ]  # fmt: skip
    [proof] = told(case, "account.disabled")
    assert (proof["seen"], proof["login"], proof["for"]) == ("disabled", "shut", case.id)
    releases = told(case, "secret.release")
    assert [(one["purpose"], one["account"]) for one in releases] == [("help", case.helper.id)] * 2
    assert owed(case) == []
    assert case.rotation().guesses == 0


async def test_while_somebody_may_use_it_it_stays_enabled(world: World) -> None:
    case = world.case(dormant=True)
    put_session(case, sessions.State.RUNNING)
    await until_done(case)
    assert not case.target.asleep
    assert standing(case) is Standing.ENABLED


async def test_a_session_that_comes_while_it_is_proven_keeps_it_enabled(world: World) -> None:
    case = world.case(dormant=True)
    real = case.target.works

    async def works(place: Place, secret: Secret) -> bool:
        if case.rotation().state is State.VERIFIED:
            put_session(case, sessions.State.RUNNING)
        return await real(place, secret)

    replace_act(case, "works", works)
    await until_done(case)
    assert "disable" not in case.target.calls


async def test_where_it_can_not_be_disabled_people_hear_of_it_and_it_is_owed(world: World) -> None:
    case = world.case([14], ("disable",), dormant=True, because=Because.CLOSE)
    await case.turn()
    assert case.rotation().state is State.DONE, "nobody is locked out because of it"
    assert not case.target.asleep
    [fact] = told(case, "account.not_disabled")
    assert fact["problem"] == "may not"
    [again] = owed(case)
    assert (again.because, again.state) == (Because.DORMANT, State.OWED)
    assert again.next_at > world.clock.at
    case.id = again.id
    case.wait()
    await until_done(case)
    assert case.target.asleep
    assert standing(case) is Standing.DISABLED
    assert owed(case) == []


async def test_a_login_that_gets_in_all_the_same_is_no_proof(world: World) -> None:
    case = world.case(dormant=True)

    async def disable(place: Place, helper: object) -> None:
        """It says yes and does nothing."""

    replace_act(case, "disable", disable)
    await case.turn()
    assert case.rotation().state is State.DONE
    assert standing(case) is Standing.DISABLING
    [fact] = told(case, "account.not_disabled")
    assert "enabled still" in str(fact["problem"])


async def test_a_helper_whose_password_is_refused_is_owed_a_change_itself(world: World) -> None:
    case = world.case(dormant=True)
    case.target.asleep = True
    case.deposit("changed by hand", case.helper.id)
    before = case.target.password
    await case.turn()
    assert "enabled" in case.rotation().problem
    assert not case.rotation().touched, "nothing was sent"
    assert case.target.password == before
    found = case.look(lambda look: look.find(Rotation, account=case.helper.id))
    assert any(one.because in (Because.SUSPICION, Because.DEPOSIT) for one in found)


async def test_a_helper_that_is_away_does_not_stop_the_change_of_an_account_that_is_enabled(world: World) -> None:
    case = world.case(dormant=True)
    put_session(case, sessions.State.RUNNING)
    await until_done(case)
    demand(case)
    case.script.numbers, case.script.place, case.script.only = [14] * 9, 0, ("enable",)
    await until_done(case)


async def test_a_request_that_was_not_answered_can_not_undo_the_next_one(world: World) -> None:
    case = world.case([13], ("enable",), dormant=True, because=Because.CLOSE)  # late
    case.target.asleep = True
    await case.turn()
    assert case.rotation().state is State.STAGED
    began = world.clock.at
    for _ in range(4):
        case.wait()
        await case.turn()
        if case.rotation().state is State.DONE:
            break
    assert case.rotation().state is State.DONE
    assert world.clock.at >= began + rotate.LEASE
    case.target.settle()
    assert case.target.asleep
    assert standing(case) is Standing.DISABLED


async def test_a_directory_that_does_not_tell_disabled_from_wrong(world: World) -> None:
    case = world.case(dormant=True)
    case.target.tells, case.target.asleep = False, True
    await until_done(case)
    assert [one["login"] for one in told(case, "account.disabled")] == ["refused"]
    assert not case.target.locked
    close(case)
    await until_done(case)
    assert case.target.asleep


async def test_an_account_that_is_awake_and_should_not_be_is_owed_a_change(world: World) -> None:
    case = world.case()
    await until_done(case)
    case.account = replace(case.account, dormant=True, helper=case.helper.id)
    case.deposit("helper", case.helper.id)
    roster: Any = SimpleNamespace(accounts={case.account.id: case.account})
    assert case.look(lambda look: dormant.awake(look, roster)) == [case.account.id]
    [one] = world.store.submit(SYSTEM, dormant.owe_awake, roster).result(10).value
    assert case.look(lambda look: dormant.awake(look, roster)) == [], "it is owed once"
    case.id = one.id
    await until_done(case)
    assert standing(case) is Standing.DISABLED
    assert case.look(lambda look: dormant.awake(look, roster)) == []
