"""A held rotation: the marks of its holder, and the few acts that every part of a turn is made of.

Each mark is a step of `flow.rotate` under the hold's fence. It renews the lease, and `in_time` lets the act after it
end before that lease does. A login that the target may refuse is counted durably before it is tried.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec, TypeVar

from breakglass import faults
from breakglass.errors import BreakglassError, HostKeyMismatch, OutcomeUnknown, Sealed, TargetDown
from breakglass.flow import dormant, rotate
from breakglass.model.credential import Credential
from breakglass.model.dormancy import State as Standing
from breakglass.model.people import SYSTEM
from breakglass.model.rotation import Rotation, State, TakenOver
from breakglass.model.secret import Secret
from breakglass.model.target import Account
from breakglass.plugin_api.rotator import Disables, Place, Rotator
from breakglass.rotation.help import Help
from breakglass.rotation.keeper import Keeper
from breakglass.rotation.lockout import Lockout
from breakglass.rotation.waking import enable, no_helper
from breakglass.storage.store import Store
from breakglass.storage.work import Work
from breakglass.vault.asking import Purpose
from breakglass.vault.clock import ClockWentBack

P = ParamSpec("P")
T = TypeVar("T")
MARGIN = 10.0
"""Seconds of the lease that are left after the longest act: a request that was cut off is over by then."""
ACT_WITHIN = rotate.LEASE.total_seconds() - MARGIN
REACH_WITHIN = 5.0
LONGEST_PAUSE = timedelta(minutes=5)
SO_THAT_IT_DOES_NOT_LOCK = "It waits, so that the target does not lock the account."


class Over(Exception):
    """The turn has put down where it stands, and ends."""


class Hold:
    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        rotator: Rotator,
        place: Place,
        account: Account,
        held: Rotation,
        since: float,
        help: Help | None,
    ) -> None:
        """`since` is the monotonic second before which `held` was claimed."""
        self.store, self.keeper, self.rotator, self.place, self.account = store, keeper, rotator, place, account
        self.held, self._since = held, since
        self.limit = Lockout()
        self.help = help
        self._reached = held.tries == 0
        self._enabled = not isinstance(rotator, Disables)
        """False until this turn has seen that the account may sign in."""

    async def works(self, one: Credential, secret: Secret) -> bool:
        """Whether the target takes it. Counted durably before it is tried."""
        if self.limit.left(self.held) == 0:
            await self.until_forgotten(SO_THAT_IT_DOES_NOT_LOCK)
        before = self.held.guesses
        await self.mark(rotate.guess, one, before + 1)
        try:
            async with self.in_time():
                works = await self.rotator.works(self.place, secret)
        except (TargetDown, HostKeyMismatch):
            self.counted(before)  # nothing was sent
            raise
        except TimeoutError:
            raise OutcomeUnknown(
                "The target did not answer a login in time.", what_to_do="It is tried again."
            ) from None
        if works:
            self.counted(0)
        return works

    async def candidate(self) -> Credential:
        return await self.store.read(rotate.candidate, self.held)

    @asynccontextmanager
    async def open(self, purpose: Purpose, wanted: Sequence[Credential]) -> AsyncIterator[Sequence[Secret]]:
        await self._must_answer()
        await self._enable()
        async with self.keeper.open(self.held, self.account, self.place.endpoint, wanted, purpose) as secrets:
            yield secrets

    async def _must_answer(self) -> None:
        """No secret is taken out for a target that was down the last time, before it takes a connection again."""
        if self._reached:
            return
        endpoint = self.place.endpoint
        try:
            async with asyncio.timeout(REACH_WITHIN):
                transport, _ = await self.place.dial.create_connection(asyncio.Protocol, endpoint.host, endpoint.port)
            transport.close()
        except OSError as error:  # TimeoutError is one
            raise TargetDown(
                f"{endpoint} can't be reached ({type(error).__name__}).", what_to_do="It is tried again."
            ) from None
        self._reached = True

    async def _enable(self) -> None:
        """An account that sleeps between uses can't show which secret works. What is not known to be disabled may."""
        if self._enabled or not isinstance(self.rotator, Disables):
            return
        if not await self.store.read(dormant.may_sleep, self.account):
            self._enabled = True
            return
        if self.help is None:
            raise no_helper(self.account)
        settled = await self.store.read(dormant.settles_at, self.held)
        if settled > self.store.now():
            await self.mark(rotate.give_back, settled, "An earlier request to enable or disable it may be under way.")
            raise Over
        was = await self.run_step(dormant.enabling_to_rotate)
        faults.reach("account.enabling")
        try:
            async with self.in_time(), self.help.given(self.held.id) as helper:
                await enable(self.rotator, self.place, helper)
        except (Sealed, ClockWentBack, TakenOver):
            raise
        except (BreakglassError, TimeoutError) as error:
            if was is not Standing.ENABLED:
                raise OutcomeUnknown(
                    f"It could not be enabled. {words(error)}", what_to_do="It is tried again."
                ) from None
        else:
            await self.run_step(dormant.enabled_to_rotate)
            faults.reach("account.enabled")
        self._enabled = True

    def in_time(self) -> asyncio.Timeout:
        """For an act on the target: it ends before the lease that its mark renewed."""
        return asyncio.timeout(max(0.0, self._since + ACT_WITHIN - self.store.clock.monotonic()))

    def counted(self, guesses: int) -> None:
        """Known here; the next mark puts it down."""
        self.held = replace(self.held, guesses=guesses, guessed_at=self.store.now())

    async def run_step(self, step: Callable[Concatenate[Work, Rotation, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        since = self.store.clock.monotonic()
        done = await self.store.run(SYSTEM, step, self.held, *args, **kwargs)
        self._since = since
        return done.value

    async def mark(
        self, step: Callable[Concatenate[Work, Rotation, P], Rotation], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        self.held = await self.run_step(step, *args, **kwargs)

    async def put_off(
        self, problem: str, code: str, to: State | None = None, not_before: datetime | None = None
    ) -> None:
        until = self.store.now() + pause(self.held.tries)
        await self.mark(rotate.put_off, max(until, not_before or until), problem, code, to)

    async def until_forgotten(self, problem: str) -> None:
        """Wait until the target has forgotten the refused logins."""
        not_before = self.limit.free_at(self.held, self.store.now()) if self.held.guesses else None
        await self.put_off(problem, OutcomeUnknown.code, not_before=not_before)
        raise Over


def pause(tries: int, longest: timedelta = LONGEST_PAUSE) -> timedelta:
    """How long to wait after so many tries: 1 s, 2 s, 4 s … `longest`."""
    return min(longest, timedelta(seconds=2 ** min(tries, 12)))


def words(error: Exception) -> str:
    if isinstance(error, BreakglassError):
        return error.message
    return (
        "The target did not answer in time." if isinstance(error, TimeoutError) else f"It met {type(error).__name__}."
    )


def where(error: BaseException) -> str:
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
