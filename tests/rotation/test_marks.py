"""The marks themselves: what is owed, whose turn it is, and who holds it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from breakglass.errors import Refused, WrongState
from breakglass.flow import rotate
from breakglass.model import session as sessions
from breakglass.model.change import Change, Fact
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId, GrantId, RecordingId, SessionId, UserId
from breakglass.model.people import SYSTEM
from breakglass.model.rotation import Because, Rotation, State, TakenOver
from breakglass.model.session import Session
from breakglass.storage.work import Work
from tests.rotation.world import CUSTODIAN, Case, World


def do(case: Case, step: Callable[..., Any], *args: Any, actor: Any = SYSTEM) -> Any:
    return case.world.store.submit(actor, step, *args).result(10).value


def owe(case: Case, because: Because, grant: str = "grt_own") -> Rotation:
    owed: Rotation = do(case, rotate.owe_after, case.account.id, because, grant)
    return owed


def put_session(case: Case, state: sessions.State, grant: str = "", wanted: sessions.State | None = None) -> None:
    """A session of the account, with no grant behind it."""

    def step(work: Work) -> None:
        session = Session(
            id=SessionId(work.new_id("ses")),
            grant=GrantId(grant or case.grant),
            by=UserId("usr_alice"),
            account=case.account.id,
            recording=RecordingId("rec_1"),
            node="node1",
            from_address="127.0.0.1",
            started_at=work.now,
            wanted=wanted or sessions.State.RUNNING,
            state=state,
        )
        work.apply(Change(session, (Fact("session.connecting", session.id),)))

    do(case, step)


def test_one_change_is_enough_for_several_reasons(world: World) -> None:
    case = world.case()
    assert owe(case, Because.LOGIN).id == case.id
    assert owe(case, Because.DEPOSIT, "").id == case.id
    assert do(case, rotate.demand, case.account.id, actor=CUSTODIAN).id == case.id


def test_each_grants_close_has_its_own(world: World) -> None:
    case = world.case()
    one, two = owe(case, Because.CLOSE, "grt_1"), owe(case, Because.CLOSE, "grt_2")
    assert len({case.id, one.id, two.id}) == 3, "a review would wait for a rotation that never was"
    assert owe(case, Because.CLOSE, "grt_2").id == two.id


def test_what_is_demanded_is_tried_at_once(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    later = world.clock.at + timedelta(hours=1)
    do(case, rotate.put_off, held, later, "down", "target_down")
    assert case.id not in {one.id for one in world.store.look(rotate.due)}
    do(case, rotate.demand, case.account.id, actor=CUSTODIAN)
    assert case.id in {one.id for one in world.store.look(rotate.due)}


def test_nothing_to_change_is_said(world: World) -> None:
    case = world.case()
    with pytest.raises(Refused):
        do(case, rotate.demand, "acc_without", actor=CUSTODIAN)


def test_whoever_began_goes_first(world: World) -> None:
    case = world.case()
    first = do(case, rotate.claim, case.id)
    second = owe(case, Because.CLOSE)
    assert do(case, rotate.claim, second.id) is None
    first = do(case, rotate.stage, first, CredentialId(f"crd_{case.account.id[4:]}"), 2, b"sealed:x")
    do(case, rotate.put_off, first, world.clock.at + timedelta(seconds=9), "down", "target_down")
    world.clock.at += timedelta(seconds=5)
    assert do(case, rotate.claim, second.id) is None, "two rotations of one account would be under way"


def test_one_that_has_not_begun_and_waits_stands_in_nobodys_way(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    do(case, rotate.put_off, held, world.clock.at + timedelta(hours=1), "gone", "not_found")
    second = owe(case, Because.CLOSE)
    assert do(case, rotate.claim, second.id) is not None


def test_a_lease_keeps_others_away_and_runs_out(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    assert do(case, rotate.claim, case.id) is None
    world.clock.at += rotate.LEASE
    again = do(case, rotate.claim, case.id)
    assert again.fence == held.fence + 1
    for step, args in (
        (rotate.stage, (CredentialId("crd_late"), 2, b"")),
        (rotate.apply, ()),
        (rotate.move, (State.APPLIED,)),
        (rotate.guess, (case.credentials()[0], 1)),
        (rotate.put_off, (world.clock.at, "", "")),
        (rotate.give_back, (world.clock.at, "")),
        (rotate.release, ("rotation", [])),
        (rotate.finish, ("",)),
    ):
        with pytest.raises(TakenOver):
            do(case, step, held, *args)


def test_every_mark_renews_the_lease(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    world.clock.at += rotate.LEASE / 2
    held = do(case, rotate.guess, held, case.credentials()[0], 1)
    assert held.leased_until == world.clock.at + rotate.LEASE


def test_a_credential_that_came_between_is_no_candidates_version(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    case.deposit("second")
    with pytest.raises(WrongState):
        do(case, rotate.stage, held, CredentialId("crd_late"), 2, b"sealed:x")


def test_nothing_is_stored_while_a_rotation_may_have_touched_the_target(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    held = do(case, rotate.stage, held, CredentialId(f"crd_{case.account.id[4:]}b"), 2, b"sealed:x")
    do(case, rotate.apply, held)
    with pytest.raises(WrongState):
        case.deposit("second")


def test_it_waits_for_a_session_that_signs_in_but_not_for_ever(world: World) -> None:
    case = world.case()
    held = do(case, rotate.claim, case.id)
    held = do(case, rotate.stage, held, CredentialId(f"crd_{case.account.id[4:]}c"), 2, b"sealed:x")
    put_session(case, sessions.State.CONNECTING)
    assert do(case, rotate.apply, held) is None
    world.clock.at += rotate.SIGN_IN_FOR
    assert do(case, rotate.apply, held) is not None


def test_a_crowd_of_sessions_puts_a_change_off_for_two_minutes_only(world: World) -> None:
    case = world.case()
    for _ in range(10):
        put_session(case, sessions.State.CONNECTING)
        due = case.id in {one.id for one in world.store.look(rotate.due)}
        assert due == (world.clock.at > case.rotation().owed_at + rotate.WAIT_FOR_SIGN_INS)
        world.clock.at += timedelta(seconds=15)
    assert due


def test_a_close_lets_its_sessions_end_first(world: World) -> None:
    case = world.case(because=Because.CLOSE)
    put_session(case, sessions.State.RUNNING, wanted=sessions.State.ENDED)
    assert do(case, rotate.claim, case.id) is None
    world.clock.at += rotate.WAIT_FOR_SESSIONS + timedelta(seconds=1)
    assert do(case, rotate.claim, case.id) is not None


async def test_a_close_leaves_other_peoples_sessions_alone(world: World) -> None:
    case = world.case(because=Because.CLOSE)
    put_session(case, sessions.State.RUNNING, grant="grt_other")
    await case.turn()
    rotation = case.rotation()
    assert rotation.state is State.DONE
    assert "of another grant" in rotation.remains
    assert "end_remains" not in case.target.calls


def test_only_the_system_puts_marks_down(world: World) -> None:
    case = world.case()
    for step, args in ((rotate.claim, (case.id,)), (rotate.move, (case.rotation(), State.APPLIED))):
        with pytest.raises(Refused):
            do(case, step, *args, actor=CUSTODIAN)
    assert isinstance(case.credentials()[0], Credential)


def scheduled(case: Case, days: int) -> Any:
    account = replace(case.account, rotate_every=timedelta(days=days) if days else None)
    return SimpleNamespace(accounts={account.id: account})


def test_a_secret_that_became_too_old_is_owed_a_change_once(world: World) -> None:
    case = world.case()
    complete(case)
    roster = scheduled(case, 30)
    world.clock.at += timedelta(days=29)
    assert do(case, rotate.owe_overdue, roster) == []
    world.clock.at += timedelta(days=1)
    [owed] = do(case, rotate.owe_overdue, roster)
    assert owed.because is Because.SCHEDULE
    assert do(case, rotate.owe_overdue, roster) == []
    assert do(case, rotate.owe_overdue, scheduled(case, 0)) == []


def test_many_are_owed_all_or_none(world: World) -> None:
    cases = [world.case() for _ in range(3)]
    for case in cases:
        complete(case)
    accounts = [case.account.id for case in cases]
    with pytest.raises(Refused):
        do(cases[0], rotate.demand_all, [*accounts, "acc_without"], Because.SUSPICION, actor=CUSTODIAN)
    assert not any(waiting(case) for case in cases)
    owed = do(cases[0], rotate.demand_all, accounts, Because.SUSPICION, actor=CUSTODIAN)
    assert [one.because for one in owed] == [Because.SUSPICION] * 3
    assert [one.account for one in owed] == accounts


def waiting(case: Case) -> list[Rotation]:
    found: list[Rotation] = case.look(lambda look: look.find(Rotation, account=case.account.id))
    return [one for one in found if one.state is not State.DONE]


def complete(case: Case) -> None:
    """The rotation of the deposit is done."""
    asyncio.run(case.turn())
    assert case.rotation().state is State.DONE
