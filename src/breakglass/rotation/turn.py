"""One turn: a claimed rotation goes as far as it can by the model's state table, and ends done, put off or refused.

    owed, refused ─▶ stage ─▶ send ─▶ prove ─▶ end what remains ─▶ done
                                │       │
    applying (a crash) ─────────┴──▶ unknown ─▶ probe: new, old, then every retained secret
                                                 new works ─▶ prove       another works ─▶ send the same candidate
                                                 none works ─▶ reconcile: people are told; the helper resets it to
                                                               the same candidate, or a person stores what holds

Each act on the target has a durable mark right before it, under the turn's fence, and ends before the lease that this
mark renewed. What an act's ending means is the rotator's contract (plugin_api.rotator): whatever that does not name
counts as unknown.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from breakglass import faults
from breakglass.codec import instant
from breakglass.errors import BreakglassError, OutcomeUnknown, Sealed, Tampered, TargetDown, Unavailable
from breakglass.flow import dormant, rotate
from breakglass.model import trace
from breakglass.model.credential import Credential
from breakglass.model.people import SYSTEM
from breakglass.model.proof import Proof, Seen
from breakglass.model.rotation import Because, Rotation, State, TakenOver
from breakglass.model.secret import Secret
from breakglass.model.target import Account
from breakglass.plugin_api.rotator import (
    Admission,
    ChangeRefused,
    CurrentRefused,
    Disables,
    Looks,
    Place,
    Resets,
    Rotator,
)
from breakglass.rotation import lockout, probe
from breakglass.rotation.help import Help
from breakglass.rotation.hold import SO_THAT_IT_DOES_NOT_LOCK, Hold, Over, pause, where, words
from breakglass.rotation.keeper import Keeper, Minted
from breakglass.storage.store import Store
from breakglass.vault.asking import Purpose
from breakglass.vault.clock import ClockWentBack

SENDS = 2
"""Times that a turn sends the candidate; after that it pauses."""
WAIT = timedelta(seconds=1)
LONGEST_REFUSED_PAUSE = timedelta(hours=1)
REMAINS_MAX = 8000
_log = logging.getLogger(__name__)


class Turn(Hold):
    def __init__(
        self,
        store: Store,
        keeper: Keeper,
        rotator: Rotator,
        place: Place,
        account: Account,
        held: Rotation,
        since: float,
        minted: Minted | None,
        help: Help | None = None,
    ) -> None:
        """`minted` is the new candidate of a rotation that has none."""
        super().__init__(store, keeper, rotator, place, account, held, since, help)
        self._minted = minted
        self._sends = 0
        self._refused: set[str] = set()
        """Credentials that the target has definitely refused in this turn."""
        self._remains: str | None = None
        self._traces = ""
        self._looked = ("", "")

    async def run(self) -> None:
        """Raises `Unavailable` when the database takes no mark; the lease then runs out, and somebody goes on."""
        try:
            self.limit = lockout.of(self.account.rotator_options)
            if self.limit.over(self.held, self.store.now()):
                self.held = replace(self.held, guesses=0)
            while self.held.state is not State.DONE:
                await self._next()
        except Over:
            pass
        except TakenOver:
            _log.warning("rotation %s was taken over", self.held.id)
        except (Sealed, ClockWentBack) as waits:
            await self.mark(rotate.give_back, self.store.now() + WAIT, waits.message)
        except BreakglassError as error:
            await self.put_off(error.message, error.code)
        except Exception as error:
            # Its words may be anybody's: they could hold a secret.
            _log.error("rotation %s met %s at %s", self.held.id, type(error).__name__, where(error))
            await self.put_off(f"Something unexpected happened ({type(error).__name__}).", "unexpected")

    async def _next(self) -> None:
        match self.held.state:
            case State.OWED | State.REFUSED:
                await self._stage()
            case State.STAGED:
                await self._send_first()
            case State.APPLYING:
                await self.mark(rotate.move, State.UNKNOWN, "The node stopped in the middle of the change.")
            case State.UNKNOWN | State.RECONCILE:
                await self._probe()
            case State.APPLIED:
                await self._prove_stored()
            case State.VERIFIED:
                await self._finish()

    # -- the way of a change that meets no trouble --------------------------------------------------------------------

    async def _stage(self) -> None:
        minted, self._minted = self._minted, None
        if minted is None:  # another one is made for the next turn
            raise Unavailable("The candidate was used up.", what_to_do="Nothing: another one is made.")
        await self.mark(rotate.stage, minted.id, minted.version, minted.sealed)
        faults.reach("rotation.staged")

    async def _send_first(self) -> None:
        candidate = await self.candidate()
        try:
            await self.keeper.check(candidate)
        except Tampered as damaged:
            await self.mark(rotate.discard, damaged.message)
            raise
        current = await self.store.read(rotate.current, self.account.id)
        if current is None:
            raise Unavailable(
                "No credential is stored for this account.",
                what_to_do="A custodian stores it with `breakglass estate store`.",
            )
        await self._send_and_prove(current, candidate)

    async def _send_and_prove(self, current: Credential, candidate: Credential) -> None:
        async with self.open(Purpose.ROTATION, [current, candidate]) as (old, new):
            if self.limit.left(self.held) < 2 and not await self.works(current, old):
                await self.mark(rotate.move, State.UNKNOWN, "The target refuses the current password.")
                await self.until_forgotten(self.held.problem)
            await self._send(current, old, candidate, new)
            if self.held.state is State.APPLIED:
                await self._prove(current, old, candidate, new)
                await self._end_remains(new)
                await self._look(new)

    async def _send(self, current: Credential, old: Secret, candidate: Credential, new: Secret) -> None:
        """Change it on the target. Afterwards it is applied or unknown, unless the turn is over."""
        fresh = not self.held.touched
        applying = await self.run_step(rotate.apply)
        if applying is None:
            await self.mark(rotate.give_back, self.store.now() + WAIT, "A session signs in just now.")
            raise Over
        self.held = applying
        faults.reach("rotation.applying")
        self._sends += 1
        try:
            async with self.in_time():
                await self.rotator.change(self.place, old, new)
        except CurrentRefused as refused:
            self.counted(self.held.guesses + 2)  # with the current one, and with the new one
            self._refused = {current.id, candidate.id}
            await self._not_known(refused)
        except ChangeRefused as refused:
            # An earlier request with this candidate may still be under way: it must not come after another candidate.
            least = timedelta() if fresh else rotate.LEASE
            until = self.store.now() + max(least, pause(self.held.tries, LONGEST_REFUSED_PAUSE))
            await self.mark(rotate.refuse, until, refused.message)
            raise Over from None
        except TargetDown as down:
            if fresh:
                await self.put_off(down.message, down.code, to=State.STAGED)
            else:
                await self.mark(rotate.move, State.UNKNOWN, down.message)
                await self.put_off(down.message, down.code)
            raise Over from None
        except Exception as error:
            await self._not_known(error)
        else:
            faults.reach("rotation.sent")
            self.counted(0)
            self._refused.clear()
            await self.mark(rotate.move, State.APPLIED)
            faults.reach("rotation.applied")

    async def _not_known(self, error: Exception) -> None:
        """It is probed at once what works; but a turn does not send, and not know, again and again."""
        await self.mark(rotate.move, State.UNKNOWN, words(error))
        if self._sends >= SENDS:
            await self.put_off(words(error), OutcomeUnknown.code)
            raise Over from None

    async def _prove_stored(self) -> None:
        """Prove the candidate against what is labelled current."""
        candidate = await self.candidate()
        current = await self.store.read(rotate.current, self.account.id)
        if current is None:
            async with self.open(Purpose.PROBE, [candidate]) as (new,):
                await self._prove(None, None, candidate, new)
        else:
            async with self.open(Purpose.PROBE, [current, candidate]) as (old, new):
                await self._prove(current, old, candidate, new)

    async def _prove(self, current: Credential | None, old: Secret | None, candidate: Credential, new: Secret) -> None:
        """The new one works and the old one is refused, or the turn is over. The new one goes last where the limit
        leaves room: a login that is accepted ends the target's count."""
        old_works = new_works = False
        seen: dict[str, Seen] = {}

        async def works(one: Credential, secret: Secret) -> bool:
            accepted, at = await self.works(one, secret), self.store.now()
            how = self.rotator.name
            seen[one.id] = Seen(credential=one.id, version=one.version, accepted=accepted, at=at, how=how)
            return accepted

        last = self.limit.left(self.held) > 1
        if not last:
            new_works = await works(candidate, new)
        if current is not None and old is not None:
            old_works = await works(current, old)
        if last:
            new_works = await works(candidate, new)
        if new_works and not old_works:
            await self.mark(rotate.prove, Proof(new=seen[candidate.id], old=seen[current.id] if current else None))
            faults.reach("rotation.verified")
            return
        if new_works:
            problem = "The target takes the new password, and the old one still."
        elif old_works:
            problem = "The target takes the old password, and not the new one."
        else:
            problem = "The target takes neither the old password nor the new one."
        if self.held.state is State.APPLIED and not new_works:
            await self.mark(rotate.move, State.UNKNOWN, problem)
        await self.put_off(problem, OutcomeUnknown.code)
        raise Over

    async def _finish(self) -> None:
        if self.held.because is Because.CLOSE and self._remains is None:
            try:
                async with self.open(Purpose.ROTATION, [await self.candidate()]) as (new,):
                    await self._end_remains(new)
                    await self._look(new)
            except (Sealed, ClockWentBack, TakenOver):
                raise
            except BreakglassError as error:
                self._remains = f"not looked at: {error.message}"
        await self._disable()
        remains = (self._remains or "")[:REMAINS_MAX]
        await self.mark(rotate.finish, remains, self._traces, self.account.rotates_with, self._looked)
        faults.reach("rotation.done")

    async def _end_remains(self, new: Secret) -> None:
        """End what still runs as the account. What can't be ended or looked at is for the review: it blocks nothing."""
        if self.held.because is not Because.CLOSE:
            return
        others = await self.store.read(rotate.others_run, self.held)
        if others:
            self._remains = "\n".join(f"session {one.id} of another grant" for one in others)
            return
        try:
            async with self.in_time():
                left = await self.rotator.end_remains(self.place, new)
            self._remains = "\n".join(f"{one.kind} {one.what}" for one in left)
        except Exception as error:
            self._remains = f"not looked at: {words(error)}"

    async def _disable(self) -> None:
        """An account that sleeps between uses is disabled, and proven to be. Where that fails the change is done all
        the same, so that nobody is locked out: people are told, and another change is owed that tries it again."""
        if not self.account.dormant or await self.store.read(rotate.in_use, self.held):
            return
        again = isinstance(self.rotator, Disables)
        try:
            login = await self._disabled_login()
        except (Sealed, ClockWentBack, TakenOver, Over):
            raise
        except Exception as error:
            await self.run_step(dormant.not_disabled, words(error), again=again)
            return
        if login is not None:
            await self.run_step(dormant.disabled, login)
            faults.reach("account.disabled")

    async def _disabled_login(self) -> str | None:
        """What became of a login with the right secret; None where somebody works as the account again."""
        rotator, help = self.rotator, self.help
        if help is None or not isinstance(rotator, Disables):
            raise Unavailable(f"The rotator {rotator.name} disables no accounts.", what_to_do="Correct the roster.")
        candidate = await self.candidate()
        async with self.open(Purpose.PROBE, [candidate]) as (secret,):
            if not await self.works(candidate, secret):
                raise OutcomeUnknown("The target refuses the new password.", what_to_do="It is tried again.")
            if not await self.run_step(dormant.disabling):
                return None
            faults.reach("account.disabling")
            async with self.in_time(), help.given(self.held.id) as helper:
                await rotator.disable(self.place, helper)
                faults.reach("account.disable-sent")
                if await rotator.enabled(self.place, helper):
                    raise OutcomeUnknown("The target says that it is enabled still.", what_to_do="It is tried again.")
            await self.mark(rotate.guess, candidate, self.held.guesses + 1)
            async with self.in_time():
                login = await rotator.admits(self.place, secret)
        if login is not Admission.REFUSED:
            self.counted(0)
        if login is Admission.IN:
            raise OutcomeUnknown("The target lets it in although it is disabled.", what_to_do="Look on the target.")
        return login.value

    async def _look(self, new: Secret) -> None:
        """What people left behind since the last look: at a close it is for the review. It blocks nothing."""
        if not isinstance(self.rotator, Looks):
            return
        closes = self.held.because is Because.CLOSE
        used = self.held.because is Because.LOGIN or await self.store.read(rotate.in_use, self.held)
        if used and not closes:
            return
        try:
            async with self.in_time():
                found = await self.rotator.traces(self.place, new)
        except Exception as error:
            self._tell(f"what was left behind was not looked at: {words(error)}" if closes else "")
            return
        before = await self.store.read(rotate.last_look, self.held)
        if closes and before is not None:
            new_and_gone = trace.difference(before.traces, found)
            self._looked = trace.digest(before.traces), trace.digest(trace.kept(found))
            since = f"left behind since {instant.write(before.taken_at.replace(microsecond=0))}:"
            self._tell("\n".join((since, *new_and_gone)) if new_and_gone else "")
        if not used:
            self._traces = trace.kept(found)

    def _tell(self, lines: str) -> None:
        self._remains = "\n".join(one for one in (self._remains, lines) if one)

    # -- what works? ---------------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        stored = await self.store.read(rotate.candidates, self.held)
        left = self.limit.left(self.held)
        short = left < min(2, len(stored)) and not self._refused
        if left == 0 or (short and self.held.guesses and not probe.news(stored, self.held)):
            await self.until_forgotten(SO_THAT_IT_DOES_NOT_LOCK)
        found = await self._first_that_works(probe.plan(stored, left, self.held, self._refused))
        candidate = stored[0]
        if found is None:
            problem = "No stored password that was tried works on the target."
            if self.held.state is State.UNKNOWN and (left > 1 or self.held.tries > 1):
                await self.mark(rotate.move, State.RECONCILE, problem)
            if self.held.state is State.RECONCILE and self.help and isinstance(self.rotator, Resets):
                await self._reset(candidate, self.help, self.rotator)
            else:
                await self.until_forgotten(problem)
        elif found.id == candidate.id:
            await self._prove_stored()
        else:
            await self._send_and_prove(found, candidate)

    async def _reset(self, candidate: Credential, help: Help, rotator: Resets) -> None:
        """No stored secret works: the helper sets the same candidate. Afterwards it is applied, or unknown as ever; or
        a person must help, because the target refuses the helper."""
        async with self.open(Purpose.ROTATION, [candidate]) as (new,), help.given(self.held.id) as helper:
            applying = await self.run_step(rotate.apply, by=help.account.id)
            if applying is None:
                raise Over
            self.held = applying
            faults.reach("rotation.resetting")
            try:
                async with self.in_time():
                    await rotator.reset(self.place, helper, new)
            except (ChangeRefused, TargetDown) as no:
                if not isinstance(no, CurrentRefused | TargetDown):
                    self.counted(self.held.guesses + 1)  # it may have looked whether the candidate is set already
                await self.put_off(no.message, no.code, to=State.RECONCILE)
                if isinstance(no, CurrentRefused):
                    await self.store.run(SYSTEM, dormant.helper_refused, help.account.id)
                raise Over from None
            except Exception as error:
                await self.mark(rotate.move, State.UNKNOWN, words(error))
                await self.put_off(words(error), OutcomeUnknown.code)
                raise Over from None
            faults.reach("rotation.reset")
            await self.mark(rotate.move, State.APPLIED)
            faults.reach("rotation.applied")

    async def _first_that_works(self, plan: Sequence[Sequence[Credential]]) -> Credential | None:
        for part in plan:
            async with self.open(Purpose.PROBE, part) as secrets:
                for one, secret in zip(part, secrets, strict=True):
                    if await self.works(one, secret):
                        return one
        return None
