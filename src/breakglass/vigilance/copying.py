"""The log's newest checkpoint goes to places elsewhere at a constant cadence, whether the log grew or not.

    newest checkpoint ──every minute──▶ webhook, syslog          who watches there sees at once when it stops,
                      ──every day─────▶ mail                     and nobody learns from its coming when people work

Each place is served by a task of its own: one that is away holds up nobody. It is told once (`copy.waits`). What was
sent is kept beside the log (audit.copies); who holds the copy itself brings it to `audit verify --checkpoint`.
"""

import asyncio
import logging
from collections.abc import Sequence

from breakglass.audit import copies, evidence
from breakglass.codec import note
from breakglass.errors import BreakglassError, Malformed
from breakglass.flow import anchor as steps
from breakglass.model.people import SYSTEM
from breakglass.storage import anchors
from breakglass.storage.store import Store
from breakglass.vigilance.outside import Outside
from breakglass.vigilance.sinks import Copy, Sink, sink

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
_SHORTEST = 0.5
_log = logging.getLogger(__name__)


def sinks(addresses: Sequence[str], ca: str, *, node: str) -> list[Sink]:
    """Raises `Malformed` for an address that can't be used, and for two places of one name."""
    found = [sink(one, ca, node=node) for one in addresses]
    names = [one.name for one in found]
    if len(set(names)) != len(names):
        raise Malformed(
            "`checkpoint_copies` names a place twice: each host, collector, bucket and recipient stands there once.",
            what_to_do="Take one of the two away.",
        )
    return found


class Copying:
    def __init__(self, store: Store, sink: Sink) -> None:
        self.store, self.sink = store, sink

    async def work(self) -> None:
        """For the node's life."""
        outside = Outside(self.store, "copy", self.sink.name, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        try:
            while True:
                try:
                    pause = await self.once()
                except BreakglassError as error:
                    _log.warning("a checkpoint for %s: %s", self.sink.name, error.message)
                    await outside.failed(error.message)
                    continue
                await outside.answered()
                await asyncio.sleep(pause)
        finally:
            await self.sink.close()

    async def once(self) -> float:
        """Send it where it is due, from whichever node. Returns the seconds until it is due. Raises `Unavailable`."""
        now, every = self.store.now(), self.sink.every
        last = await self.store.read(anchors.newest, copies.kind_of(self.sink.name))
        if last is not None and last.at <= now < last.at + every:
            return max(_SHORTEST, (last.at + every - now).total_seconds())
        checkpoint = await self.store.read(evidence.newest_checkpoint)
        if checkpoint is None:
            return FIRST_PAUSE
        size = note.parse_checkpoint(note.parse(checkpoint).text).size
        await self.sink.take(Copy(checkpoint=checkpoint, size=size, at=now))
        await self.store.run(SYSTEM, steps.copied, self.sink.name, size, checkpoint)
        return every.total_seconds()
