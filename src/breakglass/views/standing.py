"""Where each account's credential stands.

none ──▶ fresh ──▶ exposed (somebody is in) ──▶ owed ──▶ fresh (changed and proven) ──▶ dormant (and disabled)
                                                 └─▶ failed: no stored password works on the target; it needs a person
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from breakglass.model import credential as credentials
from breakglass.model import dormancy as dormancies
from breakglass.model import rotation as rotations
from breakglass.model import session as sessions
from breakglass.model.credential import Credential
from breakglass.model.dormancy import Dormancy
from breakglass.model.rotation import Rotation
from breakglass.model.session import Session
from breakglass.model.target import AccountId
from breakglass.storage.work import Read
from breakglass.views.rows import columns


@dataclass(frozen=True, slots=True)
class Standing:
    state: str
    """`none`, `fresh`, `dormant`, `exposed`, `owed` or `failed`."""
    since: datetime | None
    """Since when; None where no change was made yet, or nothing is stored."""


NONE = Standing("none", None)


def standings(look: Read, account: str = "") -> Mapping[AccountId, Standing]:
    """Of the accounts that have a credential, or of this one alone. What is worse counts: a password of which nobody
    knows whether it works, then one that somebody may see, then one that is to change."""
    c, s, r = columns(Credential), columns(Session), columns(Rotation)

    def those(of: ColumnElement[str], *where: ColumnElement[bool]) -> list[ColumnElement[bool]]:
        return [*where, of == account] if account else list(where)

    def since(query: Select[Any]) -> Mapping[str, datetime]:
        return {row[0]: row[1] for row in look.conn.execute(query)}

    stored = look.conn.execute(select(c.account).where(*those(c.account, c.state == credentials.State.CURRENT)))
    is_owed = those(r.account, r.state != rotations.State.DONE)
    owed = since(select(r.account, func.min(r.owed_at)).where(*is_owed).group_by(r.account))
    needs_a_person = those(r.account, r.state == rotations.State.RECONCILE)
    failed = since(select(r.account, func.min(r.owed_at)).where(*needs_a_person).group_by(r.account))
    is_in = those(s.account, s.state != sessions.State.ENDED)
    exposed = since(select(s.account, func.min(s.started_at)).where(*is_in).group_by(s.account))
    d = columns(Dormancy)
    disabled = those(d.id, d.state == dormancies.State.DISABLED)
    sleeps = since(select(d.id, d.since).where(*disabled))
    done = since(select(r.account, func.max(r.done_at)).where(*those(r.account)).group_by(r.account))
    worst_first = (("failed", failed), ("exposed", exposed), ("owed", owed), ("dormant", sleeps))
    found: dict[AccountId, Standing] = {}
    for id in stored.scalars():
        worst = next(((state, when[id]) for state, when in worst_first if id in when), None)
        found[id] = Standing(*worst) if worst else Standing("fresh", done.get(id))
    return found
