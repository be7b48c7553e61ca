"""The duties that tell people: alerts on every channel, and a line in the request's ticket."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from breakglass.flow import ticket
from breakglass.flow.estate import Estate
from breakglass.model.people import SYSTEM
from breakglass.plugin_api.notifier import NotifierPlugin
from breakglass.storage.outbox import Handler, Told
from breakglass.storage.store import Store
from breakglass.vigilance.alerts import Alerts, channels
from breakglass.vigilance.file import AlertFile
from breakglass.vigilance.scene import Scene
from breakglass.vigilance.sentences import sentence


def handlers(
    store: Store, estate: Estate, notifiers: Mapping[str, NotifierPlugin], addresses: Sequence[str], file: Path
) -> Mapping[str, Handler]:
    """The handlers of `alert` and `ticket`. Every alert goes to `file`, too. Raises `Malformed` for a bad address."""
    alerts = Alerts(store, estate, [("the file of alerts", AlertFile(file)), *channels(notifiers, addresses)])

    async def write_ticket(told: Told) -> None:
        request = await store.read(ticket.request_of, told)
        said = sentence(Scene(told, estate.roster, request)) if request else None
        if said is not None:
            text = said.title if not said.body else f"{said.title}. {said.body}"
            await store.run(SYSTEM, ticket.tell, told, text)

    return {"alert": alerts.tell, "ticket": write_ticket}
