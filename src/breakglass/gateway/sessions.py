"""The desk behind the SSH door: a live grant becomes a live session, and every end of it is put down.

    begin (session + release in the log) ▶ durable ▶ vault ▶ dial and log in ▶ wipe ▶ started ▶ … ▶ ended
                                                                                   └▶ rotation owed

The recording is open before the secret is released. Whatever breaks on the way ends the session in the database too.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

import asyncssh

from breakglass import faults
from breakglass.codec import instant
from breakglass.errors import BreakglassError, Forbidden, Refused, Tampered, Unavailable
from breakglass.flow import connect, keep
from breakglass.flow.connect import Begun
from breakglass.flow.estate import Estate
from breakglass.gateway.desk import Caller, Held, Opened
from breakglass.gateway.gate import Gate
from breakglass.gateway.order import Order
from breakglass.gateway.recorder import Recorders, SessionRecorder
from breakglass.gateway.upstream import open_upstream
from breakglass.gateway.waiting import until_open
from breakglass.model import recording as recordings
from breakglass.model.ids import RecordingId, SessionId
from breakglass.model.people import SYSTEM, Actor
from breakglass.model.policy import Policy
from breakglass.model.target import Account, Target
from breakglass.plugin_api.dial import Dial
from breakglass.release import Releases
from breakglass.storage.store import Done, Store

DIAL_TIMEOUT = 15.0
HEAD_EVERY = 5.0
Wake = Callable[[Account, SessionId], Awaitable[None]]
"""Enables an account that sleeps between uses, right before its login. Raises what keeps it from that."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Live:
    """A session of this node: what control obeys through."""

    order: Order
    recorder: SessionRecorder


class Sessions:
    def __init__(
        self,
        store: Store,
        estate: Estate,
        releases: Releases,
        dial: Dial,
        recorders: Recorders,
        gate: Gate,
        wake: Wake,
        *,
        node: str,
    ) -> None:
        self.store, self.estate, self.releases, self.dial = store, estate, releases, dial
        self.recorders, self.node, self._gate, self._wake = recorders, node, gate, wake
        self.live: dict[SessionId, Live] = {}
        self._ends: list[tuple[SessionId, RecordingId, recordings.State, int, str, int, str]] = []
        """Ends that the database has not taken yet."""

    def who(self, login: str, key: asyncssh.SSHKey, from_address: str) -> Caller | None:
        fingerprint = key.get_fingerprint()
        try:
            actor = self.estate.roster.actor(login, fingerprint, self.store.now())
        except Forbidden:
            return None
        return Caller(login=login, person=actor.id, key=fingerprint, from_address=from_address)

    async def gate(
        self, caller: Caller, argv: list[str], stdin: Callable[[], Awaitable[bytes]]
    ) -> tuple[int, str, str]:
        return await self._gate.run(caller, argv, stdin)

    def connect(
        self, caller: Caller, account: str | None, target: str, held: Held
    ) -> AbstractAsyncContextManager[Opened]:
        return self._connect(caller, account, target, held)

    @asynccontextmanager
    async def _connect(self, caller: Caller, account: str | None, target: str, held: Held) -> AsyncIterator[Opened]:
        roster = self.estate.roster
        wanted = roster.find_account(target, account)
        policy, place = roster.policy_of(wanted), roster.target(wanted.target)
        if held.ask.kind not in policy.permissions:
            raise Refused(
                f"The policy of {place.name} does not allow {held.ask.kind}.",
                what_to_do=f"It allows: {', '.join(sorted(policy.permissions))}.",
                about=wanted.id,
            )
        actor = roster.actor(caller.login, caller.key, self.store.now())
        await until_open(self.store, self.estate, actor, wanted, held)
        if await self.store.read(connect.has_live_grant, actor.id, wanted.id):  # whoever has none is refused below
            await self.releases.must_be_open()
        session = SessionId(keep.new_id("ses"))
        recording = RecordingId(keep.new_id("rec"))
        why = "it could not be opened"
        recorder: SessionRecorder | None = None
        order: Order | None = None
        try:
            # From here on the session may stand in the database, also when its person leaves while it is written.
            done = await self._begin(actor, wanted, held, session, recording, caller.from_address)
            faults.reach("session.begun")
            begun = done.value
            proven = await self.releases.prove(session, done)
            loop = asyncio.get_running_loop()
            live = Order(begun.grant.ends_at)
            order = live
            recorder = self.recorders.begin(
                recording, session, self.store.now(), loop, lambda fault: live.end(fault.message)
            )
            self.live[session] = Live(live, recorder)
            await asyncio.to_thread(recorder.begin, self.recorders.folder)
            async with self.releases.session(session, begun.grant.token, place.endpoint, begun.credential, proven) as (
                username,
                secret,
            ):
                faults.reach("session.released")
                await self.store.read(connect.still_allowed, session, begun.grant.id)
                await self._wake(wanted, session)
                upstream = await open_upstream(self.dial, place.endpoint, username, secret, timeout=DIAL_TIMEOUT)
            try:
                faults.reach("session.dialled")
                await self.store.run(SYSTEM, connect.started, wanted, session)
                heads = asyncio.create_task(self._heads(recording, recorder))
                try:
                    yield self._opened(session, upstream, recorder, live, wanted, place, policy)
                finally:
                    heads.cancel()
                why = live.reason or "its person left"
            finally:
                upstream.abort()
        except BreakglassError as error:
            why = (order and order.reason) or error.message
            if isinstance(error, Tampered):
                await self._alarm(session, wanted, error)
            raise
        except asyncio.CancelledError:
            why = (order and order.reason) or "its person left"
            raise
        finally:
            self.live.pop(session, None)
            await asyncio.shield(self._end(session, recording, recorder, why))

    async def _begin(
        self, actor: Actor, account: Account, held: Held, session: SessionId, recording: RecordingId, address: str
    ) -> Done[Begun]:
        """Begin, once the password that the last login used up is changed: that takes a second or two."""
        deadline = asyncio.get_running_loop().time() + connect.BUSY_WAITS.total_seconds()
        said = False
        while True:
            try:
                return await self.store.run(
                    actor,
                    connect.begin,
                    account,
                    session=session,
                    recording=recording,
                    node=self.node,
                    from_address=address,
                )
            except connect.Busy:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                if held.ask.terminal and not said:
                    held.say("The password is being changed after the last login; one moment.")
                    said = True
                await asyncio.sleep(0.2)

    def _opened(
        self,
        session: SessionId,
        upstream: asyncssh.SSHClientConnection,
        recorder: SessionRecorder,
        order: Order,
        account: Account,
        place: Target,
        policy: Policy,
    ) -> Opened:
        until = instant.write(order.ends_at)
        return Opened(
            session=session,
            banner=f"{place.environment.upper()}  {account.username} on {place.name}, recorded, until {until}",
            upstream=upstream,
            recorder=recorder,
            order=order,
            permissions=policy.permissions,
            bulk_cap=policy.bulk_cap,
        )

    async def _heads(self, recording: RecordingId, recorder: SessionRecorder) -> None:
        """Tell the log every few seconds how far the recording reaches."""
        last = -1
        while True:
            await asyncio.sleep(HEAD_EVERY)
            head = recorder.head()
            if head.seq != last:
                last = head.seq
                with contextlib.suppress(Unavailable):
                    await self.store.run(
                        SYSTEM, keep.recording_reached, recording, head.seq, head.hash.hex(), head.bytes
                    )

    async def _alarm(self, session: SessionId, account: Account, error: Tampered) -> None:
        """Evidence does not fit together: people hear of it at once. What can't be written does not hide the error."""
        with contextlib.suppress(BreakglassError):
            await self.store.run(SYSTEM, keep.session_alarm, session, account.id, error.code, error.message)

    async def _end(
        self, session: SessionId, recording: RecordingId, recorder: SessionRecorder | None, why: str
    ) -> None:
        """Put the end down, however it came. A database that does not take it now is told again (`put_down`)."""
        state, head = recordings.State.TRUNCATED, (0, "", 0)
        if recorder is not None:
            try:
                reached = await asyncio.to_thread(self.recorders.finish, recorder, why)
                state, head = recordings.State.COMPLETE, (reached.seq, reached.hash.hex(), reached.bytes)
            except Unavailable:
                reached = recorder.head()
                head = (reached.seq, reached.hash.hex(), reached.bytes)
        self._ends.append((session, recording, state, *head, why))
        try:
            await self.put_down()
        except BreakglassError as error:
            _log.error("session %s: its end can't be written yet: %s", session, error)

    async def put_down(self) -> None:
        """Write the ends that wait: a disk that was full has room again. Raises `Unavailable` while it has none."""
        while self._ends:
            end = self._ends[0]
            await self.store.run(SYSTEM, keep.session_over, *end)
            if end in self._ends:  # somebody else may have been faster; twice is fine
                self._ends.remove(end)
