"""Somebody who may write every table opens nothing and prolongs nothing: the vault believes signatures, never rows."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from breakglass.demo.people import Person
from tests.deployment import TARGET, Deployment, deployed
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server
FAR = 4102444800_000000  # the year 2100, in microseconds


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account) as deployment:
                yield deployment


def execute(world: Deployment, *statements: str) -> None:
    with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
        for statement in statements:
            done = database.execute(statement)
            assert done.rowcount != 0, f"this changed nothing: {statement}"
        database.commit()


async def is_shut(world: Deployment, *, restart: bool = False) -> None:
    for again in (False, True):
        if again and restart:
            await world.stop()
            await world.start()
            await world.sign_in()
        ran = await world.ssh("echo opened")
        assert ran.code != 0, "the door opened"
        assert "opened" not in ran.out


async def wait_for_duties(world: Deployment) -> None:
    async def none_left() -> bool:
        with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
            [(count,)] = database.execute("SELECT count(*) FROM outbox WHERE dead = 0 AND kind = 'grant' AND tries < 1")
        return bool(count == 0)

    await world.until(none_left)


async def test_request_and_approval_rows_open_nothing(world: Deployment) -> None:
    request = await world.ask()
    execute(world, f"UPDATE request SET state = 'approved', access_for = 86400000 WHERE id = '{request}'")
    await is_shut(world)
    statement = await world.bo.call(
        "POST", f"/api/requests/{await fresh(world, request)}/statement", {"kind": "approve"}
    )
    signature = await world.alice.sign(statement["text"])
    for person in ("usr_bo", "usr_dana"):
        row = (f"apr_forged{person[4:]}", request, person, statement["text"], signature, 1)
        with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
            database.execute(
                "INSERT INTO approval (id, request, by, statement, signature, at) VALUES (?,?,?,?,?,?)", row
            )
            [(entry,)] = database.execute("SELECT max(idx) FROM entry")
            database.execute(
                "INSERT INTO outbox (kind, entry, tries, due_at, dead, problem, holder)"
                " VALUES ('grant', ?, 0, 0, 0, '', '')",
                (entry,),
            )
            database.commit()
    await wait_for_duties(world)
    await is_shut(world)


async def fresh(world: Deployment, request: str) -> str:
    """The forged request is decided by its row; put it back to pending to get a statement's text to forge with."""
    execute(world, f"UPDATE request SET state = 'pending' WHERE id = '{request}'")
    return request


async def test_grant_rows_open_and_prolong_nothing(world: Deployment) -> None:
    request, grant = await world.granted()
    assert (await world.ssh("echo live")).out.strip() == "live"
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    await is_shut(world)
    execute(world, f"UPDATE \"grant\" SET state = 'active', ends_at = {FAR} WHERE id = '{grant}'")
    await is_shut(world, restart=True)
    with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
        database.execute("DELETE FROM review")
        [(token,)] = database.execute('SELECT token FROM "grant"')
        forged = token.replace(grant, "grt_forged00000000000").replace("not-after: 20", "not-after: 21")
        database.execute(
            'INSERT INTO "grant" SELECT ?, ?, "to", key, account, ?, opened_at, ?, ? FROM "grant" LIMIT 1',
            ("grt_forged00000000000", await second_request(world, database, request), forged, FAR, "active"),
        )
        database.commit()
    await is_shut(world, restart=True)


async def second_request(world: Deployment, database: sqlite3.Connection, request: str) -> str:
    database.execute(
        "INSERT INTO request SELECT 'req_forged00000000000', by, key, account, condition, reason, access_for, asked_at,"
        " decide_by, state FROM request WHERE id = ?",
        (request,),
    )
    return "req_forged00000000000"


async def test_a_grant_that_runs_is_not_prolonged(world: Deployment) -> None:
    _, grant = await world.granted(minutes=1)
    execute(world, f"UPDATE \"grant\" SET ends_at = {FAR} WHERE id = '{grant}'")
    assert (await world.ssh("echo live")).out.strip() == "live"
    await world.until(lambda: shut(world), timeout=90)


async def shut(world: Deployment) -> bool:
    return (await world.ssh("true")).code != 0


async def test_people_and_keys_rows_let_nobody_in(world: Deployment) -> None:
    await world.granted()
    mallory = Person("mallory", world.folder / "people")
    mallory.make_key()
    blob = mallory.public.split()[1]
    execute(
        world,
        f"INSERT INTO key (fingerprint, person, label) VALUES ('SHA256:{blob[:43]}', 'usr_alice', 'mine')",
        "UPDATE key SET person = 'usr_alice'",
        "INSERT INTO person (id, login, name, department, roles)"
        " VALUES ('usr_m', 'mallory', 'M', 'M', 'requester approver')",
        "UPDATE person SET roles = 'requester approver custodian administrator auditor'",
    )
    await world.stop()
    await world.start()
    await world.sign_in()
    mallory._ssh = [str(mallory.key) if part == str(world.alice.key) else part for part in world.alice._ssh]
    for login in ("alice", "mallory"):
        ran = await mallory.ssh(f"{login}+{TARGET}", "echo opened")
        assert ran.code != 0
        assert "opened" not in ran.out


async def test_target_rows_point_nowhere_else(world: Deployment) -> None:
    await world.granted()
    execute(
        world,
        "UPDATE target SET endpoint = 'ssh://127.0.0.1:9', host_key = 'ssh-ed25519 AAAA', name = 'other'",
        "DELETE FROM account",
    )
    ran = await world.ssh("echo at the right place")
    assert ran.out.strip() == "at the right place", ran.err


async def test_deleted_rows_open_nothing_and_are_found(world: Deployment) -> None:
    """What stood in the way (a revoked grant, a review, a rotation) is deleted: the vault and the log still know."""
    _, grant = await world.granted()
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
        [row] = database.execute('SELECT * FROM "grant"')
        for table in ("review", "rotation", "approval", "key", "person", "target", "account", '"grant"'):
            database.execute(f"DELETE FROM {table}")
        marks = ",".join("?" * len(row))
        live = [FAR if value == row[7] else value for value in row[:-1]]
        database.execute(f'INSERT INTO "grant" VALUES ({marks})', (*live, "active"))
        database.commit()
    await is_shut(world, restart=True)
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code != 0


async def test_a_forged_roster_stops_the_node(world: Deployment) -> None:
    await world.stop()
    execute(
        world,
        "INSERT INTO roster (version, hash, document, statements) "
        "SELECT 1, hash, CAST(replace(document, '\"version\": 0', '\"version\": 1') AS BLOB), statements FROM roster",
    )
    with pytest.raises(Exception, match="roster"):
        await world.start()


async def test_last_months_database_opens_nothing(world: Deployment, tmp_path: Path) -> None:
    """The high-water mark: a database that is older than what the vault saw is refused."""
    _, grant = await world.granted()
    await world.stop()
    old = world.home.database.read_bytes()
    await world.start()
    await world.sign_in()
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    await world.stop()
    for path in world.home.path.glob("breakglass.db*"):
        path.unlink()
    world.home.database.write_bytes(old)
    await world.start()
    ran = await world.ssh("echo opened")
    assert ran.code != 0
    assert "opened" not in ran.out


async def credentials(world: Deployment) -> list[tuple[str, str, int, bytes]]:
    """(id, state, version, envelope), the oldest first."""
    with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
        return database.execute("SELECT id, state, version, sealed FROM credential ORDER BY version").fetchall()


async def twice_changed(world: Deployment) -> None:
    """There is a current credential, used in a session, and older ones that were."""
    _, grant = await world.granted()
    assert (await world.ssh("echo live")).out.strip() == "live"
    await world.settled()
    assert (await world.ssh("echo live")).out.strip() == "live"
    await world.settled()
    assert grant


async def changed(world: Deployment, harm: str) -> None:
    found = await credentials(world)
    [current] = [one for one in found if one[1] == "current"]
    previous = max((one for one in found if one[1] == "previous"), key=lambda one: one[2])
    with closing(sqlite3.connect(world.home.database, timeout=10)) as database:
        if harm == "swapped":  # another version's envelope in this one's row
            database.execute("UPDATE credential SET sealed = ? WHERE id = ?", (previous[3], current[0]))
        elif harm == "truncated":
            database.execute("UPDATE credential SET sealed = ? WHERE id = ?", (current[3][:-1], current[0]))
        elif harm == "rolled back":  # the whole row of before is made the current one
            database.execute("UPDATE credential SET state = 'previous' WHERE id = ?", (current[0],))
            database.execute("UPDATE credential SET state = 'current' WHERE id = ?", (previous[0],))
        else:  # the row of before, in its place and under its name
            database.execute("DELETE FROM credential WHERE id = ?", (previous[0],))
            database.execute(
                "UPDATE credential SET id = ?, version = ?, sealed = ? WHERE id = ?",
                (previous[0], previous[2], previous[3], current[0]),
            )
        database.commit()


@pytest.mark.parametrize(
    ("harm", "words", "found"),
    [
        ("swapped", "does not belong to its row", False),
        ("truncated", "shape of an envelope", False),
        ("rolled back", "was replaced", True),
        ("put in its place", "was replaced", True),
    ],
)
async def test_a_credentials_row_that_was_changed_is_refused(
    world: Deployment, harm: str, words: str, found: bool
) -> None:
    """By the vault, which asks nobody else. What an envelope holds only it can tell: the verifier has no key, and finds
    the rows that do not follow from the log."""
    await twice_changed(world)
    await changed(world, harm)
    ran = await world.ssh("echo opened")
    assert ran.code == 76, ran
    assert words in ran.err
    assert "call" in ran.err
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == (7 if found else 0), verified.out
