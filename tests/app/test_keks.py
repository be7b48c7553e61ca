"""Stored secrets on their way to a new key-encryption key, while everything else goes on."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from breakglass.app.keks import BATCH, Rewrapping
from breakglass.errors import AlreadyApproved, BreakglassError
from breakglass.flow import kek as flow
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId
from breakglass.model.people import SYSTEM
from breakglass.model.secret import Secret
from breakglass.storage import keks, outbox
from breakglass.storage.tables import credential_t
from breakglass.trust import kek as trust
from breakglass.trust.statement import Signed
from breakglass.vault import envelope
from breakglass.vault.asking import Deposited
from tests.kit import ACCOUNT, DEPLOYMENT, Town

MANY = 1000
SUBJECT = trust.subject(DEPLOYMENT)


async def filled(town: Town, count: int) -> None:
    """More stored secrets of one account: earlier passwords, which are never deleted."""
    first = (await stored(town))[0]
    rows = []
    for n in range(count):
        id, version = CredentialId(f"crd_{n:020d}"), 1000 + n
        sealed = town.vault.store(ACCOUNT, id, version, Secret(b"secret %d" % n))
        rows.append({"id": id, "account": ACCOUNT, "version": version, "sealed": sealed,
                     "made_at": first.made_at, "state": "previous"})  # fmt: skip
    with town.store.engine.begin() as conn:
        conn.execute(credential_t.insert(), rows)


async def asked(town: Town) -> int:
    """Carol signs, the vault makes the key, the log says so."""
    held = town.vault.status().kek
    drawn = await town.do("carol", flow.offer, town.estate.chain, held, shared=False)
    text = drawn.text()
    signature = town.people["carol"].sign(text)
    await town.do("carol", flow.sign, town.estate.chain, held, signature, text)
    made = town.vault.rotate_kek(Signed(text, signature))
    await town.system(flow.created, SUBJECT, made)
    await town.system(flow.created, SUBJECT, made)
    return made


def mover(town: Town, *, grace: float = 0.0) -> Rewrapping:
    return Rewrapping(town.store, cast(Any, town.vault), DEPLOYMENT, grace=grace)


async def stored(town: Town) -> list[Credential]:
    return await town.store.read(lambda look: list(look.find(Credential)))


async def kinds(town: Town) -> list[str]:
    told = [await town.store.read(outbox.told, n) for n in range(town.log.size)]
    return [one.kind for one in told if one.kind.startswith("kek.")]


async def test_a_thousand_secrets_move_while_they_are_read(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        await filled(town, MANY)
        assert await asked(town) == 2
        moving, reads = mover(town, grace=3600), 0  # whoever read a row before it moved still opens it

        async def read_all(offset: int) -> None:
            """As a release does it: a row from the database, then the vault opens it."""
            nonlocal reads
            while not done.is_set():
                everything = await stored(town)
                for one in everything[offset::7]:
                    found = Deposited(credential=one.id, version=one.version, blob=one.sealed)
                    await asyncio.to_thread(town.vault.check, one.account, found)
                    reads += 1

        done = asyncio.Event()
        readers = [asyncio.create_task(read_all(n)) for n in range(4)]
        batches = 0
        while await moving.once():
            batches += 1
        done.set()
        await asyncio.gather(*readers)
        assert reads > 100
        assert batches >= MANY // BATCH
        assert {envelope.kek_of(one.sealed) for one in await stored(town)} == {2}
        moving = mover(town)
        await moving.once()
        assert town.vault.status().keks == (2,)
        assert not await moving.once()
        said = await kinds(town)
        assert said[:2] == ["kek.signed", "kek.created"]
        assert said[-1] == "kek.retired"
        assert said.count("kek.created") == said.count("kek.retired") == 1


async def test_it_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        await filled(town, 3 * BATCH)
        await asked(town)
        await mover(town).once()
        await mover(town).once()  # a node that was started anew remembers nothing
        left = await town.store.read(keks.count_not_under, envelope.prefix(2))
        assert 0 < left < 3 * BATCH
        while await mover(town).once():
            pass
        assert await town.store.read(keks.count_not_under, envelope.prefix(2)) == 0


async def test_a_row_that_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        await asked(town)
        [one, *_] = await stored(town)
        await town.store.run(SYSTEM, flow.rewrapped, SUBJECT, 2, [(one, b"for what it was")])
        [same, *_] = await stored(town)
        assert same.sealed == b"for what it was"
        await town.store.run(SYSTEM, flow.rewrapped, SUBJECT, 2, [(one, b"too late")])
        [same, *_] = await stored(town)
        assert same.sealed == b"for what it was"


async def test_a_damaged_secret_keeps_its_key_and_is_told_once(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        await filled(town, 3)
        with town.store.engine.begin() as conn:
            bad = conn.execute(credential_t.select().where(credential_t.c.id == f"crd_{1:020d}")).one()
            conn.execute(
                credential_t.update().where(credential_t.c.id == bad.id), {"sealed": bad.sealed[:-1] + b"\0\0"}
            )
        await asked(town)
        moving = mover(town)
        for _ in range(6):
            await moving.once()
        assert (await kinds(town)).count("kek.damaged") == 1
        assert town.vault.status().keks == (1, 2)
        assert "kek.retired" not in await kinds(town)


async def test_the_old_key_stays_for_whoever_is_still_reading(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        [old, *_] = await stored(town)
        await asked(town)
        moving = mover(town, grace=3600)
        for _ in range(4):
            await moving.once()
        assert town.vault.status().keks == (1, 2)
        town.vault.check(old.account, Deposited(credential=old.id, version=old.version, blob=old.sealed))
        await town.verify()


async def test_other_nodes_keep_it_from_being_asked_for(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        with pytest.raises(BreakglassError, match="Several nodes"):
            await town.do("carol", flow.offer, town.estate.chain, 1, shared=True)
        with pytest.raises(BreakglassError):
            await town.do("alice", flow.offer, town.estate.chain, 1, shared=False)


async def test_a_statement_is_taken_once(tmp_path: Path) -> None:
    """Whoever brings it again after a lost answer is told; nothing stands in the log that `audit verify` finds bad."""
    async with Town.found(tmp_path) as town:
        drawn = (await town.do("carol", flow.offer, town.estate.chain, 1, shared=False)).text()
        signature = town.people["carol"].sign(drawn)
        await town.do("carol", flow.sign, town.estate.chain, 1, signature, drawn)
        for login, held in (("carol", 1), ("cem", 1), ("carol", 2)):
            with pytest.raises(AlreadyApproved):
                await town.do(login, flow.sign, town.estate.chain, held, signature, drawn)
        assert (await kinds(town)).count("kek.signed") == 1
        await town.verify()
