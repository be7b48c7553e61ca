"""A founded town and its pages, without a socket; people come signed in by token."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from breakglass.http.house import House
from breakglass.web.app import make
from tests.kit import Town
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
