"""A log that lost its end: an older database under the vault, custodians' word, the next log; what comes between."""

import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from types import SimpleNamespace
from typing import Any, cast

import pytest

from breakglass.app import background
from breakglass.audit import evidence, next_logs
from breakglass.audit.event import Event, parse
from breakglass.audit.log import Log
from breakglass.audit.verify import verify
from breakglass.errors import (
    AlreadyApproved,
    BadSignature,
    Forbidden,
    Malformed,
    NotEntitled,
    NotFound,
    Sealed,
    Unavailable,
    WrongState,
)
from breakglass.flow import estate as estates
from breakglass.flow import next_log as flow
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.flow.next_log import Former
from breakglass.model.grant import Grant
from breakglass.model.request import AccessRequest
from breakglass.storage.store import Store
from breakglass.views import next_log as views
from breakglass.views.book import Book
from tests.kit import ORIGIN, Signer, Town
from tests.vigilance.test_witnesses import kinds

WHY = "The disk died; this is the backup of Monday."


def backup(town: Town) -> Path:
    """The database as it is now."""
    to = town.folder / "backup.db"
    with closing(sqlite3.connect(town.folder / "breakglass.db")) as ours, closing(sqlite3.connect(to)) as kept:
        ours.backup(kept)
    return to


@asynccontextmanager
async def restored(town: Town, kept: Path) -> AsyncIterator[Town]:
    """The older database under the vault, which is still there."""
    town.store.stop()
    path = town.folder / "breakglass.db"
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    copyfile(kept, path)
    log = Log(Signer(town.vault))
    store = Store(f"sqlite:///{path}", log, CONSEQUENCES, town.clock)
    with store.engine.begin() as conn:
        log.open(conn)
    store.start()
    try:
        yield replace(town, log=log, store=store, estate=await store.read(estates.load, town.settings.roster_pin))
    finally:
        store.stop()


@asynccontextmanager
async def cut(folder: Path) -> AsyncIterator[Town]:
    """With a grant that was open when the backup was made, a request that waited, and one decided since: all that came
    after it is lost."""
    async with Town.found(folder) as town:
        await town.granted()
        await town.ask("bo", "plc", account="ops")
        kept = backup(town)
        await town.session()
        await town.granted("alice", "plc", account="root")
        async with restored(town, kept) as again:
            await again.ask("bo", "db1")  # people work on: nothing of it is signed
            assert again.log.tampered is not None
            yield again


async def facts(town: Town) -> list[Event]:
    found = await town.store.read(evidence.leaves_from, 0, 1000)
    return [parse(leaf) for _, leaf, _ in found]


def former(town: Town) -> Former:
    status = town.vault.status()
    return Former(status.mark, b64encode(bytes.fromhex(status.mark_root)).decode())


async def wanted(town: Town, login: str, last: Former | None = None) -> str:
    drawn = await town.do(login, flow.want, town.estate.chain, last or former(town), WHY, troubled=True)
    return str(drawn.text())


async def signed(town: Town, login: str, text: str = "") -> None:
    text = text or (await town.do(login, flow.again, town.estate.chain)).text()
    await town.do(login, flow.sign, town.estate.chain, town.people[login].sign(text), text)


async def minded(town: Town, vault: Any = None) -> None:
    """What the node does a few times a second."""
    node = SimpleNamespace(
        store=town.store,
        estate=town.estate,
        log=town.log,
        vault=SimpleNamespace(client=vault or town.vault),
        late_because="",
    )
    await background._mind_next_log(cast(Any, node), town.vault.status().log)


async def gone_on(town: Town) -> None:
    await signed(town, "carol", await wanted(town, "carol"))
    await signed(town, "cem")
    await minded(town)


async def test_two_custodians_go_on_and_the_story_works(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        lost = town.vault.status().mark
        await signed(town, "carol", await wanted(town, "carol"))
        await minded(town)
        assert town.vault.status().log == 1
        with pytest.raises(AlreadyApproved):
            await signed(town, "carol")
        await signed(town, "cem")
        for _ in range(3):
            await minded(town)
        assert (await kinds(town)).count("next_log.begun") == 1
        assert town.log.tampered is None
        with pytest.raises(NotFound):  # nothing of it waits
            await town.do("cem", flow.again, town.estate.chain)
        shown = await town.store.read(lambda look: views.shown(look, Book(town.estate.chain, str), ""))
        assert (shown.origin, shown.wanted) == (f"{ORIGIN}/2", "")

        # All that was open is over; new access is asked for as ever, under the new log.
        assert [one.state for one in await town.store.read(lambda look: look.find(Grant))] == ["revoked"]
        waiting = await town.store.read(lambda look: look.find(AccessRequest, state="pending"))
        assert not waiting
        await town.granted("alice", "plc", account="root")
        await town.session(account="acc_plc-root")
        await town.verify()
        report = verify(f"sqlite:///{tmp_path / 'breakglass.db'}", pin=town.settings.roster_pin)
        assert report.origin == f"{ORIGIN}/2"
        assert f"The one before had {lost} entries" in report.continued[0]


async def test_a_request_that_was_approved_before_is_not_granted_after(tmp_path: Path) -> None:
    """Its approvals name heads of the log before: it may have had its grant in the part that was lost."""
    async with Town.found(tmp_path) as town:
        request = await town.ask()
        for login in ("bo", "dana"):
            await town.approve(request, login)
        kept = backup(town)
        await town.ask("bo", "plc", account="ops")
        async with restored(town, kept) as again:
            await again.ask("bo", "db1")
            await gone_on(again)
            with pytest.raises(ValueError, match="not enough values"):  # there is none
                await again.grant(request)
            [refused] = [one for one in await facts(again) if one.kind == "grant.refused"]
            assert "from the log before" in refused.text("why")


async def test_who_may_and_when(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        chain = town.estate.chain
        with pytest.raises(WrongState):  # nothing is lost
            await town.do("carol", flow.want, chain, former(town), WHY, troubled=False)
        with pytest.raises(Forbidden):
            await wanted(town, "ivy")
        with pytest.raises(Malformed):
            await town.do("carol", flow.want, chain, former(town), " \x00", troubled=True)
        with pytest.raises(NotFound):
            await signed(town, "cem")
        text = await wanted(town, "carol")
        with pytest.raises(BadSignature):
            await town.do("carol", flow.sign, chain, town.people["cem"].sign(text), text)
        await wanted(town, "cem", Former(99, former(town).root))  # another one began anew: the first text is over
        with pytest.raises(WrongState):
            await signed(town, "carol", text)


async def test_one_custodian_is_none_and_two_must_say_the_same(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        chain = town.estate.chain
        drawn = [(await town.do(one, flow.want, chain, former(town), WHY, troubled=True)) for one in ("carol", "cem")]
        other = (await town.do("cem", flow.want, chain, Former(99, former(town).root), WHY, troubled=True)).text()
        words = [town.people[one.person[4:]].signed(one.text()) for one in drawn]
        for told in ([], words[:1], [words[0], words[0]], [words[0], town.people["cem"].signed(other)]):
            with pytest.raises(NotEntitled):
                town.vault.next_log(told, [()] * max(0, len(told) - 1))
        with pytest.raises(Malformed):  # that they saw one log must be proven
            town.vault.next_log(words, [])
        assert town.vault.status().log == 1


async def test_a_checkpoint_that_was_kept_elsewhere_says_what_was_lost(tmp_path: Path) -> None:
    """The vault was restored with the database, of one moment: only what was kept elsewhere knows of more."""
    async with Town.found(tmp_path) as town:
        await town.granted()
        last = (await town.store.read(evidence.newest_checkpoint) or b"").decode()
        chain = town.estate.chain
        kept = flow.kept_elsewhere(chain, 1, last)
        assert kept.size >= town.vault.status().mark
        for wrong in ("", "x", last.replace("\n", "\n\n", 1), last[:-30] + "A" * 10 + last[-20:]):
            with pytest.raises((Malformed, BadSignature)):
                flow.kept_elsewhere(chain, 1, wrong)
        with pytest.raises((Malformed, BadSignature)):
            flow.kept_elsewhere(chain, 2, last)
        later = replace(kept, size=kept.size + 40)  # as if it had seen more
        assert await town.do("carol", flow.want, chain, later, WHY, troubled=False)


async def test_at_an_orderly_end_the_vault_knows_all_that_was_committed(tmp_path: Path) -> None:
    """Else a copy from just before the last entries would pass, and custodians would not know of the last head."""
    async with Town.found(tmp_path) as town:
        await town.ask("bo", "plc", account="ops")
        size = len(await facts(town))
        assert town.vault.status().mark < size
        for _ in range(2):
            town.log.settle()
            assert town.vault.status().mark == size
        await town.ask("alice", "db1")
        town.vault.seal()
        with pytest.raises(Sealed):
            town.log.settle()


async def test_the_node_dies_between_the_vault_and_the_log(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        await signed(town, "carol", await wanted(town, "carol"))
        await signed(town, "cem")
        told = await town.store.read(flow.due, town.estate.chain, 1)
        assert told is not None
        before = town.vault.next_log(told.words, told.proofs)
        assert town.vault.next_log(told.words, told.proofs) == before  # asked again it says the same
        assert (await kinds(town)).count("next_log.begun") == 0
        await minded(town)
        assert (await kinds(town)).count("next_log.begun") == 1
        await town.verify()


async def test_a_vault_that_is_away(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        await signed(town, "carol", await wanted(town, "carol"))
        await signed(town, "cem")

        class Away:
            def next_log(self, *_: Any) -> None:
                raise Unavailable("It does not answer.", what_to_do="Wait.")

        with pytest.raises(Unavailable):
            await minded(town, Away())
        await minded(town)
        assert (await kinds(town)).count("next_log.begun") == 1


async def test_what_the_vault_refuses_is_told_and_begun_anew(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        await signed(town, "carol", await wanted(town, "carol"))
        await signed(town, "cem")

        class No:
            def next_log(self, *_: Any) -> None:
                raise NotEntitled("Another one must sign.", what_to_do="Ask them.")

        await minded(town, No())
        assert (await kinds(town)).count("next_log.refused") == 1
        await minded(town, No())
        assert (await kinds(town)).count("next_log.refused") == 1
        await gone_on(town)
        assert (await kinds(town)).count("next_log.begun") == 1
        await town.verify()


async def test_it_may_happen_again(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        await gone_on(town)
        kept = backup(town)
        await town.granted("alice", "plc", account="root")
        async with restored(town, kept) as again:
            await again.ask("bo", "plc", account="ops")
            await gone_on(again)
            assert await again.store.read(next_logs.number) == again.vault.status().log == 3
            await again.granted("alice", "plc", account="root")
            await again.verify()
