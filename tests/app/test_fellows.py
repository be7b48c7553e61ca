"""Two nodes with a vault each on one database: a grant of one is a grant of both, and its end too."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import delete, text, update

from breakglass.app import duties
from breakglass.audit import evidence
from breakglass.errors import BreakglassError, NotEntitled, Tampered
from breakglass.flow import connect, keep, rotate
from breakglass.model.credential import Credential, State
from breakglass.model.grant import Grant
from breakglass.model.ids import RecordingId, RequestId, SessionId, grant_of
from breakglass.model.people import SYSTEM
from breakglass.model.secret import Secret
from breakglass.release import Releases
from breakglass.storage import rosters
from breakglass.storage.outbox import told
from breakglass.storage.tables import credential_t, grant_t
from breakglass.vault.client import VaultClient
from tests.app.test_next_log import gone_on, minded
from tests.kit import ACCOUNT, Town
from tests.servers.postgres import Postgres
from tests.vigilance.test_witnesses import kinds

pytestmark = pytest.mark.server


@pytest.fixture
async def two(tmp_path: Path, migrated: str, postgres: Postgres) -> AsyncIterator[tuple[Town, Town]]:
    with postgres.database(like=migrated) as url:
        async with Town.found(tmp_path / "one", database=url) as one, one.beside(tmp_path / "two") as other:
            yield one, other


def releases(town: Town) -> Releases:
    return Releases(town.store, town.log, cast(VaultClient, town.vault), catch_up=town.fellows().catch_up)


async def connects(town: Town, login: str = "alice") -> str:
    """Begin a session as the gateway does, up to the released secret; returns the login name."""
    session, recording = SessionId(keep.new_id("ses")), RecordingId(keep.new_id("rec"))
    account = town.estate.roster.account(ACCOUNT)
    where: dict[str, Any] = {
        "session": session,
        "recording": recording,
        "node": town.store.node,
        "from_address": "192.0.2.7",
    }
    opens = releases(town)
    done = await town.store.run(town.actor(login), connect.begin, account, **where)
    proven = await opens.prove(session, done)
    begun = done.value
    try:
        async with opens.session(
            session, begun.grant.token, town.estate.roster.endpoint_of(account), begun.credential, proven
        ) as (username, secret):
            assert len(secret.reveal()) > 8
            return username
    finally:
        await town.system(keep.session_over, session, recording, "complete", 1, "ab" * 32, 9, "done")


async def test_a_grant_of_one_node_opens_at_both(two: tuple[Town, Town]) -> None:
    one, other = two
    await one.granted()
    for town in (other, one, other):
        assert await connects(town) == "root"
    await one.verify()


async def test_many_sessions_at_both_nodes_at_once(two: tuple[Town, Town]) -> None:
    """Whichever vault signed the newest checkpoint, each node proves its releases to its own."""
    one, other = two
    await one.granted()
    names = await asyncio.gather(*(connects(two[n % 2]) for n in range(24)))
    assert set(names) == {"root"}
    await other.verify()


async def test_what_ended_at_one_node_ended_at_both(two: tuple[Town, Town]) -> None:
    """Also when somebody who writes every table says that it lives: the other vault was told."""
    one, other = two
    _, grant = await one.granted()
    fellows = other.fellows()
    await fellows.catch_up()
    await one.close(grant)
    await fellows.catch_up()
    await one.store.run(SYSTEM, lambda work: work.conn.execute(update(grant_t).values(state="active")))
    with pytest.raises(NotEntitled, match="ended"):
        await connects(other)


async def test_a_node_that_was_away_is_told_at_its_start(two: tuple[Town, Town]) -> None:
    one, other = two
    _, grant = await one.granted()
    await one.close(grant)
    await one.store.run(SYSTEM, lambda work: work.conn.execute(update(grant_t).values(state="active")))
    with pytest.raises(NotEntitled, match="ended"):
        await connects(other)


async def test_a_credential_that_was_replaced_at_one_node_opens_nothing_at_the_other(two: tuple[Town, Town]) -> None:
    """Also when somebody who writes every table puts the old row back: the other vault was told, by the log."""
    one, other = two
    await one.granted()
    is_current = {"account": ACCOUNT, "state": State.CURRENT}
    [before] = await one.store.read(lambda look: look.find(Credential, **is_current))
    await one.do("carol", rotate.demand, ACCOUNT)
    await one.rotate()
    c = credential_t.c
    newer = delete(credential_t).where(c.version > before.version)
    await one.store.run(SYSTEM, lambda work: work.conn.execute(newer))
    older = update(credential_t).where(c.id == before.id).values(state="current")
    await one.store.run(SYSTEM, lambda work: work.conn.execute(older))
    with pytest.raises(Tampered, match="was replaced"):
        await connects(other)


async def test_a_row_that_was_bent_keeps_nothing_from_the_other_vault(two: tuple[Town, Town]) -> None:
    """Its column says another credential than its leaf: that one is not retired, and people get in all the same."""
    one, other = two
    await one.granted()
    await one.do("carol", rotate.demand, ACCOUNT)
    await one.rotate()
    bend = text("UPDATE entry SET about = 'crd_another' WHERE kind = 'credential.previous'")
    await one.store.run(SYSTEM, lambda work: work.conn.execute(bend))
    assert await connects(other) == "root"


async def test_a_deleted_row_gives_no_second_grant(two: tuple[Town, Town]) -> None:
    """The first vault gave it, the row was deleted, and the duty comes to the other node: the same token, no longer."""
    one, other = two
    request, grant = await one.granted()
    await other.fellows().catch_up()
    before = (await one.store.read(lambda look: look.get(Grant, grant))).token
    await one.store.run(SYSTEM, lambda work: work.conn.execute(delete(grant_t)))
    one.clock.go(minutes=10)
    index = await other.store.read(evidence.entry_of, "request.approved", request)
    assert index is not None
    duty = duties.handlers(other.store, other.log, other.estate, cast(VaultClient, other.vault))["grant"]
    await duty(await other.store.read(told, index))
    assert (await other.store.read(lambda look: look.get(Grant, grant))).token == before


async def test_two_nodes_with_the_same_duty_open_one_grant(two: tuple[Town, Town]) -> None:
    """A lease ran out while its holder still worked: both do it, and it is done once."""
    one, other = two
    request = await one.ask()
    await one.approve(request, "bo")
    await other.approve(request, "dana")
    index = await one.store.read(evidence.entry_of, "request.approved", request)
    assert index is not None
    what = await one.store.read(told, index)
    both = [duties.handlers(t.store, t.log, t.estate, cast(VaultClient, t.vault))["grant"](what) for t in two]
    await asyncio.gather(*both)
    [found] = await other.store.read(lambda look: look.find(Grant, request=request))
    assert found.id == grant_of(RequestId(request))
    opened = await one.store.read(
        lambda look: look.conn.execute(text("SELECT count(*) FROM entry WHERE kind = 'grant.opened'")).scalar_one()
    )
    assert opened == 1
    for town in two:
        assert await connects(town) == "root"
    await one.verify()


async def test_a_sealed_vault_is_told_once_it_is_open(two: tuple[Town, Town]) -> None:
    one, other = two
    other.vault.seal()
    await one.granted()
    fellows: Any = other.fellows()
    await fellows.at_start()
    for share in other.shares[:2]:
        other.vault.unseal_share(Secret(share.encode()))
    other.vault.load_roster(await other.store.read(rosters.versions))
    assert await connects(other) == "root"


async def test_both_go_on_with_the_next_log(two: tuple[Town, Town]) -> None:
    """Two custodians sign at one node: each vault goes on, the log says so once, and no grant of before opens."""
    one, other = two
    _, grant = await one.granted()
    assert await connects(other) == "root"
    await gone_on(one)
    assert (one.vault.status().log, other.vault.status().log) == (2, 1)
    with pytest.raises(BreakglassError):  # it still has the name of before: nothing of it is believed
        await connects(other)

    class No:
        def next_log(self, *_: Any) -> None:
            raise NotEntitled("Not yet.", what_to_do="")

    await minded(other, No())  # it is late, and that is no word against what custodians signed
    for town in (other, one, other):
        await minded(town)
    assert "next_log.refused" not in await kinds(one)
    assert (one.vault.status().log, other.vault.status().log) == (2, 2)
    assert (await kinds(other)).count("next_log.begun") == 1
    assert (await one.store.read(lambda look: look.get(Grant, grant))).state == "revoked"
    await one.rotate()
    for town in (one, other):
        id, _ = await town.granted("alice", "plc", account="root" if town is one else "ops")
        assert id
    await other.verify()
    # Somebody who writes every table makes the grant of before live again.
    await one.store.run(SYSTEM, lambda work: work.conn.execute(update(grant_t).values(state="active")))
    for town in (one, other):
        with pytest.raises((NotEntitled, BreakglassError)):
            await connects(town)
