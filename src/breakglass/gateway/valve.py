"""A valve on one direction of a channel: open only while nobody holds it shut.

    the other side is full ─┐
    the recorder is behind ─┼──▶ pause_reading … resume_reading
    the session is paused ──┘

What is not read fills the SSH window and then stops the sender: memory stays bounded without a queue of our own.
"""

import functools
from collections.abc import Callable
from enum import Enum, auto

from breakglass.gateway.near import Readable

FullOrNot = Callable[[bool], None]


def watch_buffer(connection: object, full: FullOrNot) -> None:
    """Tell `full` when the connection's TCP buffer is over its high-water mark, and when it has emptied.

    A channel's window bounds what a peer that stopped reading makes us keep, but the peer chooses that window, up to
    4 GiB. asyncssh leaves asyncio's own two callbacks of a protocol empty "for now"; here they do their work.
    """
    for name, is_full in (("pause_writing", True), ("resume_writing", False)):
        setattr(connection, name, functools.partial(full, is_full))


class Hold(Enum):
    """Who holds a valve shut."""

    OPENING = auto()
    CHANNEL_FULL = auto()
    CONNECTION_FULL = auto()
    RECORDER_BEHIND = auto()
    PAUSED = auto()


class Valve:
    __slots__ = ("_channel", "_holds")

    def __init__(self) -> None:
        self._channel: Readable | None = None
        self._holds: set[Hold] = set()

    def attach(self, channel: Readable) -> None:
        """The channel that is read from. Holds from before count."""
        self._channel = channel
        if self._holds:
            channel.pause_reading()

    def shut(self, hold: Hold) -> None:
        if hold not in self._holds:
            self._holds.add(hold)
            if self._channel is not None:
                self._channel.pause_reading()

    def open(self, hold: Hold) -> None:
        if hold in self._holds:
            self._holds.remove(hold)
            if not self._holds and self._channel is not None:
                self._channel.resume_reading()

    def set(self, hold: Hold, shut: bool) -> None:
        if shut:
            self.shut(hold)
        else:
            self.open(hold)
