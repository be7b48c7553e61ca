"""Custodians change what opens the vault without people, on a running deployment and through every death on the way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from breakglass.demo.people import ApiRefused
from breakglass.vault.key_file import KeyFile
from tests.deployment import Deployment
from tests.emergency import LEASES, again, struck
from tests.servers.softhsm import PIN, running_softhsm
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port, rows

pytestmark = pytest.mark.server
POINTS = [
    "call:begin_slot:began", "call:begin_slot:ended", "step:seal.slot_begun:before-commit",
    "step:seal.slot_begun:after-commit", "call:finish_slot:began", "call:finish_slot:written",
    "call:finish_slot:renamed", "call:finish_slot:ended", "step:seal.slot_changed:before-commit",
    "step:seal.slot_changed:after-commit",
]  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = Deployment(tmp_path, sshd, account)
            try:
                yield world
            finally:
                await world.close()


async def found(world: Deployment, **settings: Any) -> list[str]:
    """With a file slot whose place the vault knows by itself; returns the options that bring two shares."""
    await world.found(ssh_port=free_port(), api_port=free_port(), **{"key_file": "", **settings})
    files = [world.folder / f"share-{n}" for n in (1, 2)]
    for path, share in zip(files, world.shares, strict=False):
        path.write_text(share)
    return [word for path in files for word in ("--share-file", str(path))]


async def there(world: Deployment) -> bool:
    return world.home.node_file.exists()


async def until_open(world: Deployment) -> None:
    async with asyncio.timeout(20):
        while (await world.carol.call("GET", "/api/vault"))["sealed"]:  # noqa: ASYNC110 (the vault rings no bell)
            await asyncio.sleep(0.1)


def told(world: Deployment) -> list[str]:
    return [kind for (kind,) in rows(world, "SELECT kind FROM entry WHERE kind LIKE 'vault.slot%' ORDER BY idx")]


async def test_a_hardware_module_takes_the_key_files_place(world: Deployment, tmp_path: Path) -> None:
    with running_softhsm(tmp_path / "hsm") as hsm:
        shares = await found(world, pkcs11_module=str(hsm.module), pkcs11_pin_file=str(hsm.pin_file))
        await world.start()
        await world.sign_in()
        await world.deposit()

        # Not by whom it does not concern, not with too few, and never the custodians' own.
        add = ["vault", "add-slot", "pkcs11", "--token", "plant"]
        assert (await world.cli(*add, *shares, login="alice")).code == 4
        few = await world.cli(*add, *shares[:2], login="carol")
        assert few.code == 1, few.err
        assert "are needed" in few.err
        with pytest.raises(ApiRefused):
            body = {"act": "remove", "kind": "custodians", "shares": list(world.shares[:2])}
            await world.carol.call("POST", "/api/vault/slots", body)
        assert told(world) == []

        made = await world.cli(*add, *shares, login="carol")
        assert made.code == 0, made.err
        assert "Without people it opens by: file, pkcs11." in made.out
        removed = await world.cli("vault", "remove-slot", "file", *shares, login="carol")
        assert removed.code == 0, removed.err
        (world.folder / "seal.key").unlink()
        listed = await world.cli("vault", "slots", login="carol")
        assert "key 'breakglass' of the token 'plant'" in listed.out
        assert "yes" in listed.out
        assert (await world.cli("vault", "slots", login="alice")).code == 4

        await world.stop()
        await world.start()
        await world.sign_in()
        await until_open(world)
        await world.granted()
        assert told(world) == ["vault.slot_begun", "vault.slot_changed"] * 2
        alerts = (world.home.path / "alerts.jsonl").read_text()
        assert "remove of its file slot" in alerts
        files = world.log.read_bytes() + (world.home.path / "breakglass.db").read_bytes() + alerts.encode()
        assert PIN.encode() not in files
        assert not any(share.encode() in files for share in world.shares)
        assert (await world.cli("audit", "verify")).code == 0

        # The module dies: it is named, and people open the vault.
        await world.stop()
        hsm.pin_file.write_text("other")
        await world.start()
        await world.sign_in()
        async with asyncio.timeout(20):
            while "refuses the PIN" not in (await world.carol.call("GET", "/api/vault"))["problem"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for share in world.shares[:2]:
            await world.cem.call("POST", "/api/vault/unseal", {"share": share})
        await until_open(world)


async def test_the_key_file_moves(world: Deployment, tmp_path: Path) -> None:
    shares = await found(world)
    await world.start()
    await world.sign_in()
    move = ["vault", "replace-slot", "file", "--key-file"]
    inside = await world.cli(*move, str(world.home.path / "new.key"), *shares, login="carol")
    assert inside.code == 1, inside.err
    assert "its backups" in inside.err
    made = tmp_path / "made.key"
    assert (await world.cli("vault", "make-key-file", str(made))).code == 0
    assert (await world.cli("vault", "make-key-file", str(made))).code == 1
    for path in (made, tmp_path / "new.key"):
        moved = await world.cli(*move, str(path), *shares, login="carol")
        assert moved.code == 0, moved.err
        assert "destroy the old key" in moved.err
    (world.folder / "seal.key").unlink()
    made.unlink()
    await world.stop()
    await world.start()
    await world.sign_in()
    await until_open(world)


async def test_killed_on_the_way(world: Deployment, tmp_path: Path) -> None:
    """Whatever dies, a vault comes back that its key file opens, and the log says how it came to this seal."""
    reached = tmp_path / "reached"
    reached.mkdir()
    await found(world)
    async with struck(world, POINTS, reached):
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        tries = 0
        async with asyncio.timeout(LEASES * 2):
            while {one.name for one in reached.iterdir()} != set(POINTS):
                tries += 1
                await again(world, lambda n=tries: moved(world, tmp_path / f"{n}.key"), "wrong_state")
                await again(world, world.sign_in)
    await again(world, lambda: until_open(world))
    slots = {one["kind"]: one for one in await again(world, lambda: world.carol.call("GET", "/api/vault/slots"))}
    assert slots["file"]["opens"], slots
    KeyFile(Path(slots["file"]["where"])).read().wipe()
    done = rows(world, "SELECT leaf FROM entry WHERE kind = 'vault.slot_changed'")
    assert len({leaf for (leaf,) in done}) == len(done)
    assert (await world.cli("audit", "verify")).code == 0


async def moved(world: Deployment, path: Path) -> None:
    """Once; the file may be there from a try that died."""
    body = {"act": "replace", "kind": "file", "key_file": str(path), "shares": list(world.shares[:2])}
    await world.carol.call("POST", "/api/vault/slots", body)
