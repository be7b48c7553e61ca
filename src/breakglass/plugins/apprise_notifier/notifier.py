"""One channel by way of apprise. What it answers is believed only where every service at the address took the alert.

apprise's own log is silenced: some of its services write addresses there, and addresses hold tokens.
"""

import asyncio
import logging
from contextlib import suppress

import apprise
from apprise import AppriseAsset, NotifyFormat, NotifyType, PersistentStoreMode
from apprise.result import AppriseResultStatus

from breakglass.errors import Unavailable
from breakglass.plugin_api.notifier import Alert, Notifier, Severity

WITHIN = 12.0
"""Seconds for one service to take one alert."""
_TYPES = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}


class AppriseNotifier:
    """Keeps the contract of `breakglass.plugin_api.notifier.NotifierPlugin`."""

    name = "apprise"

    def __init__(self) -> None:
        for noisy in ("apprise", "urllib3"):
            log = logging.getLogger(noisy)
            log.setLevel(logging.CRITICAL)
            log.propagate = False

    def open(self, address: str) -> Notifier | None:
        asset = AppriseAsset(
            app_id="Breakglass",
            app_desc="Emergency access",
            app_url="",
            plugin_paths=[],
            storage_mode=PersistentStoreMode.MEMORY,
            service_timeout=WITHIN,
            allow_templates=False,
            interpret_emojis=False,
            interpret_escapes=False,
            secure_logging=True,
            http_redirects=False,
        )
        channel = apprise.Apprise(asset=asset)
        with suppress(Exception):  # whatever its parser can't bear is no address
            if channel.add(address) and len(channel) > 0:
                return _Channel(channel)
        return None


class _Channel:
    __slots__ = ("_apprise",)

    def __init__(self, channel: apprise.Apprise) -> None:
        self._apprise = channel

    async def send(self, alert: Alert) -> None:
        status = AppriseResultStatus.TIMEOUT
        with suppress(Exception):  # its words may hold the address: only that it failed is told
            async with asyncio.timeout(WITHIN + 1):
                result = await self._apprise.async_notify(
                    title=alert.title,
                    body=alert.body,
                    notify_type=_TYPES[alert.severity],
                    body_format=NotifyFormat.TEXT,
                )
            status = result.status
        if status != AppriseResultStatus.SUCCESS:
            raise Unavailable(
                f"An alert channel did not take the alert ({status.name.lower()}).",
                what_to_do="Check the channel's address and service; it is tried again.",
            )
