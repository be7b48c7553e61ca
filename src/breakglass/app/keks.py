"""The way of stored secrets to a new key-encryption key, in batches, while everything else goes on.

    read a batch ▸ the vault rewraps it ▸ one step puts it in place, unless a row changed meanwhile ▸ until none is left
    none is left ▸ GRACE ▸ counted again in a step ▸ the vault retires the old key

Nothing of this is remembered: what is left to do stands in the envelopes and in the vault's status. Who read an old
envelope just before it was replaced still needs the old key for a moment, so it is retired a while after its last
secret left it.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from breakglass import faults
from breakglass.errors import BreakglassError
from breakglass.flow import kek as flow
from breakglass.model.people import SYSTEM
from breakglass.storage import keks
from breakglass.storage.store import Store
from breakglass.trust import kek as trust
from breakglass.vault import envelope
from breakglass.vault.asking import Deposited, Placed
from breakglass.vault.client import VaultClient

BATCH = 100
EVERY = 2.0
"""Seconds between two looks while there is nothing to move."""
GRACE = 60.0
"""Seconds; longer than any call of the vault may take."""
_log = logging.getLogger(__name__)


class Rewrapping:
    def __init__(
        self,
        store: Store,
        vault: VaultClient,
        deployment: str,
        *,
        grace: float = GRACE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._vault, self._subject = store, vault, trust.subject(deployment)
        self._grace, self._monotonic = grace, monotonic
        self._damaged: frozenset[str] = frozenset()
        self._empty_since: tuple[int, float] | None = None
        """The newest key, and since when no secret needs another one."""

    async def work(self) -> None:
        while True:
            try:
                more = await self.once()
            except BreakglassError as error:
                more = False
                _log.info("rewrapping waits: %s", error)
            if not more:
                await asyncio.sleep(EVERY)

    async def once(self) -> bool:
        """One batch, or one look. True when there may be more to move at once."""
        status = await asyncio.to_thread(self._vault.status)
        if len(status.keks) < 2:
            return False
        prefix = envelope.prefix(status.kek)
        batch = await self._store.read(keks.not_under, prefix, but=self._damaged, limit=BATCH)
        if batch:
            placed = [
                Placed(
                    account=one.account, deposited=Deposited(credential=one.id, version=one.version, blob=one.sealed)
                )
                for one in batch
            ]
            moved = list(zip(batch, await asyncio.to_thread(self._vault.rewrap, placed), strict=True))
            faults.reach("kek.rewrapping")
            good = [(one, sealed) for one, sealed in moved if sealed]
            await self._store.run(SYSTEM, flow.rewrapped, self._subject, status.kek, good)
            for one in (one for one, sealed in moved if not sealed):
                self._damaged |= {one.id}
                await self._store.run(SYSTEM, flow.damaged, one)
            faults.reach("kek.rewrapped")
            return True
        if self._empty_since is None or self._empty_since[0] != status.kek:
            self._empty_since = status.kek, self._monotonic()
        if self._monotonic() - self._empty_since[1] >= self._grace and not self._damaged:
            for old in status.keks[:-1]:
                if (await self._store.run(SYSTEM, flow.retiring, self._subject, old, prefix)).value:
                    faults.reach("kek.retiring")
                    await asyncio.to_thread(self._vault.retire_kek, old)
        return False
