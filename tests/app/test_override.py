"""Custodians' word to go on without the witnesses, from their signatures to this node's vault; what comes between."""

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from breakglass.app import background
from breakglass.audit import overrides
from breakglass.errors import (
    AlreadyApproved,
    BadSignature,
    Forbidden,
    Malformed,
    NotFound,
    Unavailable,
    WrongState,
)
from breakglass.flow import clock as times
from breakglass.flow import override as flow
from breakglass.storage import outbox
from breakglass.vault.line import Line
from breakglass.views import witnesses as views
from breakglass.views.book import Book
from tests.kit import Town
from tests.vigilance.test_witnesses import kinds, watched

WHY = "The link is cut."


async def signed(town: Town, login: str, hours: int = 0) -> None:
    step = (flow.offer, town.estate.chain, timedelta(hours=hours), WHY) if hours else (flow.again, town.estate.chain)
    text = (await town.do(login, *step)).text()
    await town.do(login, flow.sign, town.estate.chain, town.people[login].sign(text), text)


async def minded(town: Town, vault: Any = None) -> None:
    """What the node does a few times a second."""
    node = SimpleNamespace(
        store=town.store, estate=town.estate, log=town.log, vault=SimpleNamespace(client=vault or town.vault)
    )
    await background._mind_override(cast(Any, node), town.vault.status().unwitnessed_until)


async def holds(town: Town) -> bool:
    return await town.store.read(overrides.holds) is not None


async def test_two_custodians_and_then_it_ends(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1", "w2") as (town, _):
        await minded(town)
        await signed(town, "carol", hours=1)
        await minded(town)
        assert not await holds(town)
        with pytest.raises(AlreadyApproved):
            await signed(town, "carol")
        await signed(town, "cem")
        for _ in range(3):
            await minded(town)
        assert await holds(town)
        assert (await kinds(town)).count("override.begun") == 1
        await town.verify()
        with pytest.raises(NotFound):  # nothing of it waits
            await town.do("cem", flow.again, town.estate.chain)
        town.clock.go(hours=1)
        await minded(town)
        assert not await holds(town)
        assert (await kinds(town)).count("override.begun") == 1


async def test_who_may_and_for_how_long(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1") as (town, _):
        chain = town.estate.chain
        with pytest.raises(Forbidden):
            await signed(town, "ivy", hours=1)
        for hours in (25, 0.01):
            with pytest.raises(Malformed):
                await town.do("carol", flow.offer, chain, timedelta(hours=hours), WHY)
        with pytest.raises(Malformed):
            await town.do("carol", flow.offer, chain, timedelta(hours=1), " \x00 ")
        text = (await town.do("carol", flow.offer, chain, timedelta(hours=1), WHY)).text()
        with pytest.raises(BadSignature):
            await town.do("carol", flow.sign, chain, town.people["cem"].sign(text), text)


async def test_where_nobody_waits_for_witnesses(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        with pytest.raises(WrongState):
            await signed(town, "carol", hours=1)
        shown = await town.store.read(lambda look: views.shown(look, Book(town.estate.chain, str)))
        assert shown.sentence == "No witness watches this log: the roster names none."


async def test_the_node_dies_between_the_vault_and_the_log(tmp_path: Path) -> None:
    """The vault knows it, and the log does not say so yet: it is said all the same."""
    async with watched(tmp_path, "w1") as (town, _):
        await signed(town, "carol", hours=1)
        await signed(town, "cem")
        waiting = await town.store.read(flow.enough, town.estate.chain)
        assert waiting is not None
        town.vault.override(waiting[0])
        assert not await holds(town)
        await minded(town)
        assert await holds(town)


async def test_a_vault_that_is_away_or_behind(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1") as (town, _):
        await signed(town, "carol", hours=1)
        await signed(town, "cem")

        class Away:
            def override(self, _: Any) -> None:
                raise Unavailable("It does not answer.", what_to_do="Wait.")

        with pytest.raises(Unavailable):
            await minded(town, Away())
        assert not await holds(town)
        # It was started anew, and knows the log up to a second before: the statements name heads beyond that.
        opened = town.vault._open
        assert opened is not None
        opened.line = Line(opened.state.mark, opened.keyring.log)
        await minded(town)
        assert await holds(town)


async def test_one_signed_while_the_clock_stood_wrong_ends_with_that_time(tmp_path: Path) -> None:
    async with watched(tmp_path, "w1") as (town, _):
        right = town.clock.at
        town.clock.go(days=10)
        await signed(town, "carol", hours=1)
        await signed(town, "cem")
        await minded(town)
        assert await holds(town)
        town.clock.at = right + timedelta(minutes=1)
        town.vault.status()
        for login in ("carol", "cem"):
            drawn = await town.do(login, times.offer, town.estate.chain, town.clock.at, frozen=True)
            sign = town.people[login].sign(drawn.text())
            await town.do(login, times.sign, town.estate.chain, town.clock.at, sign, drawn.text())
        now = town.vault.confirm_clock(await town.store.read(times.waiting, town.estate.chain))
        await town.system(times.confirmed, town.estate.chain, now)
        assert not await holds(town)
        await minded(town)
        assert not await holds(town)
        assert [one.kind async for one in _told(town)][-1] == "clock.confirmed"


async def _told(town: Town) -> Any:
    for n in range(town.log.size):
        yield await town.store.read(outbox.told, n)
