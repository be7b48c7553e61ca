"""The rotation engine: it finds what is due, claims it, and gives each claimed rotation its turn.

    due ─▶ is the vault open? (mint or check) ─▶ claim: a higher fence and a lease ─▶ Turn

Different accounts at the same time, one rotation at a time for an account. It holds no state that matters: whatever it
knew when it died stands in the database, and the next engine goes on from there once the lease is over.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Mapping

from breakglass.errors import BreakglassError, NotFound, Tampered, Unavailable
from breakglass.flow import rotate
from breakglass.flow.estate import Estate
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId, RotationId
from breakglass.model.people import SYSTEM
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.target import Account, AccountId
from breakglass.plugin_api.dial import Dial
from breakglass.plugin_api.rotator import Rotator
from breakglass.rotation.help import help_of, place_of
from breakglass.rotation.hold import pause
from breakglass.rotation.keeper import Keeper, Minted, Releases, Vault
from breakglass.rotation.turn import Turn
from breakglass.storage.store import Store
from breakglass.storage.work import Read

AT_ONCE = 16
LOOK_EVERY = 0.5
BREATH = 0.02
"""Seconds between two looks, however often the bell rings."""
VAULT_PAUSE = 2.0
_log = logging.getLogger(__name__)


class Engine:
    def __init__(
        self,
        store: Store,
        estate: Estate,
        releases: Releases,
        vault: Vault,
        rotators: Mapping[str, Rotator],
        dial: Dial,
    ) -> None:
        self.store, self.estate, self.rotators, self.dial = store, estate, rotators, dial
        self.releases, self.keeper = releases, Keeper(releases, vault)
        self._busy: set[AccountId] = set()
        self._rest_until = 0.0

    async def work(self, bell: asyncio.Event) -> None:
        """Run for ever; `bell` rings after a commit, a look twice a second covers the rest."""
        async with asyncio.TaskGroup() as turns:
            while True:
                bell.clear()
                for rotation in await self._due():
                    self._busy.add(rotation.account)
                    turns.create_task(self._guarded(rotation, bell), name=f"rotation {rotation.id}")
                await asyncio.sleep(BREATH)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await bell.wait()

    async def run_one(self, id: RotationId) -> bool:
        """One turn for this rotation. False when it is not its turn, or the vault is sealed or away: then nothing was
        written. Raises `Unavailable` when the database does not answer."""
        rotation = await self.store.read(_rotation, id)
        trouble: BreakglassError | None = None
        minted: Minted | None = None
        try:
            account = self.estate.roster.account(rotation.account)
            place = place_of(self.estate.roster, account, self.dial)
            help = help_of(self.store, self.releases, self.estate.roster, account, self.dial)
            rotator = self._rotator(account)
            minted = await self._vault_is_open(rotation, account)
        except Unavailable as away:  # sealed, too: custodians may take hours, and that is no failure of the rotation
            _log.info("rotation waits: %s", away.message)
            self._rest_until = self.store.clock.monotonic() + VAULT_PAUSE
            return False
        except BreakglassError as error:
            trouble = error
        since = self.store.clock.monotonic()
        held = (await self.store.run(SYSTEM, rotate.claim, id)).value
        if held is None:
            return False
        if trouble is not None:
            until = self.store.now() + pause(held.tries)
            await self.store.run(SYSTEM, rotate.put_off, held, until, trouble.message, trouble.code)
            return True
        turn = Turn(self.store, self.keeper, rotator, place, account, held, since, minted, help)
        await turn.run()
        return True

    async def _due(self) -> list[Rotation]:
        if self.store.clock.monotonic() < self._rest_until:
            return []
        try:
            due = await self.store.read(rotate.due)
        except BreakglassError as error:
            _log.warning("rotation waits: %s", error.message)
            return []
        free = [one for one in due if one.account not in self._busy]
        return free[: max(0, AT_ONCE - len(self._busy))]

    async def _guarded(self, rotation: Rotation, bell: asyncio.Event) -> None:
        """A turn's failure is never the worker's."""
        try:
            await self.run_one(rotation.id)
        except BreakglassError as error:
            _log.error("rotation %s stopped: %s", rotation.id, error.message)
        except Exception as error:
            _log.error("rotation %s stopped: %s", rotation.id, type(error).__name__)
        finally:
            self._busy.discard(rotation.account)
            bell.set()

    async def _vault_is_open(self, rotation: Rotation, account: Account) -> Minted | None:
        """Ask the vault for what the turn begins with, before anything is written: a new candidate, if it needs one.

        Raises `Unavailable`, `Sealed`."""
        await self.keeper.must_be_open()
        if rotation.candidate is None:
            version = await self.store.read(rotate.next_version, rotation.account)
            return await self.keeper.mint(account, CredentialId(f"crd_{secrets.token_hex(10)}"), version)
        if rotation.state is State.VERIFIED and rotation.because is not Because.CLOSE:
            return None
        with contextlib.suppress(Tampered):  # the turn itself puts that down
            await self.keeper.check(await self.store.read(_credential, rotation.candidate))
        return None

    def _rotator(self, account: Account) -> Rotator:
        if (found := self.rotators.get(account.rotator)) is None:
            raise NotFound(
                f"The rotator {account.rotator!r} is not loaded.",
                what_to_do="Name its module under `plugins` in breakglass.toml, and restart the node.",
                about=account.id,
            )
        return found


def _rotation(look: Read, id: RotationId) -> Rotation:
    return look.get(Rotation, id)


def _credential(look: Read, id: CredentialId) -> Credential:
    return look.get(Credential, id)
