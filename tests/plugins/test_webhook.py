"""The rotator `webhook` against a service on loopback, in TLS."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from breakglass.errors import Malformed, OutcomeUnknown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Place, Rotator
from breakglass.plugins.webhook import plugin
from breakglass.testing.rotator_contract import Linger, RotatorContract, fresh_secret
from tests.plugins.unix import Direct
from tests.servers.hook import Hook, running_hook


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    with running_hook(tmp_path / "hook") as hook:
        yield hook


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
def place(hook: Hook) -> Place:
    endpoint = Endpoint(protocol=Protocol.HTTPS, host="127.0.0.1", port=hook.port, host_key=hook.tls.pin)
    return Place(dial=Direct(), endpoint=endpoint, username="plc-7")


@pytest.fixture
def current(hook: Hook) -> Secret:
    secret = fresh_secret()
    hook.passwords["plc-7"] = secret.reveal().decode()
    return secret


class TestHook(RotatorContract):
    @pytest.fixture
    def linger(self, hook: Hook) -> Linger:
        async def start(secret: Secret) -> Callable[[], Awaitable[bool]]:
            hook.runs.add("plc-7")

            async def still_runs() -> bool:
                return "plc-7" in hook.runs

            return still_runs

        return start


@pytest.mark.parametrize("answer", [(500, b""), (200, b"no json"), (200, b"[]"), (200, b'{"works": 1}'), (404, b"{}")])
async def test_an_odd_answer_decides_nothing(
    rotator: Rotator, place: Place, current: Secret, hook: Hook, answer: Any
) -> None:
    hook.answer = answer
    with pytest.raises(OutcomeUnknown):
        await rotator.works(place, current)
    with pytest.raises(OutcomeUnknown):
        await rotator.end_remains(place, current)
    if answer[0] != 200:
        with pytest.raises(OutcomeUnknown):
            await rotator.change(place, current, fresh_secret())


async def test_a_definite_no_is_a_refusal(rotator: Rotator, place: Place, current: Secret) -> None:
    with pytest.raises(ChangeRefused):
        await rotator.change(place, current, Secret(b"short"))
    assert await rotator.works(place, current)


async def test_what_remains_is_told_in_plain_words(rotator: Rotator, place: Place, current: Secret, hook: Hook) -> None:
    hook.answer = (200, b'{"remains": [{"kind": "session", "what": "tty1\\n\\u202eevil"}]}')
    [left] = await rotator.end_remains(place, current)
    assert (left.kind, left.what) == ("session", "tty1 evil")


@pytest.mark.parametrize("path", ["", "no-slash", "/a b", "/a?x=1", "/../", "/a\r\nHost: evil"])
async def test_a_path_that_is_none(rotator: Rotator, place: Place, current: Secret, path: str) -> None:
    with pytest.raises(Malformed):
        await rotator.works(replace(place, options={"path": path}), current)
