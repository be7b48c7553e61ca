"""A deployment whose releases wait for two of three witnesses: with one of them dead, with one that hangs, without them
by the custodians' word, and when somebody restores an older backup of everything."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from breakglass.codec import note
from tests.deployment import Deployment, both_running
from tests.emergency import LEASES, again, struck
from tests.servers.postgres import Postgres
from tests.servers.sshd import Account, Sshd, make_account, running_sshd
from tests.servers.witness import Running
from tests.template import free_port, rows

pytestmark = pytest.mark.server
POINTS = [
    "step:witness.cosigned:before-commit", "step:witness.cosigned:after-commit", "step:override.offer:after-commit",
    "step:override.sign:before-commit", "step:override.sign:after-commit", "call:override:began",
    "call:override:ended", "step:override.begun:before-commit", "step:override.begun:after-commit",
]  # fmt: skip
UNAVAILABLE = 69
"""EX_UNAVAILABLE of sysexits.h: what the gateway's own refusal ends with (gateway.words)."""


class Witnessed(Deployment):
    """Its founding roster names three witnesses, and asks for two."""

    watchers: list[Running]

    def estate(self) -> dict[str, Any]:
        known = [{"key": one.key, "url": one.url} for one in self.watchers]
        return {**super().estate(), "witnesses": {"quorum": 2, "known": known}}

    async def found(self, **more: Any) -> tuple[str, ...]:
        shares = await super().found(**more)
        vkey = json.loads((self.home.path / "vault/keys.json").read_text())["public"]["log"]
        for one in self.watchers:
            one.know(vkey)
            one.start()
        return shares

    async def witnesses(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.ivy.call("GET", "/api/audit/witnesses")
        return found

    async def all_saw_it(self) -> bool:
        found = await self.witnesses()
        return all(one["cosigned"] == found["entries"] for one in found["witnesses"])

    async def told(self, kind: str) -> bool:
        return bool(rows(self, f"SELECT idx FROM entry WHERE kind = '{kind}'"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Witnessed]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account, ExitStack() as stack:
            world = made(tmp_path, sshd, account, stack)
            await world.found(ssh_port=free_port(), api_port=free_port())  # it comes back where people know it
            try:
                await world.start()
                await world.sign_in()
                await world.deposit()
                yield world
            finally:
                await world.close()


def made(folder: Path, sshd: Sshd, account: Account, stack: ExitStack, database: str = "") -> Witnessed:
    watchers = [stack.enter_context(Running(folder / f"w{n}", f"w{n}.example.org/w")) for n in (1, 2, 3)]
    world = Witnessed(folder / "node", sshd, account, database=database)
    world.watchers = watchers
    return world


async def verified(world: Deployment) -> None:
    ran = await world.cli("--json", "audit", "verify")
    assert ran.code == 0, ran.out + ran.err


async def test_two_of_three_and_without_them_by_the_custodians_word(world: Witnessed) -> None:
    one, two, _ = world.watchers
    request, grant = await world.granted()
    assert (await world.ssh("true")).code == 0
    await world.until(world.all_saw_it)
    shown = await world.cli("audit", "witnesses", login="ivy")
    assert "2 of 3 witnesses have cosigned" in shown.out
    assert "No release happens before 2 have." in shown.out

    # What an auditor takes from the database is cosigned by keys that the node never had.
    [(size, line)] = rows(world, "SELECT size, receipt FROM anchor WHERE kind = 'witness w1.example.org/w' "
                                 "ORDER BY size DESC LIMIT 1")  # fmt: skip
    assert size > 10
    assert note.parse(b"x\n\n" + line).signatures[0].name == "w1.example.org/w"

    # One may be dead; a second one that hangs is one too many.
    one.kill()
    assert (await world.ssh("true")).code == 0
    two.hang()
    refused = await world.ssh("true")
    assert refused.code == UNAVAILABLE, refused.err
    assert "witnesses" in refused.err
    assert "breakglass audit override" in refused.err
    await world.until(lambda: world.told("witness.waits"))

    # Two custodians let it go on; nobody else, and not one alone.
    no = await world.cli("audit", "override", "--for", "1h", "--because", "The link is cut.", "--yes", login="ivy")
    assert no.code == 4, no.err
    no = await world.cli("audit", "override", "--for", "25h", "--because", "The link is cut.", "--yes", login="carol")
    assert no.code == 2, no.err
    begun = await world.cli("audit", "override", "--for", "1h", "--because", "The link is cut.", "--yes", login="carol")
    assert begun.code == 0, begun.err
    assert "2 custodians must" in begun.out
    held = await world.cli("audit", "override", "--yes", login="cem")
    assert held.code == 0, held.err
    assert "RELEASES GO ON WITHOUT THE WITNESSES" in held.out
    assert (await world.ssh("true")).code == 0

    # They come back, and see what was released meanwhile; the node forgets nothing when it is started anew.
    two.go_on()
    one.start()
    await world.until(world.all_saw_it)
    await world.kill()
    await world.start()
    await world.sign_in()
    assert (await world.ssh("true")).code == 0
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    await world.review(request)
    await verified(world)

    # Who holds the evidence reads in it that the witnesses saw all of this.
    file = world.home.path.parent / "evidence.json"
    assert (await world.cli("evidence", "export", request, "-o", str(file), login="ivy")).code == 0
    judged = await world.cli("--json", "evidence", "verify", str(file), "--roster-hash", world.settings().roster_pin)
    assert judged.code == 0, judged.out
    last = json.loads(file.read_text())["entries"][-1]["index"]
    assert json.loads(judged.out)["witnessed"] > last


async def test_an_older_backup_of_everything_is_seen_through(world: Witnessed, tmp_path: Path) -> None:
    """Database, vault and its state, all of last week, fit together perfectly: the witnesses alone know better."""
    await world.granted()
    await world.settled()
    await world.until(world.all_saw_it)
    await world.stop()
    shutil.copytree(world.home.path, tmp_path / "last week", ignore=lambda _, names: {"run"} & set(names))
    await world.start()
    await world.sign_in()
    assert (await world.ssh("touch nothing")).code == 0
    await world.until(world.all_saw_it)
    await world.stop()
    for name in ("breakglass.db", "breakglass.db-wal", "breakglass.db-shm"):
        (world.home.path / name).unlink(missing_ok=True)
    shutil.copytree(tmp_path / "last week", world.home.path, dirs_exist_ok=True)
    await world.start()
    await world.sign_in()
    assert (await world.ssh("true")).code == UNAVAILABLE
    await world.until(lambda: world.told("witness.disagrees"))
    await verified(world)  # inside there is nothing to be found


async def test_two_nodes_ask_the_same_witnesses(tmp_path: Path, migrated: str, postgres: Postgres) -> None:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with (
            make_account(sudo=True) as account,
            postgres.database(like=migrated) as url,
            ExitStack() as stack,
        ):
            one = made(tmp_path, sshd, account, stack, database=url)
            await one.found()
            async with both_running(one, tmp_path / "two") as both:
                await one.granted()
                for node in both * 4:
                    ran = await node.ssh("true")
                    assert ran.code == 0, ran.err
                assert not await one.told("witness.disagrees")
                await one.until(one.all_saw_it)
                await one.settled()

                # Each node's vault takes the custodians' word, whichever node they bring it to.
                for watcher in one.watchers[:2]:
                    watcher.kill()
                await overridden(both[1], "carol")
                await overridden(one, "cem")
                await one.until(lambda: one.told("override.begun"))
                for node in both * 2:
                    await node.until(lambda node=node: opens(node), 20)
                assert not await one.told("override.refused")


async def overridden(world: Deployment, login: str) -> None:
    """Carol begins it, the other one signs the same; each again and again, as people do while a node comes back."""
    person = world.people[login]

    async def text() -> str:
        if login == "carol":
            begun = await person.call("POST", "/api/audit/override", {"seconds": 3600, "because": "The link is cut."})
        else:
            begun = await person.call("POST", "/api/audit/override/statement")
        return str(begun["text"])

    drawn = await again(world, text)
    body = {"signature": await person.sign(drawn), "text": drawn}
    await again(world, lambda: person.call("POST", "/api/audit/override/sign", body), "already_approved")


async def opens(world: Deployment) -> bool:
    return (await world.ssh("true")).code == 0


async def test_killed_on_the_way(world: Witnessed, tmp_path: Path) -> None:
    """At each commit and call on the way to an override, and around each cosignature that is kept."""
    reached = tmp_path / "reached"
    reached.mkdir()
    await world.granted()
    for one in world.watchers[:2]:
        one.kill()
    await world.stop()
    async with struck(world, POINTS, reached):
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        for login in ("carol", "cem"):
            await overridden(world, login)
        await world.until(lambda: world.told("override.begun"), LEASES)
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        await world.until(lambda: opens(world), LEASES)
        for one in world.watchers[:2]:
            one.start()
        await world.until(lambda: passed(reached), LEASES)
    assert len(rows(world, "SELECT idx FROM entry WHERE kind = 'override.begun'")) == 1
    await verified(world)


async def passed(reached: Path) -> bool:
    return set(POINTS) == {one.name for one in reached.iterdir()}  # noqa: ASYNC240 (a few names)


async def there(world: Deployment) -> bool:
    return world.home.node_file.exists()
