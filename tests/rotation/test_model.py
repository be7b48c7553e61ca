"""No script of failures, crashes between any two awaits included, loses a credential: the model's whole promise."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from breakglass.faults import POINTS
from breakglass.model import credential as credentials
from breakglass.model.dormancy import State as Standing
from breakglass.model.rotation import Because, State
from tests.rotation.proving import must_be_proven
from tests.rotation.test_dormant import owed, standing
from tests.rotation.world import LIFE, WILD, Case, World, points_that_kill

ACTS = ("enable", "disable", "enabled", "admits", "help")
SLEEPING = (*ACTS, *(point for point in sorted(POINTS) if point.startswith("account.")))
RESETTING = ("reset", "help", "works", "rotation.resetting", "rotation.reset")
BY_HAND = b"changed by hand"
TURNS = 80
"""More than any script of trouble needs, with everything going well after it."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def must_hold(case: Case) -> None:
    """What holds at every instant at which nobody acts."""
    rotation, stored = case.rotation(), case.credentials()
    known = case.target.password in case.stored()
    assert known or case.target.password == BY_HAND, "the target has a password that nobody knows"
    assert sum(one.state is credentials.State.CURRENT for one in stored) == 1
    assert not case.target.locked, "the target locked the account"
    assert case.target.fences == sorted(case.target.fences)
    settled = not rotation.touched and not case.target.under_way and rotation.state is not State.REFUSED
    if settled and case.target.password != BY_HAND:
        assert case.target.password == case.current()
    if standing(case) is Standing.DISABLED:
        assert case.target.asleep, "it is said to sleep, and does not"
        assert not case.target.later, "a request is under way that may wake it"
    assert all(len(secret) == 0 for secret in case.vault.given), "a secret was not wiped"


def must_be_done(case: Case) -> None:
    rotation = case.rotation()
    assert rotation.state is State.DONE, (rotation, case.script.log)
    case.world.clock.at += LIFE
    case.target.settle()  # whatever was still under way has come
    assert case.current() == case.target.password
    [new] = [one for one in case.credentials() if one.state is credentials.State.CURRENT]
    assert new.id == rotation.candidate
    assert case.target.password != b"first"
    facts = [one.fact for one in case.world.log.facts if one.fact.about == rotation.id]
    assert [fact.kind for fact in facts].count("rotation.done") == 1
    last_proof = next(fact for fact in reversed(facts) if fact.kind == "rotation.verified")
    assert last_proof.data["fence"] == facts[-1].data.get("fence", last_proof.data["fence"])


def play(world: World, runner: asyncio.Runner, numbers: list[int], only: tuple[str, ...], **options: Any) -> None:
    by_hand = options.pop("by_hand", False)
    case = world.case(numbers, only, helped=by_hand, **options)
    if by_hand:  # nothing that is stored works; a helper may reset it
        case.target.password = BY_HAND
    with points_that_kill(case.script):
        for _ in range(TURNS):
            runner.run(case.turn())
            must_hold(case)
            if case.rotation().state is State.DONE:
                break
            case.wait()
    must_be_done(case)
    if case.account.dormant:
        must_come_to_sleep(case, runner)
    must_be_proven(world, case.account.id)


def must_come_to_sleep(case: Case, runner: asyncio.Runner) -> None:
    """Either it sleeps, or another change is owed, at whose end it will."""
    for _ in range(TURNS):
        open_ones = owed(case)
        if not open_ones:
            break
        assert not case.target.asleep or standing(case) is not Standing.DISABLED
        if case.id != open_ones[0].id:
            case.id, case.target.fences = open_ones[0].id, []
        case.wait()
        runner.run(case.turn())
        must_hold(case)
    assert standing(case) is Standing.DISABLED
    assert case.target.asleep
    must_be_done(case)


trouble = given(
    numbers=st.lists(st.integers(0, WILD), max_size=60),
    only=st.sampled_from([(), ("change",), ("change", "works"), SLEEPING, RESETTING]),
    because=st.sampled_from([Because.LOGIN, Because.CLOSE]),
    lockout=st.sampled_from(["", "3/600", "2/60"]),
    dormant=st.booleans(),
    by_hand=st.booleans(),
)


@pytest.mark.slow
@settings(max_examples=1000)
@trouble
@example(numbers=[], only=(), because=Because.CLOSE, lockout="", dormant=True, by_hand=True)
@example(
    numbers=[14, 13, 14], only=("change",), because=Because.LOGIN, lockout="3/600", dormant=False, by_hand=False
)  # late, then another candidate
def test_nothing_is_lost_and_it_ends_done(world: World, runner: asyncio.Runner, **script: Any) -> None:
    play(world, runner, **script)


@pytest.mark.nightly
@trouble
def test_nothing_is_lost_in_ten_thousand_runs(world: World, runner: asyncio.Runner, **script: Any) -> None:
    play(world, runner, **script)
