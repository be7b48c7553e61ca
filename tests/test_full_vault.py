"""The disk of the vault's own folder is full: whoever needs the vault is told what to do, nothing is half done, and
when there is room again everything that waited is done."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.servers.sshd import make_account, running_sshd
from tests.template import Template, nothing_owed

pytestmark = pytest.mark.server


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, in memory."""
    folder = tmp_path / "world" / "home" / "vault"
    folder.mkdir(mode=0o700, parents=True)
    (tmp_path / "world" / "home").chmod(0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
async def world(tmp_path: Path, disk: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            made = Template.made(tmp_path / "template", sshd, account)
            async with made as template, template.copy(tmp_path / "world") as world:
                await world.start()
                await world.sign_in()
                yield world


def fill(disk: Path) -> Path:
    """To the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk took everything")


async def test_the_vaults_disk_is_full(world: Deployment, disk: Path) -> None:
    # Approved, and no grant: the vault can't put it down.
    request = await world.ask()
    ballast, before = fill(disk), (disk / "state.json").read_bytes()
    for login in ("bo", "dana"):
        await world.decide(login, request)
    nobody = await world.ssh("true")
    assert nobody.code != 0
    assert await world.part(request, "grant") is None
    assert (disk / "state.json").read_bytes() == before
    assert names(disk) == ["ballast", "keys.json", "seal.json", "state.json"]
    await world.until(lambda: told(world, "could not write state.json: No space left on device"))
    assert world.node is not None
    assert world.node.returncode is None

    # Room again: what was owed is done.
    ballast.unlink()
    grant = (await world.until(lambda: world.part(request, "grant")))["id"]
    assert (await world.ssh("id -un")).out.strip() == world.account.name
    await world.settled()

    # Full again, with a grant in hand: no secret is released, and its person reads why.
    ballast = fill(disk)
    nobody = await world.ssh("true")
    assert nobody.code == 69, nobody
    assert "could not write state.json" in nobody.err
    assert "Make room on the vault's disk" in nobody.err

    # The end holds at once, also for a vault that can't write it down; the rotation waits, and says for what.
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    assert (await world.ssh("true")).code != 0
    await world.until(lambda: waits(world, "could not write state.json"))
    ballast.unlink()
    await world.settled()
    await world.until(lambda: nothing_owed(world))
    await world.review(request)
    verified = await world.cli("audit", "verify")
    assert verified.code == 0, verified.out + verified.err


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


async def told(world: Deployment, words: str) -> bool:
    return words in world.log.read_text()


async def waits(world: Deployment, words: str) -> bool:
    return any(words in one["problem"] for one in await world.carol.call("GET", "/api/rotations"))
