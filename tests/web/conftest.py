"""A founded town and its pages, without a socket; people come signed in by token. And a running deployment with
Chromium before it, one for a module.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser

from breakglass.http.house import House
from breakglass.web.app import make
from tests.deployment import Deployment, deployed
from tests.kit import Town
from tests.servers.sshd import make_account, running_sshd
from tests.web.browser import chromium
from tests.web.visitor import Visitor

Come = Callable[[str], Awaitable[Visitor]]


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path) as town:
        yield town


@pytest.fixture
def app(town: Town) -> FastAPI:
    return make(House(town.services()))


@pytest.fixture
def come(app: FastAPI, town: Town) -> Come:
    async def come(login: str) -> Visitor:
        return await Visitor(app, town, login).sign_in()

    return come


@pytest.fixture(scope="module")
def shared() -> str:
    """The address of the database on which a module's deployment runs; empty for the embedded one. A module that runs
    on both says so with a fixture of its own."""
    return ""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, shared: str) -> AsyncIterator[Deployment]:
    folder: Path = tmp_path_factory.mktemp("deployed")
    async with running_sshd(folder / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(folder, sshd, account, database=shared) as deployment:
                yield deployment


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser
