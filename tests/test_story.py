"""The whole emergency, as it happens: a real OpenSSH server, a real Unix account with a real password, and nothing but
`ssh`, `scp`, `sftp` and `ssh-keygen` in people's hands."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from breakglass.demo.people import run
from breakglass.model.secret import Secret
from tests.deployment import ACCOUNT, CONDITION, TARGET, Deployment, deployed, refused
from tests.servers.sshd import make_account, processes_of, running_sshd

pytestmark = pytest.mark.server


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """On the embedded database; a test that asks for `database` runs on both."""
    database = request.getfixturevalue("database") if "database" in request.fixturenames else ""
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account, database=database) as deployment:
                yield deployment


async def logs_in(world: Deployment, password: Secret) -> bool:
    try:
        connection = await asyncssh.connect(
            "127.0.0.1", world.sshd.port, username=world.account.name, password=password.reveal().decode(),
            known_hosts=None, config=None, client_keys=None, agent_path=None,
        )  # fmt: skip
    except asyncssh.PermissionDenied:
        return False
    connection.abort()
    return True


@pytest.mark.usefixtures("database")
async def test_the_emergency(world: Deployment, tmp_path: Path) -> None:
    # Prepare. The password that people have seen was changed when it was stored.
    assert not await logs_in(world, world.account.password)

    # Request. Nobody gets in before two others agreed.
    request = await world.ask()
    await refused(world.decide("alice", request), "forbidden")
    early = await world.ssh("true")
    assert early.code != 0
    assert "grant" in early.err

    # Approve: one on the API, one without any client of ours.
    await world.decide("bo", request)
    await refused(world.decide("bo", request), "already_approved")
    statement = await world.dana.ssh("dana", f"statement {request}")
    assert statement.code == 0, statement.err
    signature = await world.dana.sign(statement.out)
    approved = await world.dana.ssh("dana", f"approve {request}", stdin=signature.encode())
    assert approved.code == 0, approved.err
    grant = await world.until(lambda: world.part(request, "grant"))

    # Connect: a terminal, commands, files.
    shown = await world.ssh(stdin=b"id -un; echo ma''rker; exit\n", terminal=True)
    assert world.account.name in shown.out
    assert "marker" in shown.out
    ran = await world.ssh("echo out; echo err >&2; exit 7")
    assert (ran.code, ran.out.strip()) == (7, "out")
    assert "err" in ran.err
    await scp_and_sftp(world, tmp_path)
    other = await world.bo.ssh(f"bo+{TARGET}", "true")
    assert other.code != 0, "another person came in with alice's grant"

    # Something is left behind, and must not survive the close.
    left = await world.ssh("setsid sleep 600 >/dev/null 2>&1 & echo started")
    assert left.code == 0
    assert processes_of(world.account.uid)

    # Close; the password changes and is proven.
    await world.alice.call("POST", f"/api/grants/{grant['id']}/close")
    late = await world.ssh("true")
    assert late.code != 0
    rotations = await world.settled()
    assert any(one["because"] == "close" and one["grant"] == grant["id"] for one in rotations)
    assert not await logs_in(world, world.account.password)
    assert not processes_of(world.account.uid)

    # Review: until it is signed, the account takes no request.
    await refused(world.ask(), "wrong_state")
    sessions = [one for one in await world.ivy.call("GET", "/api/sessions") if one["grant"] == grant["id"]]
    casts = [await world.replay(one["id"]) for one in sessions]
    assert any("marker" in cast for cast in casts)
    assert all(json.loads(cast.splitlines()[0])["version"] == 3 for cast in casts)
    await world.review(request)
    ticket = await world.until(lambda: told_to_the_end(world, request))
    assert len(ticket) >= 10

    # Audit: offline, without the server's word.
    verified = await world.cli("--json", "audit", "verify")
    assert verified.code == 0, verified.out + verified.err
    again = await world.ask()
    assert again != request


async def told_to_the_end(world: Deployment, request: str) -> list[Any]:
    lines: list[Any] = await world.part(request, "ticket")
    return lines if any("review" in line["text"].lower() and "signed" in line["text"].lower() for line in lines) else []


async def scp_and_sftp(world: Deployment, folder: Path) -> None:
    options = [o for o in world.alice._ssh[1:] if o != "-T"]
    options = ["-P" if o == "-p" else o for o in options]
    sent, back = folder / "sent.bin", folder / "back.bin"
    sent.write_bytes(bytes(range(256)) * 4096)
    host = f"alice+{TARGET}@breakglass"
    for command in (
        ["scp", *options, str(sent), f"{host}:copied.bin"],
        ["scp", *options, f"{host}:copied.bin", str(back)],
    ):
        done = await run(command)
        assert done.code == 0, done.err
    assert back.read_bytes() == sent.read_bytes()
    assert (world.account.home / "copied.bin").stat().st_size == 1 << 20
    listed = await run(["sftp", *options, "-b", "-", host], b"ls copied.bin\n")
    assert "copied.bin" in listed.out, listed.err


@pytest.mark.usefixtures("database")
async def test_a_kill_cuts_within_a_second_and_bars_the_way_back(world: Deployment) -> None:
    await world.granted()
    session = asyncio.create_task(world.ssh("sleep 60"))
    running = await world.until(lambda: running_session(world))
    began = time.monotonic()
    await world.bo.call("POST", f"/api/sessions/{running}/kill", {"why": "that is not what was asked for"})
    ran = await session
    took = time.monotonic() - began
    assert ran.code != 0
    assert took < 1.0, took
    assert "that is not what was asked for" in ran.err
    assert (await world.ssh("true")).code != 0


async def test_who_waits_at_the_door_is_let_in_when_the_others_have_signed(world: Deployment) -> None:
    request = await world.ask()
    came = asyncio.create_task(world.ssh(stdin=b"echo ma''rker; exit\n", terminal=True))
    for login in ("bo", "dana"):
        await asyncio.sleep(1)
        await world.decide(login, request)
    ran = await came
    assert "marker" in ran.out, ran.err
    said = ran.out + ran.err
    assert "0 of 2 approvals" in said
    assert "1 of 2 approvals" in said
    log = await world.ivy.call("GET", "/api/audit/entries?kind=refused")
    assert not log, "waiting was written down as refusals"


async def running_session(world: Deployment) -> str:
    sessions = await world.bo.call("GET", "/api/sessions")
    return next((one["id"] for one in sessions if one["state"] == "running"), "")


async def test_the_end_of_the_time_cuts_within_a_second(world: Deployment) -> None:
    request, _ = await world.granted(minutes=1)
    ends_at = datetime.fromisoformat((await world.part(request, "grant"))["ends_at"])
    ran = await run([*world.alice._ssh, "-T", f"alice+{TARGET}@breakglass", "sleep 90"], timeout=90)
    late = (datetime.now(UTC) - ends_at).total_seconds()
    assert ran.code != 0
    assert -1 < late < 1, late
    assert "time is over" in ran.err


async def test_bad_requests_are_told_what_to_do(world: Deployment) -> None:
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "target": ({"target": "nowhere"}, "not_found"),
        "condition": ({"condition": "cnd_none"}, "not_found"),
        "empty reason": ({"reason": " "}, "malformed"),
        "long reason": ({"reason": "x" * 501}, "malformed"),
        "too long": ({"minutes": 100000}, "malformed"),
        "no time": ({"minutes": 0}, "malformed"),
        "account": ({"account": "nobody"}, "not_found"),
    }
    for name, (change, code) in wrong.items():
        body: dict[str, Any] = {"target": TARGET, "condition": CONDITION, "reason": "down", "minutes": 30, **change}
        error = await refused(world.alice.call("POST", "/api/requests", body), code)
        assert error.what_to_do, name
    await refused(world.alice.call("GET", "/api/requests/req_%00"), "malformed")
    await refused(world.alice.call("POST", f"/api/accounts/{ACCOUNT}/rotate"), "forbidden")
