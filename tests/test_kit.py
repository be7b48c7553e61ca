"""The emergency kit, as a drill: issued on the command line, carried to a machine that has nothing but Python and
`cryptography` and no network, opened there by two shares, and the login works. Once from the stick, once from paper."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from breakglass.demo.people import run
from tests.deployment import TARGET, Deployment
from tests.emergency import LEASES, again, struck
from tests.servers.sshd import make_account, running_sshd
from tests.template import free_port, rows
from tests.test_witnessed import there as is_there
from tests.web.browser import chromium

pytestmark = pytest.mark.server
POINTS = [
    *(f"step:kit.{step}:{point}" for step in ("want", "offer", "sign", "release", "issued")
      for point in ("before-commit", "after-commit")),
    *(f"call:make_kit:{point}" for point in ("began", "written", "renamed", "ended")),
]  # fmt: skip
NEEDED = ("cryptography", "cffi", "_cffi_backend*", "pycparser")
"""What `cryptography` is made of, in site-packages."""


class WithKit(Deployment):
    def estate(self) -> dict[str, Any]:
        estate = super().estate()
        for account in estate["accounts"].values():
            account["kit"] = True
        return estate


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[WithKit]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = WithKit(tmp_path, sshd, account)
            await world.found(ssh_port=free_port(), api_port=free_port())  # it comes back where people know it
            try:
                await world.start()
                await world.sign_in()
                await world.deposit()
                yield world
            finally:
                await world.close()


async def cli(world: Deployment, login: str, *words: str) -> str:
    ran = await world.cli(*words, login=login)
    assert ran.code == 0, ran.err
    return ran.out


def bare(folder: Path) -> Path:
    """A machine's Python: the standard library and `cryptography`, and nothing of ours."""
    [site] = [Path(one) for one in sys.path if one.endswith("site-packages")]
    packages = folder / "packages"
    packages.mkdir()
    for name in NEEDED:
        for path in site.glob(name):
            (packages / path.name).symlink_to(path)
    return packages


def there(folder: Path, packages: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in this folder, without a network and without Breakglass."""
    code = f"""
import runpy, sys
sys.path.insert(0, {str(packages)!r})
sys.argv = {["open_kit.py", *words]!r}
runpy.run_path("open_kit.py", run_name="__main__")
"""
    return subprocess.run(
        ["unshare", "--net", sys.executable, "-I", "-S", "-c", code],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip


async def logs_in(world: Deployment, password: str) -> bool:
    try:
        async with asyncssh.connect(
            "127.0.0.1", world.sshd.port, username=world.account.name, password=password, client_keys=None,
            known_hosts=None, agent_path=None, config=None,
        ) as connection:  # fmt: skip
            return (await connection.run("id -un")).stdout == f"{world.account.name}\n"
    except asyncssh.PermissionDenied:
        return False


async def test_the_drill(world: WithKit, tmp_path: Path) -> None:
    shown = await cli(world, "ivy", "kit")
    assert "none was issued" in shown
    no = await world.cli("kit", "issue", "--copies", "2", "--yes", login="ivy")
    assert no.code == 4, no.err
    said = await cli(world, "carol", "kit", "issue", "--copies", "2", "--yes")
    assert "Kit 1 waits: Carol" in said
    said = await cli(world, "cem", "kit", "issue", "--yes")
    assert "Emergency kit 1 serves, until " in said
    safe = tmp_path / "safe"
    await cli(world, "cem", "kit", "fetch", "1", "--output", str(safe))
    assert sorted(one.name for one in safe.iterdir()) == [
        "kit-1-copy-1.bgk", "kit-1-copy-1.html", "kit-1-copy-2.bgk", "kit-1-copy-2.html", "open_kit.py",
    ]  # fmt: skip
    no = await world.cli("kit", "fetch", "1", "--output", str(tmp_path / "no"), login="ivy")
    assert no.code == 4, no.err
    taken = await world.carol.call("GET", "/api/audit/entries?kind=kit.fetched")
    assert [one["text"] for one in taken] == [f"Cem Aydin took copy {n} of emergency kit 1." for n in (1, 2)]

    # The platform is gone. Two custodians come with their papers.
    login = f"{world.account.name}@{TARGET}"
    await world.stop()
    packages = bare(tmp_path)
    for n in (0, 2):
        (safe / f"share-{n}").write_text(world.shares[n] + "\n")
    alone = there(safe, packages, "kit-1-copy-1.bgk", "--share-file", "share-0")
    assert alone.returncode == 7
    assert "2 different shares are needed, and 1 are here" in alone.stderr
    shares = ["--share-file", "share-0", "--share-file", "share-2"]
    ran = there(safe, packages, "kit-1-copy-1.bgk", *shares, "--show", login, "--playbooks")
    assert ran.returncode == 0, ran.stderr
    password = next(line for line in ran.stdout.splitlines() if re.fullmatch(r"\S{32}", line))
    assert await logs_in(world, password)

    # The stick is dead: the page is scanned.
    codes = await scanned(safe / "kit-1-copy-2.html", tmp_path)
    (safe / "codes.txt").write_text(codes)
    assert there(safe, packages, "--join", "codes.txt", "--output", "paper.bgk").returncode == 0
    assert (safe / "paper.bgk").read_bytes() == (safe / "kit-1-copy-2.bgk").read_bytes()
    again = there(safe, packages, "paper.bgk", *shares, "--show", login)
    assert password in again.stdout

    # The platform is back: who used it says so, and what the kit holds opens nothing any more.
    await world.start()
    await world.sign_in()
    said = await cli(world, "bo", "kit", "used", "1", "--because", "The platform was gone all night.")
    assert "STALE" in said
    await world.settled()
    assert not await logs_in(world, password)
    verified = await world.cli("audit", "verify")
    assert verified.code == 0, verified.out
    shown = json.loads(await cli(world, "ivy", "--json", "kit"))
    assert shown["kits"][0]["used"] == "The platform was gone all night."


async def scanned(page: Path, folder: Path) -> str:
    """What a scanner reads from the printed page, code by code."""
    found = []
    async with chromium() as browser:
        tab = await browser.new_page(viewport={"width": 1200, "height": 1600})
        await tab.goto(page.as_uri())
        assert "tripwire" in await tab.inner_text("body")
        for n, code in enumerate(await tab.query_selector_all("figure svg")):
            await code.screenshot(path=folder / f"code-{n}.png")
            ran = await run(["zbarimg", "--quiet", "--raw", str(folder / f"code-{n}.png")])
            found.append(ran.out.strip())
    assert len(found) > 2
    return "\n".join(reversed(found))


async def test_killed_on_the_way(world: WithKit, tmp_path: Path) -> None:
    """Whenever node or vault dies, a kit is issued in the end, whole, and never one that nobody signed for."""
    reached = tmp_path / "reached"
    reached.mkdir()
    await world.stop()
    async with struck(world, POINTS, reached):
        await world.until(lambda: is_there(world), LEASES)
        await again(world, world.sign_in)
        while set(POINTS) != {one.name for one in reached.iterdir()} or not await kits(world):
            await anew(world)
    for kit in await kits(world):
        for copy in range(1, kit["copies"] + 1):
            assert (world.home.path / f"kits/kit-{kit['number']}-copy-{copy}.bgk").stat().st_size > 1000
    assert rows(world, "SELECT idx FROM entry WHERE kind = 'kit.issued'")
    verified = await world.cli("audit", "verify")
    assert verified.code == 0, verified.out


async def kits(world: Deployment) -> list[dict[str, Any]]:
    async def shown() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await world.carol.call("GET", "/api/kits"))["kits"]
        return found

    found: list[dict[str, Any]] = await again(world, shown)
    return found


async def anew(world: Deployment) -> None:
    """People who begin, wait for the passwords, and sign; whatever they are told, they look again."""
    await again(world, world.sign_in)
    await again(world, lambda: world.carol.call("POST", "/api/kits", {"copies": 1}))
    for login in ("carol", "cem"):
        person = world.people[login]

        async def text(person: Any = person) -> Any:
            return (await person.call("POST", "/api/kits/statement"))["text"]

        drawn = None
        for _ in range(LEASES * 4):  # while its passwords change it says so
            drawn = await again(world, text, "wrong_state", "not_found")
            if drawn:
                break
            await asyncio.sleep(0.25)
        if not drawn:
            return
        body = {"signature": await person.sign(drawn), "text": drawn}

        async def sign(person: Any = person, body: Any = body) -> Any:
            return await person.call("POST", "/api/kits/sign", body)

        await again(world, sign, "already_approved", "wrong_state", "expired")
