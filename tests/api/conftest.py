"""A founded town, its application, and people who are signed in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from breakglass.api.app import make
from tests.api.client import Client
from tests.kit import Town

Come = Callable[[str], Awaitable[Client]]


@pytest.fixture
async def town(tmp_path: Path, database: str) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, database=database) as town:
        yield town


@pytest.fixture
def app(town: Town) -> FastAPI:
    return make(town.services())


@pytest.fixture
def come(app: FastAPI, town: Town) -> Come:
    """`await come("alice")`: a client who is signed in."""

    async def come(login: str) -> Client:
        return await Client(app, town, login).sign_in()

    return come
