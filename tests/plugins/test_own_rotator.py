"""The rotator that the guide shows, as somebody would write it: the code of docs/rotators.md, on a real Redis."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from breakglass.errors import OutcomeUnknown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Place, Rotator
from breakglass.plugins.in_tls.stream import connected
from breakglass.testing.rotator_contract import Linger, RotatorContract, fresh_secret
from tests.plugins.unix import Direct
from tests.servers.redis import Redis, running_redis

GUIDE = Path(__file__).parents[2] / "docs" / "rotators.md"


def shown() -> str:
    [code] = [one for one in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL) if "class Redis" in one]
    return str(code)


@pytest.fixture
def rotator() -> Rotator:
    module: Any = ModuleType("shown")
    exec(compile(shown(), "docs/rotators.md", "exec"), module.__dict__)  # noqa: S102 (the guide's own code)
    made: Rotator = module.plugin()
    return made


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with running_redis(tmp_path / "redis") as redis:
        yield redis


def place_of(redis: Redis) -> Place:
    endpoint = Endpoint(protocol=Protocol.TLS, host="127.0.0.1", port=redis.port, host_key=redis.tls.pin)
    return Place(dial=Direct(), endpoint=endpoint, username="ops")


@pytest.fixture
def place(redis: Redis) -> Place:
    return place_of(redis)


@pytest.fixture
def current(redis: Redis) -> Secret:
    return redis.first


class TestShown(RotatorContract):
    @pytest.fixture
    async def linger(self, place: Place) -> Any:
        async with AsyncExitStack() as stack:

            async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
                reader, writer = await stack.enter_async_context(connected(place, within=timedelta(seconds=5)))

                async def says(line: bytes) -> bytes:
                    try:
                        writer.write(line + b"\r\n")
                        await writer.drain()
                        return await reader.readline()
                    except OSError:
                        return b""

                assert await says(b"AUTH ops " + secret.reveal()) == b"+OK\r\n"

                async def still_runs() -> bool:
                    return await says(b"PING") == b"+PONG\r\n"

                return still_runs

            linger: Linger = start
            yield linger


def test_it_is_as_short_as_the_guide_says() -> None:
    lines = [one for one in shown().splitlines() if one.strip()]
    assert len(lines) <= 55
    assert max(map(len, lines)) <= 120


async def test_a_password_outlives_the_server(rotator: Rotator, redis: Redis, place: Place) -> None:
    new = fresh_secret()
    before = redis.users.read_text()
    await rotator.change(place, redis.first, new)
    assert redis.users.read_text() != before  # `ACL SAVE`


async def test_rights_that_are_missing(rotator: Rotator, tmp_path: Path) -> None:
    with running_redis(tmp_path / "no", rights="+@all -acl") as redis:
        with pytest.raises(ChangeRefused, match="ops"):
            await rotator.change(place_of(redis), redis.first, fresh_secret())
        assert await rotator.works(place_of(redis), redis.first)
    with running_redis(tmp_path / "half", rights="+@all -acl|save") as redis:
        new = fresh_secret()
        with pytest.raises(OutcomeUnknown):  # it is set, and would be gone with the next start: that is no yes
            await rotator.change(place_of(redis), redis.first, new)
        assert await rotator.works(place_of(redis), new)


async def test_a_login_that_is_not_there(rotator: Rotator, place: Place) -> None:
    assert not await rotator.works(replace(place, username="nobody"), fresh_secret())
