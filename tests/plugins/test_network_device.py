"""The rotator `network-device` against a device that has a prompt and no shell, over real SSH."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import asyncssh
import pytest

from breakglass.errors import Malformed, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, Protocol
from breakglass.plugin_api.rotator import ChangeRefused, Place, Rotator
from breakglass.plugins.network_device import plugin
from breakglass.plugins.network_device.rotator import NetworkDevice
from breakglass.testing.rotator_contract import Linger, RotatorContract, fresh_secret
from tests.plugins.unix import Direct

SCRIPT = (
    "switch# => configure terminal ;; (config)# => username {username} secret {new} ;; (config)# => end ;; "
    "switch# => write memory ;; [OK]"
)


@dataclass
class Device:
    """Echoes what is typed, as devices do; the new password counts from `write memory` on."""

    passwords: dict[str, str] = field(default_factory=dict)
    pending: dict[str, str] = field(default_factory=dict)
    says_no_to: str = ""
    port: int = 0
    pin: str = ""

    async def serve(self, process: "asyncssh.SSHServerProcess[str]") -> None:
        prompt = "switch# "
        process.stdout.write(f"Welcome\r\n{prompt}")
        async for line in process.stdin:
            match line.split():
                case [word, *_] if word == self.says_no_to:
                    process.stdout.write("% Invalid input\r\n")
                case ["configure", "terminal"]:
                    prompt = "switch(config)# "
                case ["username", name, "secret", new]:
                    self.pending[name] = new
                case ["end"]:
                    prompt = "switch# "
                case ["write", "memory"]:
                    self.passwords.update(self.pending)
                    process.stdout.write("Building configuration...\r\n[OK]\r\n")
            process.stdout.write(prompt)
        process.exit(0)


@pytest.fixture
async def device() -> AsyncIterator[Device]:
    made, key = Device(), asyncssh.generate_private_key("ssh-ed25519")

    class Server(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            return made.passwords.get(username) == password

    server = await asyncssh.listen(
        "127.0.0.1", 0, server_factory=Server, server_host_keys=[key], process_factory=made.serve, line_echo=True
    )
    made.port = server.get_port()
    made.pin = " ".join(key.export_public_key().decode().split()[:2])
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
def rotator() -> Rotator:
    return plugin()


@pytest.fixture
def place(device: Device) -> Place:
    endpoint = Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=device.port, host_key=device.pin)
    options = {"script": SCRIPT, "refused": "% Invalid ;; % Bad"}
    return Place(dial=Direct(), endpoint=endpoint, username="rescue", options=options)


@pytest.fixture
def current(device: Device) -> Secret:
    secret = fresh_secret()
    device.passwords["rescue"] = secret.reveal().decode()
    return secret


class TestDevice(RotatorContract):
    @pytest.fixture
    def linger(self) -> Linger:
        raise NotImplementedError

    async def test_what_runs_as_the_account_is_ended(self, rotator: Rotator, place: Place, current: Secret) -> None:  # type: ignore[override]
        """It can't be, and says so."""
        [left] = await rotator.end_remains(place, current)
        assert left.kind == "not looked at"


async def test_a_refusal_before_the_secret_was_typed_changes_nothing(
    rotator: Rotator, place: Place, current: Secret, device: Device
) -> None:
    device.says_no_to = "configure"
    with pytest.raises(ChangeRefused):
        await rotator.change(place, current, fresh_secret())
    assert await rotator.works(place, current)


@pytest.mark.parametrize("word", ["username", "end", "write"])
async def test_a_refusal_after_it_proves_nothing(
    rotator: Rotator, place: Place, current: Secret, device: Device, word: str
) -> None:
    device.says_no_to = word
    with pytest.raises(OutcomeUnknown):
        await rotator.change(place, current, fresh_secret())


async def test_a_prompt_that_never_comes_is_waited_for_in_vain(place: Place, current: Secret) -> None:
    rotator = NetworkDevice(answer_within=timedelta(seconds=0.5))
    other = replace(place, options={"script": "router> => set {new} ;; ok"})
    with pytest.raises(OutcomeUnknown):
        await rotator.works(other, current)
    with pytest.raises(TargetDown):
        await rotator.change(other, current, fresh_secret())


@pytest.mark.parametrize("bad", [b"a b", b"a?b", b'a"b', b"a\nb", b""])
async def test_what_cant_be_typed_is_never_typed(
    rotator: Rotator, place: Place, current: Secret, device: Device, bad: bytes
) -> None:
    with pytest.raises(ChangeRefused):
        await rotator.change(place, current, Secret(bad))
    assert device.pending == {}


@pytest.mark.parametrize(
    "script", ["", "x", "# => {new}", "# => typed ;; ok", " => {new} ;; ok", "# => {new} ;; # => x"]
)
async def test_what_is_no_script_is_said(rotator: Rotator, place: Place, current: Secret, script: str) -> None:
    options: Any = {"script": script}
    with pytest.raises(Malformed):
        await rotator.change(replace(place, options=options), current, fresh_secret())
