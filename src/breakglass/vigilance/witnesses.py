"""The log's newest checkpoint goes to each witness of the roster, after each commit and once a minute; what they say is
kept below it.

    commit ─▶ newest checkpoint ──▶ w1 ─▶ its line ─┐
                    │  └──────────▶ w2 ─▶ its line ─┼─▶ kept; a release that waits for enough of them goes on
                    └─────────────▶ w3 ─ no answer ─┘   later, and later; told once (`witness.waits`)

Each witness is asked by a task of its own: one that is slow or away holds up nobody. One that saw another log than this
is told as `witness.disagrees`, the loudest alert that there is; its word is not to be had until people found out why.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Final

import httpx

from breakglass.audit import evidence
from breakglass.audit.cosignatures import Cosignatures
from breakglass.audit.store_tree import hash_of
from breakglass.audit.witnessing import SawMore, ask
from breakglass.codec import note
from breakglass.errors import BreakglassError, Tampered
from breakglass.flow import witness as steps
from breakglass.model.people import SYSTEM
from breakglass.storage.store import Store
from breakglass.storage.work import Read
from breakglass.trust.tree import consistency_proof
from breakglass.trust.witnesses import Witness
from breakglass.vigilance.outside import Outside

EVERY: Final = 60.0
"""Seconds, at most, between two cosignatures of one witness, whether the log grew or not."""
WITHIN: Final = 5.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 5.0
_LOOK_AT_ROSTER: Final = 1.0
_log = logging.getLogger(__name__)


class Submitter:
    def __init__(self, store: Store, cosignatures: Cosignatures) -> None:
        self.store, self.cosignatures = store, cosignatures
        self._bells: dict[Witness, asyncio.Event] = {}

    async def work(self, bell: asyncio.Event) -> None:
        """For the node's life; the roster's witnesses of each moment. `bell` rings after a commit."""
        tasks: dict[Witness, asyncio.Task[None]] = {}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=WITHIN) as http:
                while True:
                    self._follow_roster(tasks, http)
                    bell.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AT_ROSTER):
                            await bell.wait()
                            for one in self._bells.values():
                                one.set()
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _follow_roster(self, tasks: dict[Witness, asyncio.Task[None]], http: httpx.AsyncClient) -> None:
        known = set(self.cosignatures.witnesses().known)
        for gone in tasks.keys() - known:
            tasks.pop(gone).cancel()
            self._bells.pop(gone)
        for task in tasks.values():
            if task.done():
                task.result()  # it never ends by itself: what it failed of ends this worker, which is started again
        for new in known - tasks.keys():
            self._bells[new] = asyncio.Event()
            tasks[new] = asyncio.create_task(self._follow(new, http, self._bells[new]), name=f"witness {new.key.name}")

    async def _follow(self, witness: Witness, http: httpx.AsyncClient, bell: asyncio.Event) -> None:
        outside = Outside(self.store, "witness", witness.key.name, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        seen, disagrees = 0, False
        while True:
            bell.clear()
            try:
                seen = await self._once(witness, http, seen)
            except Tampered as error:
                _log.critical("%s", error.message)
                if not disagrees:
                    await self.store.run(SYSTEM, steps.note_disagrees, witness.key.name, error.message)
                disagrees = outside.told = True
                await asyncio.sleep(LONGEST_PAUSE)
                continue
            except BreakglassError as error:
                _log.info("%s", error.message)
                await outside.failed(error.message)
                continue
            await outside.answered()
            disagrees = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY):
                    await bell.wait()

    async def _once(self, witness: Witness, http: httpx.AsyncClient, seen: int) -> int:
        """Have the newest checkpoint cosigned. Returns its size; 0 while nobody has signed one."""
        checkpoint = await self.store.read(evidence.newest_checkpoint)
        if checkpoint is None:
            return 0
        while True:
            try:
                found = await ask(http, witness.url, witness.key, checkpoint, self._prove, known=seen, timeout=WITHIN)
                break
            except SawMore as more:
                # Another node, whose checkpoint was committed meanwhile, was faster; or this log was cut.
                checkpoint = await self.store.read(evidence.newest_checkpoint) or checkpoint
                if _size(checkpoint) < more.size:
                    raise
                seen = more.size
        size = _size(checkpoint)
        await self.store.run(SYSTEM, steps.cosigned, witness.key.name, size, found.line.line().encode())
        self.cosignatures.kept()
        return size

    async def _prove(self, old: int, new: int) -> Sequence[bytes]:
        return await self.store.read(_consistent, old, new)


def _consistent(look: Read, old: int, new: int) -> Sequence[bytes]:
    return consistency_proof(old, new, lambda a, b: hash_of(look.conn, a, b))


def _size(checkpoint: bytes) -> int:
    return note.parse_checkpoint(note.parse(checkpoint).text).size
