"""One engine in a process of its own, which the grid kills: a real store, a real rotator, a real target.

    python -m tests.rotation.grid_child CONFIG.json      exit status 0 when the rotation is done

The trouble happens in `change`, once (a marker file remembers), around the real act:

    lost-reply    it happened, and nobody hears of it        late       it happens later, after the answer is lost
    lost-request  it never happened, and nobody knows        refusal    the target says no
    timeout       no answer comes
"""

import asyncio
import importlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

from breakglass.errors import OutcomeUnknown
from breakglass.flow import rotate
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.model.rotation import Rotation, State
from breakglass.model.secret import Secret
from breakglass.model.target import Account, AccountId, Endpoint, Protocol, TargetId
from breakglass.plugin_api.rotator import ChangeRefused, Helper, Place, Rotator
from breakglass.rotation import hold
from breakglass.rotation.engine import Engine
from breakglass.storage.store import Store
from breakglass.testing.rotator_contract import fresh_secret
from tests.plugins.unix import Direct
from tests.rotation.world import Tally

SEAL = b"sealed:"
ACT_WITHIN = 3.0
LATE = 1.0
HELPER = AccountId("acc_helper")


class Clock:
    def __init__(self, ahead: float) -> None:
        self.ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def monotonic(self) -> float:
        return monotonic()


class Troubled:
    """A real rotator with one trouble in its first `change`."""

    def __init__(self, real: Rotator, trouble: str, marker: Path, *, in_reset: bool) -> None:
        self._in_reset = in_reset
        self.name, self._real, self._trouble, self._marker = real.name, real, trouble, marker
        self._late: set[asyncio.Task[None]] = set()

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        if self._in_reset:
            await self._real.change(place, current, new)
            return
        if self._trouble == "ok" or self._marker.exists():
            await self._real.change(place, current, new)
            return
        self._marker.touch()
        match self._trouble:
            case "lost-reply":
                await self._real.change(place, current, new)
            case "late":
                kept = Secret(current.reveal()), Secret(new.reveal())
                self._late.add(asyncio.ensure_future(self._land(place, *kept)))
            case "refusal":
                raise ChangeRefused("not this one", what_to_do="")
            case "timeout":
                await asyncio.sleep(60)
        raise OutcomeUnknown("no answer", what_to_do="")

    async def _land(self, place: Place, current: Secret, new: Secret) -> None:
        await asyncio.sleep(LATE)
        with suppress(ChangeRefused):  # the engine was faster
            await self._real.change(place, current, new)

    async def works(self, place: Place, secret: Secret) -> bool:
        return await self._real.works(place, secret)

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Any]:
        return await self._real.end_remains(place, secret)

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        """The same troubles, in the first reset."""
        real: Any = self._real
        if self._trouble == "ok" or self._marker.exists():
            await real.reset(place, helper, new)
            return
        self._marker.touch()
        match self._trouble:
            case "lost-reply":
                await real.reset(place, helper, new)
            case "late":
                kept = Helper(place=helper.place, secret=Secret(helper.secret.reveal())), Secret(new.reveal())
                self._late.add(asyncio.ensure_future(self._reset_later(place, *kept)))
            case "refusal":
                raise ChangeRefused("not this one", what_to_do="")
            case "timeout":
                await asyncio.sleep(60)
        raise OutcomeUnknown("no answer", what_to_do="")

    async def _reset_later(self, place: Place, helper: Helper, new: Secret) -> None:
        await asyncio.sleep(LATE)
        real: Any = self._real
        await real.reset(place, helper, new)

    async def landed(self) -> None:
        await asyncio.gather(*self._late)


class OpenVault:
    """The vault's client and `Releases` in one: what is sealed stands behind a word."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def must_be_open(self) -> None:
        """It always is."""

    def mint(self, account: str, credential: str, version: int, /) -> bytes:
        return SEAL + fresh_secret().reveal()

    def check(self, account: str, deposited: Any, /) -> None:
        assert deposited.blob.startswith(SEAL)

    async def tell(self, about: str, actor: Any, step: Any, /, *args: Any) -> Any:
        return SimpleNamespace(value=(await self.store.run(actor, step, *args)).value, proven=None)

    @asynccontextmanager
    async def rotation(
        self, rotation: str, account: Account, endpoint: Endpoint, wanted: Any, purpose: str, proven: Any, /
    ) -> AsyncIterator[Sequence[Secret]]:
        yield [Secret(one.sealed.removeprefix(SEAL)) for one in wanted]

    @asynccontextmanager
    async def help(self, account: str, endpoint: Endpoint, credential: Any, proven: Any, /) -> AsyncIterator[Secret]:
        with Secret(credential.sealed.removeprefix(SEAL)) as secret:
            yield secret


def opened(config: dict[str, Any], clock: Clock | None = None) -> Store:
    store = Store(f"sqlite:///{config['database']}", Tally(), CONSEQUENCES, clock or Clock(0))
    store.start()
    return store


def rotator(config: dict[str, Any]) -> Rotator:
    made: Rotator = importlib.import_module(config["module"]).plugin()
    return made


def endpoint_of(config: dict[str, Any]) -> Endpoint:
    protocol = Protocol(config["protocol"])
    return Endpoint(protocol=protocol, host="127.0.0.1", port=config["port"], host_key=config["pin"])


def account_of(config: dict[str, Any]) -> Account:
    return Account(
        id=config["account"], name="one", target=TargetId("tgt_one"), username=config["username"],
        justification="it is needed", scenario="everything is down", policy="pol_two", rotator=rotator(config).name,
        rotator_options={"lockout": "50/5", **config["options"]},
        helper=HELPER if "helper" in config else None,
    )  # fmt: skip


def helper_of(config: dict[str, Any]) -> Account:
    """The account that helps, where the configuration has one."""
    named = config.get("helper", {"username": "", "options": {}})
    return replace(
        account_of(config), id=HELPER, username=named["username"], helper=None, rotator_options=named["options"]
    )


async def main(config: dict[str, Any]) -> int:
    hold.ACT_WITHIN = ACT_WITHIN
    clock = Clock(config.get("ahead", 0))
    store, account, endpoint = opened(config, clock), account_of(config), endpoint_of(config)
    helper = helper_of(config)
    troubled = Troubled(rotator(config), config["trouble"], Path(config["marker"]), in_reset="helper" in config)
    roster = SimpleNamespace(
        account=lambda id: helper if id == HELPER else account, endpoint_of=lambda account: endpoint
    )
    estate, vault, dial = SimpleNamespace(roster=roster), OpenVault(store), Direct()
    engine = Engine(store, estate, vault, vault, {account.rotator: troubled}, dial)  # type: ignore[arg-type]
    until = monotonic() + 40
    while monotonic() < until:
        [rotation] = store.look(lambda look: look.find(Rotation, account=account.id))
        if rotation.state is State.DONE:
            await troubled.landed()
            store.stop()
            return 0
        if await engine.run_one(rotation.id):
            continue
        await asyncio.sleep(0.05)
        if rotation.next_at > store.now() + timedelta(seconds=5):  # nobody waits for that here
            clock.ahead += rotation.next_at - store.now()
    print(rotation, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()))))


__all__ = ["HELPER", "SEAL", "account_of", "endpoint_of", "opened", "rotate", "rotator"]
