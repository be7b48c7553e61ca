"""The emergency with its processes killed (SIGKILL) at each point of the grid: nothing is lost, nothing half done,
people are told what to do meanwhile, the rotation completes, the log verifies; each point is proven to be reached.

The short grid has several deaths in one story, far from each other: each point once, every other one of the database
again on PostgreSQL, and some where the companion dies instead. The nightly one has one death a story: each point, on
each database, of the process that is there and of its companion.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.crash_points import POINTS
from tests.emergency import all_is_well, struck, tell
from tests.servers.postgres import Postgres
from tests.servers.sshd import make_account, running_sshd
from tests.template import Template

pytestmark = [pytest.mark.server, pytest.mark.asyncio(loop_scope="module")]
LONG = 16
"""Deaths in one story of the short grid."""
OF_THE_DATABASE = [one for one in POINTS if one.startswith(("step:", "work.", "migration.", "outbox.", "log."))]
"""Where the other database may make a difference."""


def stories(points: Sequence[str]) -> list[Sequence[str]]:
    count = -(-len(points) // LONG)
    return [points[n::count] for n in range(count)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Template]:
    async with founded(tmp_path_factory.mktemp("embedded")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, migrated: str
) -> AsyncIterator[Template]:
    async with founded(tmp_path_factory.mktemp("shared"), server=postgres, like=migrated) as made:
        yield made


@asynccontextmanager
async def founded(folder: Path, **where: Any) -> AsyncIterator[Template]:
    async with running_sshd(folder / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with Template.made(folder, sshd, account, **where) as made:
                yield made


@pytest.mark.parametrize("story", range(len(stories(POINTS))))
async def test_many_deaths(embedded: Template, tmp_path: Path, story: int) -> None:
    await lived_through(embedded, tmp_path, stories(POINTS)[story])


@pytest.mark.parametrize("story", range(len(stories(OF_THE_DATABASE[::2]))))
async def test_many_deaths_on_postgresql(shared: Template, tmp_path: Path, story: int) -> None:
    await lived_through(shared, tmp_path, stories(OF_THE_DATABASE[::2])[story])


async def test_many_deaths_of_the_companion(embedded: Template, tmp_path: Path) -> None:
    await lived_through(embedded, tmp_path, POINTS[5::11], other=True)


@pytest.mark.nightly
@pytest.mark.parametrize("other", [False, True], ids=["itself", "other"])
@pytest.mark.parametrize("where", ["embedded", "shared"])
@pytest.mark.parametrize("point", POINTS)
async def test_killed_at(
    embedded: Template, shared: Template, tmp_path: Path, point: str, where: str,
    other: bool,
) -> None:  # fmt: skip
    await lived_through({"embedded": embedded, "shared": shared}[where], tmp_path, [point], other=other)


async def lived_through(template: Template, folder: Path, points: Sequence[str], *, other: bool = False) -> None:
    reached = folder / "reached"
    reached.mkdir()
    async with template.copy(folder) as world:
        try:
            async with struck(world, points, reached, other=other):
                await tell(world)
                await all_is_well(world)
        except BaseException as error:
            error.add_note(f"{len(list(reached.iterdir()))} deaths; the node said at last:\n{said(world.log)}")
            raise
    missed = set(points) - {one.name for one in reached.iterdir()}
    assert not missed, f"the story never reached {missed}"


def said(log: Path) -> str:
    return log.read_text(errors="replace")[-4000:]
