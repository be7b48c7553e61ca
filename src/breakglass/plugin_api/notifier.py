"""What a notifier promises: to carry an alert to people, and to tell honestly whether it was taken.

    plugin.open(address) ─▶ Notifier        alert ─▶ Notifier.send ─▶ returns: it was accepted
                                                                    ─▶ Unavailable: it was not, or nobody knows

Addresses hold tokens: no error, log line or name of a notifier ever shows one. An alert is sent at least once, so a
channel may see it twice; `Alert.id` tells that it is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Severity(StrEnum):
    """How loud: news; somebody should look; wake people up."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    id: str
    """`<deployment>/<number of the log entry>`."""
    kind: str
    about: str
    severity: Severity
    title: str
    """One line of plain text, no longer than 120 characters."""
    body: str
    """Plain text: who, what, and what to do."""
    at: datetime


class Notifier(Protocol):
    """One channel that is ready to carry alerts."""

    async def send(self, alert: Alert) -> None:
        """Return once the channel accepted it, within 15 seconds. Raises `Unavailable`."""
        ...


class NotifierPlugin(Protocol):
    name: str

    def open(self, address: str) -> Notifier | None:
        """The channel at this address; None when it is none of this plugin's, or is written wrongly. Sends nothing."""
        ...


Notifiers = Sequence[tuple[str, Notifier]]
"""Channels with the names by which people know them: `alert address 2`, never the address."""
