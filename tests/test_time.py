"""The log's instants go back only where custodians confirmed the time, and everybody who checks the log sees whether
they did."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from breakglass.audit import times
from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.errors import AlreadyApproved, BadSignature, Forbidden, WrongState
from breakglass.flow import clock, sign_in
from breakglass.model import request as requests
from breakglass.model.change import Fact
from breakglass.model.grant import Grant
from breakglass.model.people import SYSTEM
from breakglass.model.request import AccessRequest
from breakglass.storage.work import Work
from breakglass.trust.clock import subject
from tests.kit import DEPLOYMENT, Town

HOUR = timedelta(hours=1)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path) as town:
        yield town


async def confirm(town: Town, *logins: str) -> None:
    """Each custodian signs what the clock says; then the vault is asked, as its duty does."""
    chain, wall = town.estate.chain, town.clock.at
    for login in logins:
        text = (await town.do(login, clock.offer, chain, wall, frozen=False)).text()
        await town.do(login, clock.sign, chain, wall, town.people[login].sign(text), text)
    words = await town.store.read(clock.waiting, chain)
    if words:
        await town.system(clock.confirmed, chain, town.vault.confirm_clock(words))


def verified(town: Town) -> Report:
    return verify(town.store.engine, pin=town.estate.chain.rosters[0].hash)


async def test_time_goes_on_from_where_custodians_say(town: Town) -> None:
    before, kept = await town.granted("alice", "db1")
    town.clock.go(hours=4)
    late = await town.ask("bo", "plc", account="ops")
    _, future = await town.granted("alice", "plc", account="root")
    await town.do("alice", sign_in.sign_in, "alice", "token")
    town.clock.go(hours=-4)
    town.vault.tick()
    assert town.store.now() == town.clock.at + 4 * HOUR

    await confirm(town, "carol")
    assert town.store.now() == town.clock.at + 4 * HOUR, "one custodian is not enough"
    await confirm(town, "cem")
    assert town.store.now() == town.clock.at
    state = await town.store.read(lambda look: look.get(AccessRequest, late).state)
    assert state is requests.State.EXPIRED
    grants = await town.store.read(lambda look: list(look.find(Grant)))
    assert {one.id: one.state.value for one in grants} == {kept: "active", future: "revoked"}
    assert await town.store.read(sign_in.who, town.estate.roster, "token") is None
    town.clock.go(seconds=5)
    await town.ask("bo", "plc", account="ops")
    assert town.store.now() == town.clock.at
    assert verified(town).ok, verified(town)
    assert before


async def test_whose_word_counts(town: Town) -> None:
    chain = town.estate.chain
    with pytest.raises(WrongState):
        await town.do("carol", clock.offer, chain, town.clock.at, frozen=False)
    town.clock.go(hours=1)
    await town.ask()
    town.clock.go(hours=-1)
    wall = town.clock.at
    with pytest.raises(Forbidden):
        await town.do("alice", clock.offer, chain, wall, frozen=False)
    text = (await town.do("carol", clock.offer, chain, wall, frozen=False)).text()
    with pytest.raises(BadSignature):
        await town.do("carol", clock.sign, chain, wall, town.people["cem"].sign(text), text)
    with pytest.raises(BadSignature, match="The clock says"):
        await town.do("carol", clock.sign, chain, wall + HOUR, town.people["carol"].sign(text), text)
    await town.do("alice", clock.sign, chain, wall, town.people["carol"].sign(text), text)
    with pytest.raises(AlreadyApproved):
        await town.do("carol", clock.sign, chain, wall, town.people["carol"].sign(text), text)
    assert len(await town.store.read(times.words, subject(DEPLOYMENT))) == 1
    # What the vault refuses is put down, and everybody signs anew.
    await town.system(clock.refused, chain, "no")
    await confirm(town, "carol")
    assert town.store.now() == wall + HOUR
    await confirm(town, "cem")
    assert town.store.now() == wall
    assert verified(town).ok, verified(town)


@pytest.mark.parametrize("signers", [(), ("carol",)])
async def test_a_time_that_nobody_confirmed_shows(town: Town, signers: tuple[str, ...]) -> None:
    """Whoever has the node writes it past the rule."""

    def set_back(work: Work) -> None:
        work.set_time(town.clock.at, Fact(times.CONFIRMED, subject(DEPLOYMENT), {"before": "x"}))

    town.clock.go(hours=1)
    await town.ask()
    town.clock.go(hours=-1)
    await confirm(town, *signers)
    await town.store.run(SYSTEM, set_back)
    report = verified(town)
    assert not report.ok
    assert "Not enough custodians" in str(report)


async def test_an_instant_that_just_goes_back_shows(town: Town) -> None:
    def set_back(work: Work) -> None:
        work.set_time(town.clock.at, Fact("vault.opened", "node1"))

    town.clock.go(hours=1)
    await town.ask()
    town.clock.go(hours=-1)
    await town.store.run(SYSTEM, set_back)
    assert "lies before the entry before it" in str(verified(town))
