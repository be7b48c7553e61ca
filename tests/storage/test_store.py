"""The writer: what one step does with the others of its batch, and what writers on one database do with each other."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select, text

from breakglass.audit import evidence
from breakglass.errors import Refused, Unavailable
from breakglass.flow import rotate
from breakglass.model.change import Fact
from breakglass.model.credential import Credential
from breakglass.model.people import SYSTEM
from breakglass.storage import books, outbox
from breakglass.storage.work import Work
from tests.kit import ACCOUNT, START, Town


@pytest.fixture
async def town(tmp_path: Path, database: str):
    async with Town.found(tmp_path / "one", database=database) as town:
        yield town


def note(work: Work, kind: str = "sign_in.made", about: str = "sgn_1") -> datetime:
    work.note(Fact(kind, about))
    return work.now


def size(look) -> int:
    return look.conn.execute(select(func.count()).select_from(books.entry)).scalar_one()


async def test_a_step_that_fails_takes_nothing_with_it(town: Town) -> None:
    def half(work: Work) -> None:
        work.conn.execute(delete(books.person))
        note(work)
        raise Refused("No.", what_to_do="Nothing.", about="sgn_2")

    def broken(work: Work) -> None:
        work.conn.execute(text("SELECT * FROM nowhere"))

    before = await town.store.read(size)
    outcomes = await asyncio.gather(
        *(town.store.run(SYSTEM, step) for step in (note, half, note, broken, note)), return_exceptions=True
    )
    assert [type(one).__name__ for one in outcomes] == ["Done", "Refused", "Done", "Unavailable", "Done"]
    kinds = await town.store.read(lambda look: [outbox.told(look, before + n).kind for n in range(4)])
    assert kinds == ["sign_in.made", "refused", "sign_in.made", "sign_in.made"]
    assert await town.store.read(size) == before + 4 == town.log.size
    assert await town.store.read(lambda look: look.conn.execute(select(books.person)).first() is not None)


async def test_a_batch_that_fails_as_a_whole_leaves_the_log_as_it_was(town: Town) -> None:
    def poison(work: Work) -> None:
        note(work)
        work.conn.execute(text("UPDATE entry SET idx = idx + 1 WHERE idx = (SELECT max(idx) FROM entry)"))

    before = await town.store.read(size)
    outcomes = await asyncio.gather(
        *(town.store.run(SYSTEM, step) for step in (note, poison, note)), return_exceptions=True
    )
    assert any(isinstance(one, Unavailable) for one in outcomes)
    written = sum(not isinstance(one, Exception) for one in outcomes)
    assert await town.store.read(size) == before + written
    await town.store.run(SYSTEM, note)
    newest = await town.store.read(evidence.newest_checkpoint)
    assert newest is not None
    assert newest.split(b"\n")[1] == str(before + written + 1).encode()


async def test_a_duty_is_leased_once(town: Town) -> None:
    await town.ask()
    claimed = [(await town.store.run(SYSTEM, outbox.claim, 64)).value for _ in range(2)]
    assert claimed[0]
    assert not claimed[1]
    assert not await town.store.read(outbox.due)
    town.clock.go(seconds=outbox.LEASE.total_seconds() + 1)
    again = (await town.store.run(SYSTEM, outbox.claim, 64)).value
    assert {duty.id for duty in again} == {duty.id for duty in claimed[0]}
    await town.store.run(SYSTEM, outbox.settle, again, [])
    town.clock.go(hours=1)
    assert not (await town.store.run(SYSTEM, outbox.claim, 64)).value


# -- several nodes ----------------------------------------------------------------------------------------------------
@pytest.fixture
async def two(tmp_path: Path, migrated: str, postgres):
    """Two nodes on one database."""
    with postgres.database(like=migrated) as url:
        async with Town.found(tmp_path / "one", database=url) as one, one.beside(tmp_path / "two") as other:
            yield one, other


@pytest.mark.server
async def test_nodes_take_turns_at_one_log(two) -> None:
    """No gap, no fork, no step back in time; each node's vault signs on top of the other's entries."""

    async def many(town: Town, name: str) -> None:
        for n in range(60):
            await town.store.run(SYSTEM, note, "sign_in.made", f"sgn_{name}{n}")

    before = await two[0].store.read(size)
    await asyncio.gather(*(many(two[n % 2], f"{n}x") for n in range(6)))
    assert await two[0].store.read(size) == before + 360
    for town in two:
        await town.verify()
        await town.store.run(SYSTEM, note)
        assert town.log.size == await town.store.read(size)


@pytest.mark.server
async def test_time_never_goes_back_between_nodes(two) -> None:
    """The clock of one node is behind: what it writes and decides is not before what the other wrote."""
    ahead, behind = two[0], two[1]
    behind.store.clock = type("Late", (), {"now": lambda _: START - timedelta(minutes=5)})()
    ahead.clock.go(minutes=3)
    written = (await ahead.store.run(SYSTEM, note)).value
    assert behind.store.look(lambda look: look.now) == written
    assert (await behind.store.run(SYSTEM, note)).value == written
    assert behind.store.now() == written
    await behind.verify()


@pytest.mark.server
async def test_a_duty_is_done_by_one_node(two) -> None:
    for _ in range(4):
        request = await two[0].ask()
        await two[1].do("alice", _cancel, request)
    claims = await asyncio.gather(*(two[n % 2].store.run(SYSTEM, outbox.claim, 3) for n in range(8)))
    ids = [duty.id for one in claims for duty in one.value]
    assert len(ids) == len(set(ids)) > 8
    holders = await two[0].store.read(
        lambda look: set(look.conn.execute(select(books.outbox.c.holder).where(books.outbox.c.holder != "")).scalars())
    )
    assert holders <= {"", "node2"}
    assert "node2" in holders


def _cancel(work: Work, request) -> None:
    from breakglass.flow import approve

    approve.cancel(work, request)


@pytest.mark.server
async def test_one_rotation_is_claimed_by_one_node(two) -> None:
    await two[0].do("carol", rotate.demand, ACCOUNT)
    [owed] = await two[1].store.read(rotate.due)
    claims = await asyncio.gather(*(two[n % 2].store.run(SYSTEM, rotate.claim, owed.id) for n in range(6)))
    held = [one.value for one in claims if one.value is not None]
    assert len(held) == 1
    versions = await two[1].store.read(lambda look: [one.version for one in look.find(Credential, account=ACCOUNT)])
    assert sorted(versions) == [1, 2]


@pytest.mark.server
async def test_a_writer_that_can_not_get_its_turn_says_so(two, postgres) -> None:
    url = two[0].database
    with postgres.admin(url) as admin:
        admin.execute("BEGIN")
        admin.execute("SELECT * FROM head FOR UPDATE")
        with pytest.raises(Unavailable, match="lock timeout"):
            await two[0].store.run(SYSTEM, note)
        admin.execute("ROLLBACK")
    await two[0].store.run(SYSTEM, note)
    await two[1].verify()


@pytest.mark.server
async def test_a_writer_goes_on_after_its_connection_was_cut(two, postgres) -> None:
    before = await two[0].store.read(size)

    def cut(work: Work) -> None:
        note(work)
        with postgres.admin(two[0].database) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid()"
            )

    with pytest.raises(Unavailable):
        await two[0].store.run(SYSTEM, cut)
    for town in (*two, *two):
        await town.store.run(SYSTEM, note)
    assert await two[1].store.read(size) == before + 4
    await two[1].verify()
