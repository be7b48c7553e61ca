"""The order over one live session: until when it may run, whether it pauses, and the word that ends it.

    running ◀──▶ paused
        └────┬────┘
             ▼
           ended     (once, with the first reason that was given)

Whoever decides (the desk, a watcher, the clock, a broken recording) tells the order; the door obeys it within a second.
All of it belongs to the event loop's thread: from another one, use `loop.call_soon_threadsafe(order.end, …)`.
"""

import asyncio
from datetime import datetime


class Order:
    __slots__ = ("_changed", "_ended", "_ends_at", "_paused", "_reason")

    def __init__(self, ends_at: datetime) -> None:
        if ends_at.tzinfo is None:
            raise ValueError("an instant has a time zone")
        self._ends_at, self._reason, self._paused = ends_at, "", False
        self._changed, self._ended = asyncio.Event(), asyncio.Event()

    @property
    def ends_at(self) -> datetime:
        return self._ends_at

    @property
    def reason(self) -> str:
        """Why it ended; empty while it lives."""
        return self._reason

    @property
    def paused(self) -> bool:
        return self._paused

    def end(self, reason: str) -> None:
        """End the session. The first reason stays: what follows from it is no reason."""
        if not self._ended.is_set():
            self._reason = reason or "ended"
            self._ended.set()
            self._changed.set()

    def extend(self, ends_at: datetime) -> None:
        """Move the end, later or earlier, without disconnecting."""
        self._ends_at = ends_at
        self._changed.set()

    def pause(self) -> None:
        """Nothing passes in either direction until `resume`."""
        self._paused = True
        self._changed.set()

    def resume(self) -> None:
        self._paused = False
        self._changed.set()

    async def ended(self) -> None:
        await self._ended.wait()

    async def changed(self) -> None:
        """Wait for the next change; for one reader."""
        await self._changed.wait()
        self._changed.clear()
