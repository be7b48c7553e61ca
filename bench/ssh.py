"""SSH through the gateway, recording on, against OpenSSH's own jump host and against no gateway at all.

Names without a suffix compare with `ssh -J`, those ending in `.direct` with plain `ssh`. Two rows inform beyond them:
`ssh.bulk_down.whole` records the whole stream instead of the policy's first 16 MiB and the hash of the rest, and
`ssh.setup.rotating` logs in to an account whose password changes after every login, which the next login waits for.
"""

import asyncio
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import memory
from bench.measure import DIRECT, OURS, Lap, Row, Side, Wanted, in_turn, rows
from bench.streams import Echo, client, down, up
from bench.ways import Ways, opened

SUITE = "ssh"
JUMP = "ssh -J"
BULK = 200_000_000
BULK_LAPS = 5
FILE = 50_000_000
SETUP_LAPS = 10
KEY_LAPS, KEYS = 5, 200
KEY_PAUSE = 0.004
"""Seconds between two keystrokes: nobody's machine is busy with the last one any more."""
WARM, IDLE, IDLE_LOGINS = 10, 50, 16
"""Terminals before the memory is looked at, and more of them until it is looked at again; for sshd fewer will do: each
of its logins has processes of its own."""
SETTLE = 2.0


async def measure(wanted: Wanted, folder: Path) -> AsyncIterator[Row]:
    async with opened(folder) as ways:
        # Memory first: a node that has moved bulk data already holds what new sessions would need.
        parts = (_memory, _keys, _setup, _bulk_down, _bulk_up, _scp)
        for part in parts:
            async for row in part(wanted, ways, folder):
                yield row


async def _bulk_down(wanted: Wanted, ways: Ways, _: Path) -> AsyncIterator[Row]:
    if wanted("ssh.bulk_down"):
        laps = await in_turn(BULK_LAPS, _sides(ways, lambda ssh: down(ssh, BULK)))
        for row in rows("ssh.bulk_down", "MB/s", laps):
            yield row
    if wanted("ssh.bulk_down.whole"):
        sides: dict[str, Side] = {
            OURS: lambda: asyncio.to_thread(down, ways.ssh("-T", "gate-whole"), BULK),
            JUMP: lambda: asyncio.to_thread(down, ways.through_jump, BULK),
        }
        for row in rows("ssh.bulk_down.whole", "MB/s", await in_turn(3, sides)):
            yield row


async def _bulk_up(wanted: Wanted, ways: Ways, _: Path) -> AsyncIterator[Row]:
    if wanted("ssh.bulk_up"):
        laps = await in_turn(BULK_LAPS, _sides(ways, lambda ssh: up(ssh, BULK)))
        for row in rows("ssh.bulk_up", "MB/s", laps):
            yield row


async def _scp(wanted: Wanted, ways: Ways, folder: Path) -> AsyncIterator[Row]:
    """The whole command, as people wait for it: with its set-up."""
    if not wanted("ssh.scp"):
        return
    file = folder / "file"
    file.write_bytes(bytes(FILE))
    scp = ["scp", "-q", "-F", str(ways.config)]

    def side(*to: str) -> Side:
        return lambda: asyncio.to_thread(_took, [*scp, *to[:-1], str(file), f"{to[-1]}:bench.bin"])

    sides = {OURS: side("gate-steady"), JUMP: side("-J", "jump", "target"), DIRECT: side("target")}
    seconds = await in_turn(BULK_LAPS, sides)
    for row in rows("ssh.scp", "MB/s", [{name: FILE / took / 1e6 for name, took in lap.items()} for lap in seconds]):
        yield row


async def _keys(wanted: Wanted, ways: Ways, _: Path) -> AsyncIterator[Row]:
    """One terminal a side stays open; keystrokes go through each in turn, so that all meet the same noise."""
    if not (wanted("ssh.key_p50") or wanted("ssh.key_p99")):
        return
    laps = await asyncio.to_thread(_typed, ways)
    for name, percent in (("ssh.key_p50", 50), ("ssh.key_p99", 99)):
        for row in rows(name, "ms", [{side: _percentile(all, percent) for side, all in lap.items()} for lap in laps]):
            yield row


def _typed(ways: Ways) -> list[dict[str, list[float]]]:
    tails = {OURS: ["gate-steady"], JUMP: ["-J", "jump", "target"], DIRECT: ["target"]}
    laps = []
    with ExitStack() as stack:
        echoes = {
            side: Echo(stack.enter_context(client([*ways.ssh("-tt", *to), Echo.COMMAND]))) for side, to in tails.items()
        }
        for _ in range(KEY_LAPS):
            lap: dict[str, list[float]] = {side: [] for side in echoes}
            for _ in range(KEYS):
                for side, echo in echoes.items():
                    lap[side].append(echo.trip())
                    time.sleep(KEY_PAUSE)
            laps.append(lap)
    return laps


def _percentile(samples: Sequence[float], percent: int) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


async def _setup(wanted: Wanted, ways: Ways, _: Path) -> AsyncIterator[Row]:
    """`ssh … true`, from start to end of the client."""
    if wanted("ssh.setup"):
        laps = await in_turn(SETUP_LAPS, _sides(ways, lambda ssh: 1000 * _took([*ssh, "true"])))
        for row in rows("ssh.setup", "ms", laps):
            yield row
    if wanted("ssh.setup.rotating"):
        sides: dict[str, Side] = {
            OURS: lambda: asyncio.to_thread(lambda: 1000 * _took([*ways.ssh("-T", "gate-eager"), "true"])),
            JUMP: lambda: asyncio.to_thread(lambda: 1000 * _took([*ways.through_jump, "true"])),
        }
        for row in rows("ssh.setup.rotating", "ms", await in_turn(4, sides)):
            yield row


async def _memory(wanted: Wanted, ways: Ways, _: Path) -> AsyncIterator[Row]:
    """What the gateway's process grows by for an idle recorded terminal; what sshd's processes hold for one login."""
    if not wanted("ssh.rss_session"):
        return
    lap: Lap = await asyncio.to_thread(_grown, ways)
    for row in rows("ssh.rss_session", "kB", [lap]):
        yield row


def _grown(ways: Ways) -> dict[str, float]:
    node, jump, target = ways.node, int(ways.jump.read_text()), int(ways.target.read_text())
    return {
        # A grant carries 32 sessions: two accounts share them.
        OURS: _per_session(
            [ways.ssh("-tt", f"gate-{n}") for n in ("steady", "whole")], IDLE, lambda: memory.held([node])
        ),
        JUMP: _per_session(
            [ways.ssh("-tt", "-J", "jump", "target")], IDLE_LOGINS, lambda: memory.held(memory.below(jump))
        ),
        DIRECT: _per_session([ways.ssh("-tt", "target")], IDLE_LOGINS, lambda: memory.held(memory.below(target))),
    }


def _per_session(clients: Sequence[list[str]], count: int, held: Callable[[], int]) -> float:
    """kB that `held` grows by for each of `count` terminals."""
    with ExitStack() as stack:

        def more(number: int) -> int:
            for n in range(number):
                Echo(stack.enter_context(client([*clients[n % len(clients)], Echo.COMMAND])))
            time.sleep(SETTLE)
            return held()

        before = more(WARM)
        return (more(count) - before) / count / 1000


def _sides(ways: Ways, work: Callable[[list[str]], float]) -> dict[str, Side]:
    """The same work, in a thread, over each of the three ways."""
    return {
        OURS: lambda: asyncio.to_thread(work, ways.ours),
        JUMP: lambda: asyncio.to_thread(work, ways.through_jump),
        DIRECT: lambda: asyncio.to_thread(work, ways.direct),
    }


def _took(command: Sequence[str]) -> float:
    """Seconds until the command has ended, well."""
    began = time.perf_counter()
    ended = subprocess.run(
        command, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60
    )
    took = time.perf_counter() - began
    assert ended.returncode == 0, f"{command[0]} ended with {ended.returncode}: {ended.stderr.decode()[-500:]}"
    return took
