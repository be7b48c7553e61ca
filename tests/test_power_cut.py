"""The power is cut: what was not synced is gone. Nothing that was acknowledged is lost, the vault is never ahead of the
log, the log verifies, a recording loses a second at most and ends at a whole chunk.

One traced emergency gives a disk for each instant of it (tests/powercut). First it is shown that the layer really
drops: SQLite without its syncs loses a commit under it.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from breakglass import config
from breakglass.audit.verify import verify
from breakglass.codec.recording_reader import scan
from breakglass.config import Home
from breakglass.gateway.recorder import SYNC_EVERY, WRITE_EVERY
from breakglass.vault.core import Vault
from tests.deployment import Deployment
from tests.powercut.disk import Disk
from tests.servers.sshd import make_account, running_sshd
from tests.template import Template

COMMITS = """
import sqlite3, sys
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("PRAGMA journal_mode=WAL")
conn.execute("PRAGMA synchronous=" + sys.argv[2])
conn.execute("CREATE TABLE t (n)")
for n in range(20):
    conn.execute("INSERT INTO t VALUES (?)", (n,))
    print(n, flush=True)
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("synchronous", "kept"), [("FULL", 20), ("OFF", 0)])
def test_the_layer_drops_what_was_not_synced(synchronous: str, kept: int, tmp_path: Path) -> None:
    """The control: all that a commit with `synchronous=OFF` acknowledged is lost, with `FULL` nothing."""
    folder, left = tmp_path / "data", tmp_path / "left"
    folder.mkdir()
    disk = Disk(folder, tmp_path / "trace")
    command = [sys.executable, "-c", COMMITS, str(folder / "t.db"), synchronous]
    ran = subprocess.run(command, check=False, capture_output=True, env={**os.environ, **disk.tracing()})
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert len(ran.stdout.split()) == 20
    disk.leave(len(disk.records), left)
    assert _rows(left / "t.db") == kept


def _rows(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as conn:
        made = conn.execute("SELECT 1 FROM sqlite_schema WHERE name = 't'").fetchone()
        return int(conn.execute("SELECT count(*) FROM t").fetchone()[0]) if made else 0


class Witness:
    """What people were told had happened, and where the trace stood when they heard it."""

    def __init__(self, disk: Disk) -> None:
        self._disk, self.heard = disk, list[tuple[int, str, str]]()

    def hears(self, kind: str, about: str) -> None:
        self.heard.append((self._disk.stands(), kind, about))


@pytest.mark.server
@pytest.mark.parametrize(
    "cuts", [40, pytest.param(2000, marks=pytest.mark.nightly)], ids=lambda cuts: f"{cuts}-instants"
)
async def test_a_power_cut_at_any_instant(tmp_path: Path, cuts: int) -> None:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with Template.made(tmp_path / "template", sshd, account) as template:
                async with template.copy(tmp_path / "world") as world:
                    disk = Disk(world.home.path, tmp_path / "trace")
                    witness = Witness(disk)
                    await _an_emergency(world, witness, disk)
                _judge(disk, world, witness, tmp_path / "left", cuts)
                async with template.copy(tmp_path / "after") as after:
                    await _goes_on(disk, after, world, tmp_path)


async def _an_emergency(world: Deployment, witness: Witness, disk: Disk) -> None:
    await world.start(**disk.tracing())
    await world.sign_in()
    request = await world.ask()
    witness.hears("request.made", request)
    for login in ("bo", "dana"):
        await world.decide(login, request)
        witness.hears("request.approval", request)
    grant = (await world.until(lambda: world.part(request, "grant")))["id"]
    witness.hears("grant.opened", grant)
    ran = await world.ssh("for n in $(seq 30); do echo line $n; sleep 0.2; done")
    assert "line 30" in ran.out
    sessions = await world.until(lambda: _ended(world))
    witness.hears("session.ended", sessions[0]["id"])
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    witness.hears("grant.closed", grant)
    for rotation in await world.settled():
        witness.hears("rotation.done", rotation["id"])
    await world.review(request)
    witness.hears("review.signed", (await world.part(request, "review"))["id"])
    await world.kill()


async def _ended(world: Deployment) -> list[dict[str, str]]:
    found = [one for one in await world.bo.call("GET", "/api/sessions") if one["state"] == "ended"]
    return found or []


def _judge(disk: Disk, world: Deployment, witness: Witness, left: Path, cuts: int) -> None:
    """Right after a sync is when a promise can just have been made; some instants between, too."""
    chance = random.Random(4711)
    syncs = [n for n, one in enumerate(disk.records) if one.kind == "E"]
    between = chance.sample(range(len(disk.records)), min(cuts // 4, len(disk.records)))
    chosen = sorted({*chance.sample(syncs, min(cuts, len(syncs))), *between, len(disk.records) - 1})
    for at in chosen:
        for luck in (None, random.Random(at)):
            disk.leave(at, left, luck)
            _is_whole(left, disk.records[at].end, witness, f"after record {at} of {len(disk.records)}, {luck}")
    late = list(disk.lost_after(".screen"))
    assert len(late) > 5
    assert max(late) < SYNC_EVERY + 2 * WRITE_EVERY + 0.5, "a second of a recording at most"


def _is_whole(left: Path, stood: int, witness: Witness, when: str) -> None:
    home = Home(left)
    with closing(sqlite3.connect(home.database)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",), when
        facts = set(conn.execute("SELECT kind, about FROM entry"))
        size = conn.execute("SELECT size FROM head").fetchone()[0]
        grants = [one[0] for one in conn.execute('SELECT id FROM "grant"')]
    for heard, kind, about in witness.heard:
        if heard <= stood:
            assert (kind, about) in facts, f"{kind} of {about} is lost {when}"
    pin = config.read(home).roster_pin
    report = verify(f"sqlite:///{home.database}", pin=pin, recordings=home.recordings)
    assert report.ok, (when, report.findings)
    vault = Vault(home.vault)
    assert vault.try_local_slots(), when
    opened = vault._open
    assert opened is not None
    assert opened.state.mark.size <= size, f"the vault is ahead of the log {when}"
    assert set(grants) <= set(opened.state.grants), when
    vault.seal()


async def _goes_on(disk: Disk, after: Deployment, world: Deployment, tmp_path: Path) -> None:
    """In the middle of a session, and right before its recording's first sync: the node starts and goes on."""
    made = next(n for n, one in enumerate(disk.records) if one.kind == "C" and one.path.endswith(".screen"))
    wrote = [n for n, one in enumerate(disk.records) if one.kind == "W" and n > made]
    for name, at in (("made", made + 1), ("middle", wrote[len(wrote) // 3])):
        disk.leave(at, after.home.path)
        left = [scan(path.read_bytes()) for path in after.home.recordings.glob("*.screen") if path.stat().st_size]
        assert all(not one.good.ended for one in left), name
        await after.start()
        await after.sign_in()
        sessions = await after.bo.call("GET", "/api/sessions")
        assert [one["state"] for one in sessions] == ["ended"], name
        asked = [one["id"] for one in await after.alice.call("GET", "/api/requests")]
        await after.alice.call("POST", f"/api/grants/{(await after.part(asked[0], 'grant'))['id']}/close")
        verified = await after.cli("audit", "verify")
        assert verified.code == 0, verified.out + verified.err
        await after.stop()
