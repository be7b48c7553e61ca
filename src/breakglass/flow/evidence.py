"""Evidence for outsiders: the log is told what is handed out, and to whom, before it is."""

from breakglass.audit import gather
from breakglass.audit.bundle import EXPORTED
from breakglass.errors import WrongState
from breakglass.identity.access import permit
from breakglass.model.change import Fact
from breakglass.model.grant import Grant, State
from breakglass.model.ids import RequestId
from breakglass.storage.work import Work


def export(work: Work, id: RequestId) -> str:
    """Note which entries make up this request's bundle; returns the export's id.

    Raises `WrongState` while the grant is live: its token stands in the bundle, and leaves only when it opens nothing
    any more."""
    permit(work.actor, "audit", id)
    named = gather.named(work, id)
    if any(grant.state is State.ACTIVE for grant in work.find(Grant, request=id)):
        raise WrongState(
            "The grant of this request is still open.",
            what_to_do="Export it after the grant has ended, or close the grant first.",
            about=id,
        )
    export_id = work.new_id("evd")
    data: dict[str, str | int | bool] = {
        "export": export_id,
        "size": named.size,
        "entries": named.entries,
        "hash": named.hash,
    }
    work.note(Fact(EXPORTED, id, data))
    return export_id
