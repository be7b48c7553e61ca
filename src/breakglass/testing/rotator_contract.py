"""What every rotator must keep, as tests: subclass it, give the fixtures, and run pytest (asyncio mode `auto`).

class TestMine(RotatorContract):
    @pytest.fixture
    def rotator(self): ...          the rotator under test
    @pytest.fixture
    async def place(self): ...      one login on a real target, fresh for each test
    @pytest.fixture
    def current(self, place): ...   the Secret that works there now
    @pytest.fixture
    def linger(self, place): ...    async (secret) -> async () -> bool: starts something as the account on the target,
                                    signed in with that secret, and gives a way to ask whether it still runs
    @pytest.fixture
    def leave(self, place): ...     async (secret) -> str: leaves something on the target that outlives a session, and
                                    gives words that name it; only for a rotator with `traces`
    def make(): ...                 a new secret, where it is no password

rotator promise                                     proven by
change, then new works and old is refused           test_change_is_proven
the same change again is no error                   test_the_same_change_twice
a definite no changes nothing                       test_a_wrong_current_password_changes_nothing
nothing sent is told as nothing sent                test_an_unreachable_target_is_down
a false host key stops everything                   test_another_host_key_is_an_alarm (endpoints with a pinned key)
nothing of the account is left                      test_what_runs_as_the_account_is_ended
what people leave behind is seen                    test_what_is_left_behind_is_seen (rotators that look)
a lost connection is told as what it is             test_a_connection_that_is_cut_anywhere_tells_the_truth
no error text holds a secret                        in each of them
"""
# ruff: noqa: S101 (pytest's asserts are what a contract is made of)

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from breakglass.codec import x509 as pins
from breakglass.errors import BreakglassError, HostKeyMismatch, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, PasswordRules, Protocol
from breakglass.model.trace import Trace, difference, kept
from breakglass.plugin_api.dial import Dial
from breakglass.plugin_api.rotator import ChangeRefused, Looks, Place, Rotator

Linger = Callable[[Secret], Awaitable[Callable[[], Awaitable[bool]]]]
Leave = Callable[[Secret], Awaitable[str]]


class NoWay:
    """A dial towards a target that isn't there."""

    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        raise ConnectionRefusedError("nobody listens")


class Cut:
    """A dial whose connections break after so many writes of the client: the last one still goes out, and nothing comes
    back any more."""

    def __init__(self, real: Dial, after: int) -> None:
        self._real, self._left, self.happened = real, after, False

    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int, **options: Any
    ) -> tuple[asyncio.BaseTransport, Any]:
        protocol = factory()
        transport, _ = await self._real.create_connection(lambda: _Deaf(self, protocol), host, port, **options)
        return transport, protocol

    def wrote(self, transport: Any) -> None:
        self._left -= 1
        if self._left == 0:
            self.happened = True
            transport.close()


class _Counting(asyncio.Transport):
    """Tells of each write, and is else the transport that it stands for."""

    def __init__(self, cut: Cut, real: Any) -> None:
        super().__init__()
        self._cut, self._real = cut, real

    def __getattribute__(self, name: str) -> Any:
        if name in ("write", "writelines", "_cut", "_real"):
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "_real"), name)

    def write(self, data: Any) -> None:
        self._real.write(data)
        self._cut.wrote(self._real)

    def writelines(self, parts: Any) -> None:
        self.write(b"".join(parts))


class _Deaf(asyncio.Protocol):
    """Passes on what comes, until the cut."""

    def __init__(self, cut: Cut, real: Any) -> None:
        self._cut, self._real = cut, real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def connection_made(self, transport: Any) -> None:
        self._real.connection_made(_Counting(self._cut, transport))

    def data_received(self, data: bytes) -> None:
        if not self._cut.happened:
            self._real.data_received(data)

    def eof_received(self) -> bool | None:
        return bool(self._real.eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        self._real.connection_lost(error)


def fresh_secret(rules: PasswordRules | None = None) -> Secret:
    rules = rules or PasswordRules()
    return Secret("".join(secrets.choice(rules.alphabet) for _ in range(rules.length)).encode())


def other_host_key() -> str:
    """A host key that nobody has."""
    return Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def other_pin(endpoint: Endpoint) -> str:
    """A host key or certificate that nobody has."""
    if endpoint.protocol is Protocol.SSH:
        return other_host_key()
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    return pins.line(builder.sign(key, None).public_bytes(Encoding.DER))


def holds_no_secret(error: BaseException, *known: Secret) -> None:
    """Asserts that neither the error nor what hangs on it shows one of the secrets."""
    seen: BaseException | None = error
    while seen is not None:
        words = [repr(seen), str(seen), *(str(getattr(seen, name, "")) for name in ("what_to_do", "about"))]
        assert not any(secret.reveal().decode() in word for secret in known for word in words)
        seen = seen.__cause__ or seen.__context__


class RotatorContract:
    """See the module."""

    MOST_WRITES = 80

    @staticmethod
    def make() -> Secret:
        """A new secret as the vault would make it."""
        return fresh_secret()

    @pytest.fixture
    def new(self) -> Secret:
        return self.make()

    async def test_change_is_proven(self, rotator: Rotator, place: Place, current: Secret, new: Secret) -> None:
        assert await rotator.works(place, current) is True
        assert await rotator.works(place, new) is False
        await rotator.change(place, current, new)
        assert await rotator.works(place, new) is True
        assert await rotator.works(place, current) is False

    async def test_the_same_change_twice(self, rotator: Rotator, place: Place, current: Secret, new: Secret) -> None:
        await rotator.change(place, current, new)
        await rotator.change(place, current, new)
        await rotator.change(place, new, new)
        assert await rotator.works(place, new) is True

    async def test_a_wrong_current_password_changes_nothing(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret
    ) -> None:
        wrong = self.make()
        with pytest.raises(ChangeRefused) as refused:
            await rotator.change(place, wrong, new)
        holds_no_secret(refused.value, wrong, new, current)
        assert refused.value.what_to_do
        assert await rotator.works(place, current) is True
        assert await rotator.works(place, new) is False

    async def test_an_unreachable_target_is_down(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret
    ) -> None:
        nowhere = replace(place, dial=NoWay())
        for act in (
            rotator.change(nowhere, current, new),
            rotator.works(nowhere, current),
            rotator.end_remains(nowhere, current),
        ):
            with pytest.raises(TargetDown) as down:
                await act
            holds_no_secret(down.value, current, new)

    async def test_another_host_key_is_an_alarm(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret
    ) -> None:
        if not place.endpoint.host_key:
            return
        elsewhere = replace(place, endpoint=replace(place.endpoint, host_key=other_pin(place.endpoint)))
        for act in (
            rotator.change(elsewhere, current, new),
            rotator.works(elsewhere, current),
            rotator.end_remains(elsewhere, current),
        ):
            with pytest.raises(HostKeyMismatch) as alarm:
                await act
            assert alarm.value.what_to_do
            holds_no_secret(alarm.value, current, new)
        assert await rotator.works(place, current) is True

    async def test_what_runs_as_the_account_is_ended(
        self, rotator: Rotator, place: Place, current: Secret, linger: Linger
    ) -> None:
        still_runs = await linger(current)
        assert await still_runs()
        assert list(await rotator.end_remains(place, current)) == []
        assert not await still_runs()
        assert list(await rotator.end_remains(place, current)) == []
        assert await rotator.works(place, current) is True

    async def test_a_connection_that_is_cut_anywhere_tells_the_truth(
        self, rotator: Rotator, place: Place, current: Secret
    ) -> None:
        """Cut after the client's first write, its second, … until a change gets through: what was said must be true."""
        works = current
        for cut_after in range(1, self.MOST_WRITES):
            new, cut = self.make(), Cut(place.dial, cut_after)
            told = await _told(rotator.change(replace(place, dial=cut), works, new))
            if told is not None:
                holds_no_secret(told, works, new)
            if told is None:
                assert await rotator.works(place, new) is True, f"cut at {cut_after}: it was not set"
                works = new
            elif isinstance(told, OutcomeUnknown) and await _comes_to_work(rotator, place, new):
                works = new
            assert await rotator.works(place, works) is True, f"cut at {cut_after}: {told!r} is not true"
            if told is None and not cut.happened:
                return
        raise AssertionError("a change makes more writes than any has")

    async def test_what_is_left_behind_is_seen(
        self, rotator: Rotator, place: Place, current: Secret, new: Secret, request: pytest.FixtureRequest
    ) -> None:
        if not isinstance(rotator, Looks):
            return
        leave: Leave = request.getfixturevalue("leave")
        before = await rotator.traces(place, current)
        await rotator.change(place, current, new)
        after = await rotator.traces(place, new)
        assert own(before, after, place.username) == (), "what the rotator itself keeps is no trace"
        left = await leave(new)
        assert any(left in line for line in difference(kept(before), await rotator.traces(place, new)))


def own(before: Sequence[Trace], after: Sequence[Trace], username: str) -> tuple[str, ...]:
    """The difference that is about this account: others may use the machine at the same time."""
    return tuple(line for line in difference(kept(before), after) if username in line)


async def _comes_to_work(rotator: Rotator, place: Place, new: Secret) -> bool:
    """A request that was cut off may still be under way on the target for a moment."""
    for _ in range(6):
        if await rotator.works(place, new):
            return True
        await asyncio.sleep(0.25)
    return False


async def _told(act: Awaitable[None]) -> BreakglassError | None:
    """What a change told beside yes."""
    try:
        await act
    except (ChangeRefused, TargetDown, OutcomeUnknown) as error:
        return error
    return None
