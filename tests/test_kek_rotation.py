"""A custodian has the vault's key-encryption key changed on a running deployment, through every death on the way."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.emergency import LEASES, again, struck
from tests.servers.sshd import make_account, running_sshd
from tests.template import Template, rows

pytestmark = pytest.mark.server
POINTS = [
    "step:kek.offer:before-commit", "step:kek.sign:before-commit", "step:kek.sign:after-commit",
    "duty:kek:began", "call:rotate_kek:began", "call:rotate_kek:written", "call:rotate_kek:renamed",
    "call:rotate_kek:ended", "step:kek.created:before-commit", "step:kek.created:after-commit", "duty:kek:ended",
    "call:rewrap:began", "call:rewrap:ended", "kek.rewrapping", "step:kek.rewrapped:before-commit",
    "kek.rewrapped",
]  # fmt: skip
AT_ITS_END = [
    "step:kek.rewrapped:after-commit", "step:kek.retiring:before-commit", "step:kek.retiring:after-commit",
    "kek.retiring", "call:retire_kek:began", "call:retire_kek:written", "call:retire_kek:renamed",
    "call:retire_kek:ended",
]  # fmt: skip
"""Each death begins the old key's last minute anew. Once the file is renamed the old key is gone, and nobody asks
again: the last two are two lives."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with Template.made(tmp_path / "made", sshd, account) as template, template.copy(tmp_path) as world:
                yield world


def under(world: Deployment) -> set[int]:
    """Which keys the stored secrets are sealed under: bytes 7 to 10 of an envelope (docs/formats/vault.md)."""
    from breakglass.vault import envelope

    return {envelope.kek_of(bytes(sealed)) for (sealed,) in rows(world, "SELECT sealed FROM credential")}


async def asked(world: Deployment) -> None:
    """With stock tools: the text, ssh-keygen's signature over it, and back, until an answer comes. It is one text:
    another one, drawn after a lost answer, may ask for the key after the one that was made meanwhile."""
    text = (await again(world, lambda: world.carol.call("POST", "/api/vault/kek/statement")))["text"]
    body = {"signature": await world.carol.sign(text), "text": text}
    await again(world, lambda: world.carol.call("POST", "/api/vault/kek", body), "already_approved", "expired")


async def moved(world: Deployment) -> bool:
    return under(world) == {2}


async def lives(world: Deployment) -> None:
    """The stored secret still opens its account, and the next one is sealed under the new key."""
    request, grant = await world.granted()
    assert (await world.ssh("true")).code == 0
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled(LEASES)
    await world.review(request)
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err


async def through(world: Deployment, tmp_path: Path, points: list[str], *, to_the_end: bool) -> None:
    reached = tmp_path / "reached"
    reached.mkdir()
    async with struck(world, points, reached):
        await world.until(lambda: there(world), LEASES)
        await again(world, world.sign_in)
        if (await again(world, lambda: world.carol.call("GET", "/api/vault")))["kek"] < 2:
            await asked(world)
        await world.until(lambda: moved(world), LEASES)
        if to_the_end:
            await world.until(lambda: one_key(world), 3 * LEASES)
        await world.until(lambda: passed(reached, points), LEASES)
        await again(world, lambda: lives(world))
        counted = dict(rows(world, "SELECT kind, count(*) FROM entry WHERE kind LIKE 'kek.%' GROUP BY kind"))
        assert counted["kek.created"] == 1
        assert "kek.damaged" not in counted


async def passed(reached: Path, points: list[str]) -> bool:
    """Every death was died."""
    return set(points) == {one.name for one in reached.iterdir()}  # noqa: ASYNC240 (a few names)


async def there(world: Deployment) -> bool:
    return world.home.node_file.exists()


async def one_key(world: Deployment) -> bool:
    found = json.loads((world.home.path / "vault/keys.json").read_text())["wrapped"]
    return [name for name in found if name.startswith("kek")] == ["kek 2"]


async def test_killed_on_the_way(world: Deployment, tmp_path: Path) -> None:
    await through(world, tmp_path, POINTS, to_the_end=False)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "some", [slice(3), slice(3, 6), slice(6, 7), slice(7, None)], ids=["first", "then", "renamed", "last"]
)
async def test_killed_at_its_end(world: Deployment, tmp_path: Path, some: slice) -> None:
    await through(world, tmp_path, AT_ITS_END[some], to_the_end=True)


async def test_from_the_command_line(world: Deployment) -> None:
    await world.start()
    await world.sign_in()
    ran = await world.cli("vault", "rotate-kek", "--yes", login="carol")
    assert ran.code == 0, ran.err
    await world.until(lambda: moved(world))
    ran = await world.cli("vault", login="carol")
    assert "older ones still move to it" in ran.out
    refused = await world.cli("vault", "rotate-kek", "--yes", login="alice")
    assert refused.code == 4, refused.err
    await lives(world)
