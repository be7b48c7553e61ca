"""The worker: many accounts at once, one rotation at a time for each, and nothing that fails stops it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from breakglass.errors import Sealed, Unavailable
from breakglass.model.rotation import State
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place
from breakglass.rotation import engine as engines
from breakglass.rotation.engine import Engine
from tests.rotation.world import Case, FakeVault, Script, World


def engine_for(world: World, cases: list[Case], rotator: Any) -> Engine:
    accounts = {case.account.id: case.account for case in cases}
    estate: Any = SimpleNamespace(
        roster=SimpleNamespace(account=accounts.__getitem__, endpoint_of=lambda account: cases[0].endpoint)
    )
    vault = FakeVault(world.store, Script())
    dial: Any = None
    return Engine(world.store, estate, vault, vault, {"model": rotator}, dial)


class Accounts:
    """One rotator for all accounts of a test; counts who is inside at once."""

    name = "model"

    def __init__(self, lasts: float = 0.05) -> None:
        self.passwords: dict[str, bytes] = {}
        self.inside = self.most = self.changes = 0
        self.lasts = lasts

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        self.inside += 1
        self.most, self.changes = max(self.most, self.inside), self.changes + 1
        await asyncio.sleep(self.lasts)
        self.passwords[place.username] = new.reveal()
        self.inside -= 1

    async def works(self, place: Place, secret: Secret) -> bool:
        return self.passwords.get(place.username, b"first") == secret.reveal()

    async def end_remains(self, place: Place, secret: Secret) -> list[Any]:
        return []


def many(world: World, count: int) -> list[Case]:
    from dataclasses import replace

    cases = [world.case() for _ in range(count)]
    for case in cases:
        case.account = replace(case.account, username=case.account.id)
    return cases


async def until(done: Any, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_accounts_go_side_by_side_and_are_bounded(world: World) -> None:
    cases, rotator = many(world, engines.AT_ONCE + 8), Accounts()
    work = asyncio.create_task(engine_for(world, cases, rotator).work(asyncio.Event()))
    await until(lambda: all(case.rotation().state is State.DONE for case in cases))
    work.cancel()
    assert 1 < rotator.most <= engines.AT_ONCE
    assert rotator.changes == len(cases)
    assert all(case.current() == rotator.passwords[case.account.id] for case in cases)


async def test_one_rotation_at_a_time_for_an_account(world: World) -> None:
    [case] = many(world, 1)
    rotator = Accounts(0.1)
    work = asyncio.create_task(engine_for(world, [case], rotator).work(bell := asyncio.Event()))
    await until(lambda: rotator.inside == 1)
    first = case.id
    case.id = owe_another(case)
    bell.set()
    await until(lambda: case.rotation().state is State.DONE)
    work.cancel()
    assert case.id != first
    assert (rotator.most, rotator.changes) == (1, 2)


def owe_another(case: Case) -> Any:
    """A login owes another rotation while the first one runs."""
    from breakglass.flow import rotate
    from breakglass.model.people import SYSTEM
    from breakglass.model.rotation import Because

    done = case.world.store.submit(SYSTEM, rotate.owe_after, case.account.id, Because.LOGIN, "grt_2").result(10)
    return done.value.id


async def test_a_turn_that_fails_stops_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cases, rotator = many(world, 3), Accounts()
    engine = engine_for(world, cases, rotator)
    real = engine.run_one

    async def run_one(id: Any) -> bool:
        if id == cases[0].id:
            raise ZeroDivisionError("secret words")
        return await real(id)

    monkeypatch.setattr(engine, "run_one", run_one)
    work = asyncio.create_task(engine.work(asyncio.Event()))
    await until(lambda: all(case.rotation().state is State.DONE for case in cases[1:]))
    assert not work.done()
    work.cancel()


@pytest.mark.parametrize("away", [Sealed("sealed", what_to_do=""), Unavailable("the vault is away", what_to_do="")])
async def test_it_rests_while_the_vault_is_away(world: World, monkeypatch: pytest.MonkeyPatch, away: Exception) -> None:
    monkeypatch.setattr(engines, "VAULT_PAUSE", 0.3)
    cases, rotator = many(world, 1), Accounts()
    engine = engine_for(world, cases, rotator)
    asked = []

    def mint(*_: Any) -> bytes:
        asked.append(1)
        if len(asked) < 3:
            raise away
        return b"sealed:new"

    monkeypatch.setattr(engine.keeper._vault, "mint", mint)
    before = world.log.size
    bell = asyncio.Event()
    work = asyncio.create_task(engine.work(bell))
    for _ in range(10):  # however often the bell rings
        bell.set()
        await asyncio.sleep(0.02)
    assert len(asked) == 1
    assert world.log.size == before, "waiting for custodians filled the log"
    await until(lambda: cases[0].rotation().state is State.DONE)
    work.cancel()
    assert cases[0].rotation().tries == 0
