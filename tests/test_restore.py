"""The machine is gone, and its key file too: a backup and two shares bring everything back, and the story goes on.

On both databases; where the rows lie on a server, so does its data: they go into an empty database elsewhere.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from breakglass.config import Home, database_url
from breakglass.storage.engine import open_engine
from breakglass.storage.tables import META
from tests.deployment import Deployment, deployed
from tests.servers.postgres import Postgres
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server


@pytest.fixture
def elsewhere(database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database that takes the rows; none for the embedded one."""
    if not database:
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


def all_rows(url: str) -> dict[str, Sequence[Any]]:
    engine = open_engine(url)
    try:
        with engine.connect() as conn:
            return {
                table.name: sorted(map(tuple, conn.execute(select(table))), key=repr) for table in META.sorted_tables
            }
    finally:
        engine.dispose()


def where_rows_lie(world: Deployment) -> str:
    return database_url(world.home, world.settings())


async def test_from_a_backup_and_two_shares(tmp_path: Path, database: str, elsewhere: str) -> None:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account, database=database) as world:
                await world.settled()
                request, old = await world.granted()
                made = await world.cli("backup", str(tmp_path / "kept.bgb"))  # while the node runs
                assert made.code == 0, made.err
                await world.kill()
                (tmp_path / "seal.key").unlink()
                gone = all_rows(where_rows_lie(world))
                assert len(gone["entry"]) > 20
                world.home.path.rename(tmp_path / "gone")

                world.home = Home(tmp_path / "new")
                into = ["--database", elsewhere] if elsewhere else []
                typed = "\n".join(world.shares[:1]).encode()
                few = await world.cli("restore", str(tmp_path / "kept.bgb"), *into, stdin=typed)
                assert (few.code, few.out) == (1, "")
                assert not world.home.path.exists()
                typed = "\n".join(world.shares[1:]).encode()
                if elsewhere:
                    await refuses_a_full_one(world, database, typed)
                restored = await world.cli("restore", str(tmp_path / "kept.bgb"), *into, stdin=typed)
                assert restored.code == 0, restored.err
                assert "live grants of that time (1) open nothing" in restored.out
                assert world.settings().database == elsewhere
                assert world.home.database.exists() is not bool(elsewhere)
                came = all_rows(where_rows_lie(world))
                entries = {row[0]: row for row in came["entry"]}
                assert len(entries) > 20
                assert entries.items() <= {row[0]: row for row in gone["entry"]}.items()  # the node went on for a while
                assert {name: len(rows) > 0 for name, rows in came.items()} == {
                    name: len(rows) > 0 for name, rows in gone.items()
                }

                await world.start()
                await world.sign_in()
                assert (await world.carol.call("GET", "/api/status"))["sealed"]
                one = await world.carol.call("POST", "/api/vault/unseal", {"share": world.shares[0]})
                assert one["sealed"]
                two = await world.carol.call("POST", "/api/vault/unseal", {"share": world.shares[2]})
                assert not two["sealed"]

                # The grant of the old machine stands in the database, but its vault honours it no more.
                assert (await world.ssh("echo let in")).out == ""
                await world.alice.call("POST", f"/api/grants/{old}/close")
                await world.settled()
                await world.review(request)
                await world.granted()
                assert (await world.ssh("echo let in")).out == "let in\n"
                assert (await world.cli("audit", "verify")).code == 0


async def refuses_a_full_one(world: Deployment, database: str, typed: bytes) -> None:
    """Never over rows that are there; and a password in the command is refused before anything is read."""
    file = str(world.folder / "kept.bgb")
    full = await world.cli("restore", file, "--database", database, stdin=typed)
    assert full.code == 1
    assert "something in that database already" in full.err
    told = await world.cli("restore", file, "--database", "postgresql://u:secret@127.0.0.1/x", stdin=typed)
    assert "password stands in the command" in told.err
    assert not world.home.path.exists()
