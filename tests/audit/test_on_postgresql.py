"""The verifier over PostgreSQL: what its administrator does to the tables is found there as it is in SQLite's file."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from breakglass.audit.export import export_tiles
from breakglass.audit.report import Report
from breakglass.audit.verify import verify
from breakglass.errors import Unavailable
from breakglass.flow import approve, erase, keep
from breakglass.model.request import AccessRequest
from breakglass.storage import openings
from breakglass.trust.tree import leaf_hash
from tests.kit import Town
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server
ONE = "(SELECT min(idx) FROM entry WHERE kind = 'request.approved')"
TRIGGER = """
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER t BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION f()
"""
ATTACKS = {
    "an entry edited": (f"UPDATE entry SET leaf = leaf || ' '::bytea WHERE idx = {ONE}", "leaf"),
    "an entry deleted": (f"DELETE FROM entry WHERE idx = {ONE}", "leaf"),
    "the tail deleted": ("DELETE FROM entry WHERE idx > (SELECT max(idx) - 3 FROM entry)", "checkpoint"),
    "a column that says something else": (f"UPDATE entry SET about = 'req_x' WHERE idx = {ONE}", "column"),
    "a checkpoint edited": ("UPDATE checkpoint SET note = note || 'x'::bytea WHERE size = 9", "checkpoint"),
    "the head set back": ("UPDATE head SET size = size - 1", "head"),
    "a grant prolonged": ('UPDATE "grant" SET ends_at = ends_at + 1', "row"),
    "a request approved by its row": ("UPDATE request SET reason = 'Because.'", "row"),
    "an approval deleted": ("DELETE FROM approval", "row"),
    "somebody's key added": ("INSERT INTO key VALUES ('SHA256:x', 'usr_alice', 'mine')", "row"),
    "a role added": ("UPDATE person SET roles = 'custodian'", "row"),
    "a view in a table's place": ("ALTER TABLE person RENAME TO p; CREATE VIEW person AS SELECT * FROM p", "database"),
    "a trigger": (TRIGGER, "database"),
    "a rule": ("CREATE RULE r AS ON DELETE TO offer DO INSTEAD NOTHING", "database"),
    "a row policy": ("ALTER TABLE entry ENABLE ROW LEVEL SECURITY", "database"),
    "a table taken away": ("DROP TABLE sign_in", "database"),
}  # fmt: skip


@pytest.fixture
async def town(tmp_path: Path, migrated: str, postgres: Postgres) -> AsyncIterator[Town]:
    with postgres.database(like=migrated) as url:
        async with Town.found(tmp_path, database=url) as town:
            _, grant = await town.granted()
            await town.end_session(await town.session())
            await town.close(grant)
            await town.rotate()
            yield town


def judged(town: Town) -> Report:
    return verify(town.database, pin=town.settings.roster_pin)


async def test_what_its_administrator_does_is_found(town: Town, postgres: Postgres) -> None:
    """All on one story, each undone before the next: the database is copied, which is what an attacker would do."""
    assert judged(town).ok
    town.store.stop()
    for name, (attack, level) in ATTACKS.items():
        with postgres.database(like=town.database) as copy:
            with postgres.admin(copy) as admin:
                admin.execute(attack.encode())
            report = verify(copy, pin=town.settings.roster_pin)
            assert not report.ok, name
            assert level in {one.level for one in report.findings}, (name, report.findings)


async def test_a_whole_forged_leaf_is_found(town: Town, postgres: Postgres) -> None:
    with postgres.admin(town.database) as admin:
        found = admin.execute(f"SELECT idx, leaf FROM entry WHERE idx = {ONE}".encode()).fetchone()
        assert found
        leaf = json.loads(found[1])  # type: ignore[arg-type]
        leaf["by"] = "usr_eve"
        data = json.dumps(leaf, separators=(",", ":"), ensure_ascii=False).encode()
        admin.execute(
            'UPDATE entry SET leaf = %s, leaf_hash = %s, "by" = %s WHERE idx = %s',
            (data, leaf_hash(data), "usr_eve", found[0]),
        )
    report = judged(town)
    assert {"checkpoint", "head"} <= {one.level for one in report.findings}


async def test_other_tables_beside_ours_are_nobodys_business(town: Town, postgres: Postgres) -> None:
    with postgres.admin(town.database) as admin:
        admin.execute("CREATE TABLE reports (id int); CREATE VIEW monthly AS SELECT count(*) FROM request")
    assert judged(town).ok


async def test_it_is_exported_as_tiles(town: Town, tmp_path: Path) -> None:
    done = export_tiles(town.database, tmp_path / "tiles", pin=town.settings.roster_pin)
    assert done.size == town.log.size
    assert (tmp_path / "tiles" / "checkpoint").read_bytes().split(b"\n")[1] == str(done.size).encode()


async def test_a_server_that_does_not_answer(town: Town) -> None:
    address = town.database.replace("127.0.0.1:", "127.0.0.1:1")
    with pytest.raises(Unavailable, match="does not open"):
        verify(address, pin=town.settings.roster_pin)


async def test_private_values_are_erased_there_too(town: Town) -> None:
    asked = await town.ask("alice", "plc", account="root", reason="It is Alice Smith, at 192.0.2.99.")
    await town.do("alice", approve.cancel, asked)
    [held] = await town.store.read(lambda look: openings.held(look, about=asked))
    id, chain = keep.new_id("era"), town.estate.chain
    drawn = await town.do("ivy", erase.offer, chain, id, [held.index], "Asked for by law.")
    assert await town.do("ivy", erase.sign, chain, id, town.people["ivy"].sign(drawn.text())) == 0
    drawn = await town.do("carol", erase.again, chain, id)
    assert await town.do("carol", erase.sign, chain, id, town.people["carol"].sign(drawn.text())) == 1
    report = judged(town)
    assert report.ok, report.in_words()
    assert report.erased == 1
    assert (await town.store.read(lambda look: look.get(AccessRequest, asked))).reason == "(erased)"
