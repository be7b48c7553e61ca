"""The database is lost, and only an older copy is left: the vault and the witnesses refuse it; two custodians go on
with the next log, and the emergency works again. Also when node and vault die at each point on the way."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.emergency import LEASES, again, struck
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port, rows
from tests.test_witnessed import Witnessed, made, there, verified

pytestmark = pytest.mark.server
WHY = "The disk died; this is the copy of Monday."
TAMPERED = 76
"""EX_PROTOCOL of sysexits.h: what the gateway ends with when evidence does not fit together (gateway.words)."""
POINTS = [
    *(f"step:next_log.{step}:{point}" for step in ("want", "again", "sign", "begun")
      for point in ("before-commit", "after-commit")),
    *(f"call:next_log:{point}" for point in ("began", "written", "renamed", "ended")),
]  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Witnessed]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account, ExitStack() as stack:
            world = made(tmp_path, sshd, account, stack)
            await world.found(ssh_port=free_port(), api_port=free_port())
            try:
                await world.start()
                await world.sign_in()
                await world.deposit()
                yield world
            finally:
                await world.close()


async def cut(world: Witnessed) -> tuple[str, Path]:
    """What was done after the copy is lost, but for what the vault and the witnesses saw of it. Returns the request
    whose grant is open, and the log's last checkpoint, which somebody kept."""
    request, _ = await world.granted()
    assert (await world.ssh("true")).code == 0
    await world.settled()  # no password changes in what is lost: that would be a story of its own
    await world.until(world.all_saw_it)
    await world.stop()
    data = world.home.path / "breakglass.db"
    kept = world.folder / "monday.db"
    with closing(sqlite3.connect(data)) as ours, closing(sqlite3.connect(kept)) as to:
        ours.backup(to)
    await world.start()
    await world.sign_in()
    for _ in range(2):
        await world.sign_in()
    await world.until(world.all_saw_it)
    await world.stop()
    [(note,)] = rows(world, "SELECT note FROM checkpoint ORDER BY size DESC LIMIT 1")
    last = world.folder / "last-checkpoint"
    last.write_bytes(note)
    for name in ("breakglass.db-wal", "breakglass.db-shm"):
        (world.home.path / name).unlink(missing_ok=True)
    shutil.copy(kept, data)
    return request, last


async def next_log(world: Deployment, login: str, *more: str) -> str:
    ran = await world.cli("audit", "next-log", "--yes", *more, login=login)
    assert ran.code == 0, ran.err
    return ran.out


async def known_by_witnesses(world: Witnessed) -> None:
    ran = await world.cli("audit", "vkey")
    for one in world.watchers:
        one.kill()
        one.know(ran.out.strip())
        one.start()


async def test_the_emergency_works_again(world: Witnessed) -> None:
    request, last = await cut(world)
    await world.start()
    await world.sign_in()
    refused = await world.ssh("true")
    assert refused.code == TAMPERED, refused.err
    assert "breakglass audit next-log" in refused.err
    status = await world.cli("vault", login="carol")
    assert "STOP: The log's head is behind the high-water mark" in status.out
    await world.until(lambda: world.told("vault.tampered"))
    shown = await world.cli("audit", "next-log", "--status", login="ivy")
    assert "breakglass audit next-log" in shown.out

    # Two custodians, who say what was lost; nobody else, and not one alone.
    no = await world.cli("audit", "next-log", "--because", WHY, "--yes", login="ivy")
    assert no.code == 4, no.err
    said = await next_log(world, "carol", "--because", WHY)
    assert "2 custodians must" in said
    said = await next_log(world, "cem")
    assert "/2." in said
    assert (await world.cli("vault", login="carol")).out.startswith("The vault is open.")
    await world.until(lambda: world.told("grant.revoked"))
    refused = await world.ssh("true")
    assert refused.code != 0

    # The witnesses keep what they saw of the log before, and are told of this one.
    await known_by_witnesses(world)
    await world.settled()
    await world.review(request)
    await world.granted()
    ran = await world.ssh("true")
    assert ran.code == 0, ran.err
    await world.until(world.all_saw_it)
    ran = await world.cli("audit", "verify", "--checkpoint", str(last))
    assert ran.code == 0, ran.out
    assert "went on with the log" in ran.out

    # All of it stands when the node comes back.
    await world.kill()
    await world.start()
    await world.sign_in()
    assert (await world.ssh("true")).code == 0
    await verified(world)


async def test_killed_on_the_way(world: Witnessed, tmp_path: Path) -> None:
    await cut(world)
    reached = tmp_path / "reached"
    reached.mkdir()
    async with struck(world, POINTS, reached):
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        for login in ("carol", "cem"):
            await signed(world, login)
        await world.until(lambda: world.told("next_log.begun"), LEASES)
        await world.until(lambda: passed(reached), LEASES)
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        await again(world, lambda: world.carol.call("GET", "/api/vault"))
    assert len(rows(world, "SELECT idx FROM entry WHERE kind = 'next_log.begun'")) == 1
    await verified(world)


async def signed(world: Deployment, login: str) -> None:
    """Carol begins it, the other one signs the same; each again and again, as people do while a node comes back."""
    person = world.people[login]

    async def text() -> str:
        if login == "carol":
            return str((await person.call("POST", "/api/audit/next-log", {"because": WHY}))["text"])
        return str((await person.call("POST", "/api/audit/next-log/statement"))["text"])

    drawn = await again(world, text)
    body = {"signature": await person.sign(drawn), "text": drawn}
    await again(world, lambda: person.call("POST", "/api/audit/next-log/sign", body), "already_approved")


async def passed(reached: Path) -> bool:
    return set(POINTS) == {one.name for one in reached.iterdir()}  # noqa: ASYNC240 (a few names)
