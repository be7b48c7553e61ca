"""Alerts: what people are told at once, on every channel.

    entry of the log ─▶ sentence ─┬─▶ the file that is always there
                                  ├─▶ alert address 1
                                  └─▶ alert address 2 …        all at the same time

At least once: while a channel does not take an alert, the duty is repeated for that channel only. Which ones took it is
kept in memory; after a restart they may get it a second time, with the same id.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from breakglass.errors import BreakglassError, Malformed, Unavailable
from breakglass.flow import ticket
from breakglass.flow.estate import Estate
from breakglass.plugin_api.notifier import Alert, Notifier, NotifierPlugin, Notifiers
from breakglass.storage.outbox import Told
from breakglass.storage.store import Store
from breakglass.vigilance.scene import Scene
from breakglass.vigilance.sentences import sentence

SEND_WITHIN = 20.0
"""Seconds; less than half of a duty's lease."""
REMEMBERED = 4096
DEAD = "duty.dead"
_log = logging.getLogger(__name__)


def channels(plugins: Mapping[str, NotifierPlugin], addresses: Sequence[str]) -> Notifiers:
    """Open every configured address. Raises `Malformed` naming the place of one that nobody understands, not the
    address itself: it may hold a token."""
    found: list[tuple[str, Notifier]] = []
    for n, address in enumerate(addresses, 1):
        opened = next((one for plugin in plugins.values() if (one := plugin.open(address)) is not None), None)
        if opened is None:
            known = ", ".join(sorted(plugins)) or "none"
            raise Malformed(
                f"Address {n} under `alerts` in breakglass.toml is not understood by a notifier (loaded: {known}).",
                what_to_do="Correct it, or name the notifier's module under `plugins`.",
            )
        found.append((f"alert address {n}", opened))
    return found


class Alerts:
    """The handler of the duty `alert`."""

    def __init__(self, store: Store, estate: Estate, to: Notifiers) -> None:
        self.store, self.estate, self.to = store, estate, to
        self._took: OrderedDict[int, set[str]] = OrderedDict()

    async def tell(self, told: Told) -> None:
        """Raises `Unavailable` when a channel did not take it, once every channel was tried."""
        request = await self.store.read(ticket.request_of, told)
        said = sentence(Scene(told, self.estate.roster, request))
        if said is None:
            return
        alert = Alert(
            id=f"{self.estate.roster.deployment}/{told.index}",
            kind=told.kind,
            about=told.about,
            severity=said.severity,
            title=said.title,
            body=said.body,
            at=told.at,
        )
        took = self._took.setdefault(told.index, set())
        self._took.move_to_end(told.index)
        while len(self._took) > REMEMBERED:
            self._took.popitem(last=False)
        left = [(name, one) for name, one in self.to if name not in took]
        outcomes = await asyncio.gather(*[_send(name, one, alert) for name, one in left])
        took |= {name for (name, _), problem in zip(left, outcomes, strict=True) if not problem}
        problems = [problem for problem in outcomes if problem]
        # That a channel is dead is told where it can be: to tell the dead one of it again would never end.
        if problems and not (told.kind == DEAD and took):
            raise Unavailable("; ".join(problems), what_to_do="Check the channel; it is tried again.", about=alert.id)
        self._took.pop(told.index, None)


async def _send(name: str, to: Notifier, alert: Alert) -> str:
    """The problem that it met, in words without the address; empty when it was taken."""
    try:
        async with asyncio.timeout(SEND_WITHIN):
            await to.send(alert)
    except BreakglassError as error:
        problem = f"{name}: {error.message}"
    except Exception as error:
        problem = f"{name}: it met {type(error).__name__}"
    else:
        return ""
    _log.warning("alert %s: %s", alert.id, problem)
    return problem
