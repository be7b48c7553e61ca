"""The target makes trouble: it is down, shows another host key, refuses the stored password, or locks the account.

Each is said to whoever connects, with what to do and an exit status of its own; the session ends in the database, the
log tells of it, and when the target is well again the password change completes by itself.
"""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from breakglass.demo.people import Ran, run
from breakglass.model.secret import Secret
from tests.deployment import ACCOUNT, Deployment
from tests.servers.sshd import Sshd, make_account, running_sshd, set_password

pytestmark = pytest.mark.server


class Server:
    """The sshd of the fixture, to be stopped and started on its port, with its host key or another one."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        self._folder, self._port, self._key = folder, sshd.port, folder / "host_key"
        self._mine: list[asyncio.subprocess.Process] = []

    async def stop(self) -> None:
        pid = int((self._folder / "sshd.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        for process in self._mine:
            await asyncio.wait_for(process.wait(), 10)
        while await self._listens():  # noqa: ASYNC110 (a server in another process rings no event here)
            await asyncio.sleep(0.05)

    async def start(self) -> None:
        folder = str(self._folder)
        command = ["/usr/sbin/sshd", "-D", "-f", f"{folder}/sshd_config", "-E", f"{folder}/sshd.log"]
        self._mine.append(await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL))
        async with asyncio.timeout(10):
            while not await self._listens():  # noqa: ASYNC110 (a server in another process rings no event here)
                await asyncio.sleep(0.05)

    def change_host_key(self) -> None:
        for suffix in ("", ".pub"):
            self._key.with_name(f"host_key{suffix}").rename(self._folder / f"old_key{suffix}")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", self._key], check=True)

    def change_host_key_back(self) -> None:
        for suffix in ("", ".pub"):
            (self._folder / f"old_key{suffix}").rename(self._key.with_name(f"host_key{suffix}"))

    async def end(self) -> None:
        for process in self._mine:
            with suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait_for(process.wait(), 10)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False
        writer.close()
        return True


class Patient(Deployment):
    """The target locks nobody: so that probing need not wait for a quarter of an hour."""

    def estate(self) -> dict[str, Any]:
        found = super().estate()
        found["accounts"][ACCOUNT]["rotator_options"]["lockout"] = "1000/1"
        return found


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with running_sshd(tmp_path / "sshd") as found:
        yield found


@pytest.fixture
async def server(tmp_path: Path, sshd: Sshd) -> AsyncIterator[Server]:
    found = Server(tmp_path / "sshd", sshd)
    yield found
    await found.end()


@pytest.fixture
def make(tmp_path: Path, sshd: Sshd) -> Iterator[Patient]:
    with make_account(sudo=True) as account:
        yield Patient(tmp_path, sshd, account)


@pytest.fixture
async def world(make: Patient) -> AsyncIterator[Patient]:
    await make.found()
    await make.start()
    try:
        await make.sign_in()
        await make.deposit()
        yield make
    finally:
        await make.close()


async def refused(world: Deployment, status: int, *words: str) -> Ran:
    """`ssh` is refused so, its session has ended in the database with the same reason, and the log has it."""
    ran = await world.ssh("true")
    assert ran.code == status, ran
    assert "What to do: " in ran.err
    for word in words:
        assert word in ran.err, ran

    async def newest() -> Any:
        session = (await world.bo.call("GET", "/api/sessions"))[0]
        return session if session["state"] == "ended" else None

    session = await world.until(newest)
    assert session["why"] in ran.err.replace("\nbreakglass: ", " "), session
    entries = await world.carol.call("GET", f"/api/audit/entries?about={session['id']}")
    assert [one["kind"] for one in entries][-1] == "session.ended"
    return ran


async def waits(world: Deployment, *words: str) -> None:
    """A password change is owed and tells why."""

    async def problem() -> bool:
        owed = await world.carol.call("GET", "/api/rotations?owed=true")
        return any(word in one["problem"] for one in owed for word in words)

    await world.until(problem)


async def told(world: Deployment, title: str) -> Any:
    """The alert whose title begins so."""

    async def look() -> Any:
        lines = (world.home.path / "alerts.jsonl").read_text().splitlines()
        return next((one for one in map(json.loads, lines) if one["title"].startswith(title)), None)

    return await world.until(look)


async def all_is_well(world: Deployment, grant: str) -> None:
    ran = await world.ssh("id -un")
    assert ran.out.strip() == world.account.name, ran
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled(90)
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err


async def test_down_at_connect_and_during_the_change(world: Patient, server: Server) -> None:
    _, grant = await world.granted()
    await server.stop()
    await refused(world, 69, "can't be reached", "then connect again")
    # A change that is demanded now waits, and tells why; it goes on by itself.
    await world.carol.call("POST", f"/api/accounts/{ACCOUNT}/rotate")
    await waits(world, "reach")
    listed = await world.cli("rotate", "list", login="carol")
    assert "reach" in listed.out, listed
    await server.start()
    await world.settled(90)
    await all_is_well(world, grant)


async def test_another_host_key(world: Patient, server: Server) -> None:
    _, grant = await world.granted()
    await server.stop()
    server.change_host_key()
    await server.start()
    ran = await refused(world, 76, "another host key", "Nothing secret was sent", "Do not connect")
    assert "SHA256:" in ran.err
    await world.carol.call("POST", f"/api/accounts/{ACCOUNT}/rotate")
    await waits(world, "host key")
    stop = await told(world, "STOP")
    assert stop["severity"] == "critical"
    assert "another host key" in stop["body"]
    # Its own log says that nobody has tried to sign in.
    assert "Failed password" not in (world.folder / "sshd" / "sshd.log").read_text().rpartition("Server listening")[2]
    await server.stop()
    server.change_host_key_back()
    await server.start()
    await world.settled(90)
    await all_is_well(world, grant)


async def test_a_password_that_was_changed_by_hand(world: Patient) -> None:
    _, grant = await world.granted()
    by_hand = "Changed-By-Hand-77"
    set_password(world.account.name, Secret(by_hand.encode()))
    await refused(world, 77, "refused by the target", "other break-glass account")
    await world.carol.call("POST", f"/api/accounts/{ACCOUNT}/rotate")
    await waits(world, "No stored password")
    assert "store it" in (await told(world, "No stored password"))["body"]
    # Meanwhile nobody gets in with it; a custodian who stores what holds helps it on.
    await world.carol.call("PUT", f"/api/accounts/{ACCOUNT}/credential", {"secret": by_hand})
    await world.settled(90)
    await all_is_well(world, grant)


async def test_a_locked_account(world: Patient) -> None:
    _, grant = await world.granted()
    assert (await run(["usermod", "--lock", world.account.name])).code == 0
    await refused(world, 77, "refused by the target", "locked")
    await world.carol.call("POST", f"/api/accounts/{ACCOUNT}/rotate")
    await waits(world, "No stored password", "neither", "refuses")
    assert (await run(["usermod", "--unlock", world.account.name])).code == 0
    await world.settled(90)
    await all_is_well(world, grant)


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ("", "host_key"),
        ("ssh-ed25519 AAAA", "host_key"),
        ("SHA256:abc", "host_key"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACB", "host_key"),
        (None, "host_key"),
    ],
)
async def test_a_target_without_a_right_pin_founds_nothing(make: Patient, pin: str | None, says: str) -> None:
    (make.folder / "people").mkdir(mode=0o700)
    for person in make.people.values():
        person.make_key()
    estate = make.estate()
    if pin is None:
        del estate["targets"]["tgt_db1"]["host_key"]
    else:
        estate["targets"]["tgt_db1"]["host_key"] = pin
    (make.folder / "estate.yaml").write_text(yaml.safe_dump(estate))
    ran = await make.cli("init", "--estate", str(make.folder / "estate.yaml"), "--origin", "log.example.org")
    assert ran.code == 2, ran
    assert says in ran.err
    assert "tgt_db1" in ran.err
    assert "What to do: " in ran.err
    assert not make.home.vault.exists()
