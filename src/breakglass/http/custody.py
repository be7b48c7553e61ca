"""What pages and API both do for custody items: draw up the text for what somebody wants to do."""

from datetime import timedelta

from breakglass.errors import Malformed
from breakglass.flow import custody as flow
from breakglass.http.house import House
from breakglass.model.custody import Act
from breakglass.model.people import Actor
from breakglass.trust.statement import Statement


async def drawn(
    house: House,
    actor: Actor,
    id: str,
    act: Act | None,
    *,
    seal: str,
    words: str,
    minutes: int,
    holder: str,
    request: str,
) -> Statement:
    """The text for this person; without an act, what another began. `minutes`: 0 for as long as it may be out.
    `holder`: a login, or empty for oneself. Raises as the steps of `flow.custody`."""
    chain = house.chain
    match act:
        case None:
            return await house.do(actor, flow.again, chain, id)
        case Act.RETURN:
            return await house.do(actor, flow.give_back, chain, id, seal=seal, remark=words)
        case Act.INSPECTION:
            return await house.do(actor, flow.inspect, chain, id, seal=seal, remark=words)
        case Act.CHECK_OUT:
            who = chain.head.login(holder) if holder else None
            if holder and who is None:
                raise Malformed(f"Nobody has the login {holder[:40]!r}.", what_to_do="Say the login of who takes it.")
            lasts = timedelta(minutes=minutes) if minutes else flow.item(chain, id).out_for
            by = who.id if who else ""
            return await house.do(
                actor, flow.take, chain, id, seal=seal, lasts=lasts, because=words, holder=by, request=request
            )
