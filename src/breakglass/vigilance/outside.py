"""How the node bears with somebody outside who does not answer: it asks again, later and later, and tells the log once.

failed, failed, failed ─▶ told: it waits ─▶ … ─▶ answered ─▶ told: it runs again
"""

import asyncio
from typing import Final

from breakglass.flow import outside as steps
from breakglass.model.people import SYSTEM
from breakglass.storage.store import Store

TOLD_AFTER: Final = 3
"""Failures in a row, before the log is told."""


class Outside:
    def __init__(self, store: Store, what: str, about: str, *, first: float, longest: float) -> None:
        """`what` and `about` as in flow.outside; pauses in seconds, from `first` on doubled up to `longest`."""
        self._store, self._what, self._about, self._first, self._longest = store, what, about, first, longest
        self._failures = 0
        self.told = False
        """The log says that it does not answer, or not as it should."""

    async def failed(self, why: str) -> None:
        """Returns when it is time to ask again."""
        self._failures += 1
        if self._failures >= TOLD_AFTER and not self.told:
            self.told = True
            await self._store.run(SYSTEM, steps.waits, self._what, self._about, why)
        await asyncio.sleep(min(self._longest, self._first * 2 ** min(self._failures - 1, 10)))

    async def answered(self) -> None:
        told, self._failures, self.told = self.told, 0, False
        if told:
            await self._store.run(SYSTEM, steps.runs, self._what, self._about)
