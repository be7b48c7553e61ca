"""One person's connection to one target: what is one `Session` in the story.

    first channel ──▶ desk.connect ──┬── refused ──▶ told why in the channel, and what to do
                                     └── opened ──▶ channels … until the order ends it ──▶ both sides cut

The upstream connection is opened by the first channel and shared by later ones (ControlMaster). Every way to end goes
through the order: the person leaves, the target closes, time is over (here on the monotonic clock, in case nobody
orders), the recorder fails, somebody orders it. Then the message is shown and both connections are cut, also when the
person's side has stopped reading.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

import asyncssh

from breakglass.codec.frames import Kind
from breakglass.errors import BreakglassError
from breakglass.gateway.desk import Ask, Caller, Desk, Opened
from breakglass.gateway.limits import Limits
from breakglass.gateway.login import Login
from breakglass.gateway.near import NearConnection
from breakglass.gateway.relay import Near, Relay
from breakglass.gateway.valve import Hold, watch_buffer
from breakglass.gateway.words import Exit, exit_of, refusal
from breakglass.model.policy import Permission

_log = logging.getLogger(__name__)
_CONNECTION = 0  # the number of the connection itself in the recording; channels count from 1
_LAST_CHANNEL = 0xFFFF  # a channel's number is a u16 in the recording
TIME_IS_OVER = "its time is over"
PERSON_LEFT = "the person left"
TARGET_LEFT = "the target closed the connection"
STOPPING = "the gateway is stopping"


class _Over(Exception):
    """Leaves the group of a session's tasks."""


class Visit:
    def __init__(
        self,
        desk: Desk,
        caller: Caller,
        login: Login,
        person: NearConnection,
        *,
        limits: Limits,
        now: Callable[[], datetime],
    ) -> None:
        """`login` names a target. `run` is started by the door when `wanted` is called for the first time."""
        self._desk, self._caller, self._login, self._person = desk, caller, login, person
        self._limits, self._now = limits, now
        self._relays: list[Relay] = []
        self._asking: asyncio.Queue[Relay] = asyncio.Queue()
        self._count = self._noted = 0
        self._notes: list[str] = []
        self._opened: Opened | None = None
        self._task: asyncio.Task[None] | None = None
        self._behind = asyncio.Event()
        self.ask = Ask(kind=Permission.SHELL)
        watch_buffer(person, self._person_full)

    # ── from the door ────────────────────────────────────────────────────────────────────────────────────────────────

    def channel(self, start: Callable[["Visit"], None]) -> Near:
        """One more channel. `start` is called when the first one has said what it wants: then `run` must run."""
        if len(self._relays) >= self._limits.channels or self._count >= _LAST_CHANNEL:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "Too many channels on this connection")
        self._count += 1

        def begin(relay: Relay) -> None:
            self._asking.put_nowait(relay)
            if self._task is None:
                self.ask = relay.ask
                start(self)

        relay = Relay(self._count, self._limits, begin, self._relays.remove)
        self._relays.append(relay)
        return Near(relay)

    def running_as(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    def left(self) -> None:
        """The person's connection is gone."""
        self.end(PERSON_LEFT)

    def stop(self) -> None:
        self.end(STOPPING)

    def end(self, why: str) -> None:
        if self._opened is not None:
            self._opened.order.end(why)
        elif self._task is not None:
            self._task.cancel()

    def note(self, text: str) -> None:
        """Something that the person tried on the connection and that is refused."""
        self._noted += 1
        if self._noted > self._limits.notes:
            return
        if self._noted == self._limits.notes:
            text = "refused: more than is noted here"
        if self._opened is None:
            self._notes.append(text)
        else:
            self._record_note(self._opened, text)

    # ── Held: while the desk decides ─────────────────────────────────────────────────────────────────────────────────

    def say(self, text: str) -> None:
        for relay in self._relays:
            relay.tell(text)

    # ── the session ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """From the first channel to the end. Raises nothing but cancellation."""
        try:
            async with self._desk.connect(self._caller, self._login.account, self._login.target or "", self) as opened:
                self._opened = opened
                try:
                    await self._live(opened)
                finally:
                    opened.order.end(PERSON_LEFT)
                    await self._cut(opened)
        except BreakglassError as fault:
            self._refuse(refusal(fault), exit_of(fault))
        except Exception:
            _log.exception("a session failed")
            self._refuse("The gateway failed. Try again; if it stays so, tell its administrators.", Exit.SOFTWARE)

    def _refuse(self, text: str, status: Exit) -> None:
        for relay in list(self._relays):
            relay.end(text, status)
        # A further channel (ControlMaster) asks anew: somebody may have approved by then.
        self._asking, self._task = asyncio.Queue(), None

    async def _live(self, opened: Opened) -> None:
        watch_buffer(opened.upstream, self._target_full)
        for note in self._notes:
            self._record_note(opened, note)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._open_channels(opened, group))
                group.create_task(self._mind_order(opened))
                group.create_task(self._mind_recorder(opened))
                group.create_task(self._mind_target(opened))
                await opened.order.ended()
                raise _Over
        except* _Over:
            pass
        except* Exception:
            _log.exception("a session failed")
            opened.order.end("the gateway failed")

    async def _open_channels(self, opened: Opened, group: asyncio.TaskGroup) -> None:
        while True:
            relay = await self._asking.get()
            if opened.order.paused:
                _hold(relay, Hold.PAUSED, True)
            group.create_task(relay.open(opened, self._behind.set))

    async def _mind_order(self, opened: Opened) -> None:
        """Warn, pause and end at the right moments. The wall clock is asked only when the end is set."""
        loop, order = asyncio.get_running_loop(), opened.order
        ends_at, paused = order.ends_at, order.paused
        end = loop.time() + (ends_at - self._now()).total_seconds()
        while not order.reason:
            left = end - loop.time()
            # Half a second of slack, because a timer may come a little early: nobody is warned twice.
            step = max((moment for moment in self._limits.warn_before if moment < left - 0.5), default=0.0)
            try:
                async with asyncio.timeout(max(left - step, 0.0)):
                    await order.changed()
            except TimeoutError:
                if not step:
                    order.end(TIME_IS_OVER)
                else:
                    self._tell_terminals(f"This session ends in {_span(step)}, at {ends_at:%H:%M:%S} UTC.")
            if order.ends_at != ends_at:
                ends_at = order.ends_at
                end = loop.time() + (ends_at - self._now()).total_seconds()
                self._tell_terminals(f"This session now ends at {ends_at:%H:%M:%S} UTC.")
            if order.paused != paused:
                paused = order.paused
                self._tell_terminals("This session is paused." if paused else "This session goes on.")
                self._hold_all(Hold.PAUSED, paused)

    async def _mind_recorder(self, opened: Opened) -> None:
        """While the recorder is behind, nothing is read."""
        while True:
            await self._behind.wait()
            self._hold_all(Hold.RECORDER_BEHIND, True)
            try:
                await opened.recorder.drained()
            except BreakglassError as fault:
                opened.order.end(f"it could not be recorded: {fault.message}")
                return
            self._behind.clear()
            self._hold_all(Hold.RECORDER_BEHIND, False)

    async def _mind_target(self, opened: Opened) -> None:
        await opened.upstream.wait_closed()
        opened.order.end(TARGET_LEFT)

    async def _cut(self, opened: Opened) -> None:
        """Show why, then close both sides, whether they read or not."""
        reason = opened.order.reason
        if reason != PERSON_LEFT:
            for relay in list(self._relays):
                relay.end(f"This session was ended: {reason.rstrip('.')}.", Exit.ENDED)
        opened.upstream.abort()
        try:
            async with asyncio.timeout(self._limits.grace_for):
                await self._person.wait_closed()
        except TimeoutError:
            self._person.disconnect(asyncssh.DISC_BY_APPLICATION, "The session was ended")
            await self._person.wait_closed()

    # ── small things ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _person_full(self, full: bool) -> None:
        for relay in self._relays:
            relay.outward.set(Hold.CONNECTION_FULL, full)

    def _target_full(self, full: bool) -> None:
        for relay in self._relays:
            relay.inward.set(Hold.CONNECTION_FULL, full)

    def _hold_all(self, hold: Hold, shut: bool) -> None:
        for relay in list(self._relays):
            _hold(relay, hold, shut)

    def _tell_terminals(self, text: str) -> None:
        for relay in self._relays:
            if relay.ask.terminal:
                relay.tell(text)

    def _record_note(self, opened: Opened, text: str) -> None:
        try:
            opened.recorder.frame(Kind.NOTE, _CONNECTION, text.encode("utf-8", "replace"))
        except BreakglassError as fault:
            opened.order.end(f"it could not be recorded: {fault.message}")


def _hold(relay: Relay, hold: Hold, shut: bool) -> None:
    relay.inward.set(hold, shut)
    relay.outward.set(hold, shut)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} minutes" if not rest else f"{round(seconds)} seconds"
